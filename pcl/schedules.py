"""Learning rates over time: the factor on the initial rate after t epochs.

t counts epochs from 0 and is a float: epoch + step / steps per epoch. Schedules that the originals change once an
epoch use its whole part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def cosine(t: float, epochs: int, floor: float = 1e-3) -> float:
    """From 1 down to `floor` along half a cosine, one value per epoch.

        f = floor + (1 − floor) (1 + cos(π ⌊t⌋ / T)) / 2

    Source: Van Gansbeke et al., ECCV 2020 (SCAN); Zhong et al., ICCV 2021 (GCC).
    Reference code: wvangansbeke/Unsupervised-Classification@952ec31, mynameischaos/GCC@530c11b.
    """
    return floor + (1 - floor) * (1 + math.cos(math.pi * math.floor(t) / epochs)) / 2


def smooth_cosine(t: float, epochs: int, floor: float = 1e-3) -> float:
    """The same at every step: t is not rounded down.

    Source: Caron et al., NeurIPS 2020 (SwAV); facebookresearch/swav@06b1b7c, main_swav.py.
    """
    return floor + (1 - floor) * (1 + math.cos(math.pi * t / epochs)) / 2


def fixmatch(t: float, epochs: float) -> float:
    """From 1 down to cos(7π/16) = 0.195, at every step.

        f = cos(7π t / (16 T))

    Source: Sohn et al., NeurIPS 2020 (FixMatch); SPICE's last stage.
    Reference code: niuchuangnn/SPICE@5eba538.
    """
    return math.cos(7 * math.pi * t / (16 * epochs))


def warm_steps(t: float, warmup: int, milestones: Sequence[int], gamma: float = 0.1) -> float:
    """Up from 0 by equal steps for `warmup` epochs, then times `gamma` after each milestone; one value per epoch.

    Epoch 0 has the factor 0, epoch `warmup` the factor 1. A milestone's own epoch still has the rate before it.

    Source: Tsai et al., ICLR 2021 (MiCE). Reference code: TsungWeiTsai/MiCE@ddcce45.
    """
    epoch = math.floor(t)
    if epoch < warmup:
        return epoch / warmup
    return gamma ** sum(epoch > milestone for milestone in milestones)


def decay(t: float, rate: float, every: int, floor: float = 0.0) -> float:
    """Times `rate` after every so many epochs, down to `floor`.

        f = max(rate^⌊t / every⌋, floor)

    Source: Manduchi et al., NeurIPS 2021 (DC-GMM), rate 0.9 every 20 epochs; Jiang et al., IJCAI 2017 (VaDE), every
    10, down to a tenth.
    """
    return max(rate ** (math.floor(t) // every), floor)
