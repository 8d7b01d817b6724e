"""CC: contrast between images and between clusters, without a question asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import losses, networks
from pcl.engine.stage import DeepSettings, Stage
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class CCSettings(DeepSettings):
    """Settings of CC."""

    features: PositiveInt = 128
    temperature: PositiveFloat = 0.5
    column_temperature: PositiveFloat = 1.0
    entropy_weight: NonNegativeFloat = 1.0


class Method(base.DeepMethod):
    """Contrastive clustering: an instance head and a cluster head trained together.

    Source: Li et al., "Contrastive Clustering", AAAI-21; reference code Yunfan-Li/Contrastive-Clustering@61daba8.
    """

    version = 1
    supervised = False
    layers = ("instance", "cluster")
    Settings = CCSettings
    settings: CCSettings

    def stages(self) -> list[Stage]:
        """One stage, end to end."""
        return [self.stage("train", self.settings.epochs)]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, instance head and cluster head."""
        return networks.heads.contrastive_network(self.settings, channels, self.clusters, self.settings.features)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z and p of both views; each view passes the network by itself, so that its batch statistics are its own."""
        return networks.heads.both_views(network, batch.views)

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Instance contrast, cluster contrast and the balance of both views."""
        s = self.settings
        return losses.contrastive.cc(
            outputs["z"], outputs["p"], s.temperature, s.column_temperature, s.entropy_weight
        )

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The cluster head's answer."""
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The backbone's features."""
        return networks.heads.features(network, images)
