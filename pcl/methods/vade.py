"""VaDE: a variational autoencoder with a Gaussian mixture as its prior."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field, PositiveFloat

from pcl import networks, schedules
from pcl.engine.stage import Probability, Stage
from pcl.methods import embedded, variational

if TYPE_CHECKING:
    from torch import nn


class VaDESettings(variational.VariationalSettings):
    """Settings of VaDE; the rate falls no lower than the share `lr_floor` of where it started."""

    lr: PositiveFloat = 2e-3
    lr_floor: Probability = 0.1
    batch_size: int = Field(100, ge=2)


class Method(variational.Variational):
    """Variational deep embedding: every cluster is a Gaussian, images are decoded from draws of them.

    Source: Jiang et al., "Variational deep embedding: an unsupervised and generative approach to clustering",
    IJCAI 2017; reference code slim1017/VaDE@0f9779a.
    """

    version = 1
    Settings = VaDESettings
    settings: VaDESettings
    pretraining = embedded.pretraining(VaDESettings)

    def stages(self) -> list[Stage]:
        """The autoencoder, then the mixture."""
        s = self.settings
        decay = partial(schedules.decay, rate=s.lr_decay, every=s.decay_every, floor=s.lr_floor)
        return [*self.autoencoding(), self.clustering("cluster", optimiser=self.optimiser(schedule=decay))]

    def mixture(self) -> nn.Module:
        """One whose weights are trained too."""
        return networks.centres.WeightedMixture(self.clusters, self.settings.embedding)
