"""MoCo: a view of an image is found among those that a slow copy of the network has seen; k-means in the end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import losses, networks, schedules
from pcl import seed as seeds
from pcl.engine.stage import Optimizer, Probability, Stage
from pcl.limits import Needs
from pcl.methods import readout

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

PARTS = ("backbone", "instance")


class MoCoSettings(readout.ReadoutSettings):
    """Settings of MoCo.

    `queue` is the number of earlier embeddings that an image is told apart from; `momentum_encoder` how slowly the
    other encoder follows.
    """

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 0.015
    weight_decay: NonNegativeFloat = 1e-4
    batch_size: int = Field(128, ge=2)
    epochs: PositiveInt = 1000
    temperature: PositiveFloat = 0.2
    queue: Annotated[PositiveInt, Needs("earlier embeddings of other images", more=1)] = 12800
    momentum_encoder: Probability = 0.999


class Method(readout.Readout):
    """Momentum contrast (v2), and k-means on what it has learned: SPICE's first stage by itself.

    Source: He et al., "Momentum contrast for unsupervised visual representation learning", CVPR 2020; as in
    niuchuangnn/SPICE@5eba538, moco/builder.py.
    """

    version = 1
    Settings = MoCoSettings
    settings: MoCoSettings

    def stages(self) -> list[Stage]:
        """One stage under half a cosine."""
        s = self.settings
        falling = partial(schedules.cosine, epochs=s.epochs, floor=0.0)
        return [self.stage("moco", s.epochs, optimiser=self.optimiser(schedule=falling))]

    def build(self, channels: int) -> nn.ModuleDict:
        """Encoder, its slow copy, and centres."""
        from torch.nn import ModuleDict

        backbone, width = networks.projection.backbone(self.settings, channels)
        parts: dict[str, nn.Module] = {
            "backbone": backbone,
            "instance": networks.heads.InstanceHead(width, self.settings.features),
        }
        return self.joined({**parts, "teacher": networks.momentum.slow_copy(ModuleDict(parts))}, width)

    def start_stage(self, session: Session) -> None:
        """Unit noise in the queue."""
        s = self.settings
        generator = seeds.torch_generator(session.seed, "queue", device=session.device.type)
        session.state |= networks.spice.empty_queue(s.queue, s.features, generator)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """What the encoder makes of the first view, and its slow copy of the second."""
        return networks.spice.query_and_key(network, batch.views)

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Contrast with the queue."""
        keys = outputs["k"], session.state["queue"]
        return {"contrast": losses.contrastive.info_nce_queue(outputs["q"], *keys, self.settings.temperature)}

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """The slow copy follows, and the queue takes the batch in."""
        network = session.network
        for part in PARTS:
            slow = network.get_submodule(f"teacher.{part}")
            networks.momentum.follow(slow, network[part], self.settings.momentum_encoder)
        session.state |= networks.spice.queued(session.state, outputs["k"])
