"""SimCLR: two views of an image are found among all others; k-means in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat

from pcl import losses, networks
from pcl.methods import readout

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class SimCLRSettings(readout.ReadoutSettings):
    """Settings of SimCLR."""

    lr: PositiveFloat = 3e-4
    batch_size: int = Field(256, ge=2)
    temperature: PositiveFloat = 0.5
    read: Literal["features", "projection"] = "projection"


class Method(readout.Readout):
    """SimCLR, and k-means on what it has learned.

    Source: Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020, with the
    head and the rate of Li et al., AAAI-21 (CC; Yunfan-Li/Contrastive-Clustering@61daba8), of which it is the half
    without clusters.
    """

    version = 1
    Settings = SimCLRSettings
    settings: SimCLRSettings

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, instance head and centres."""
        backbone, width = networks.projection.backbone(self.settings, channels)
        head = networks.heads.InstanceHead(width, self.settings.features)
        return self.joined({"backbone": backbone, "instance": head}, width)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z of both views, stacked; each view passes the network by itself."""
        import torch

        seen = torch.cat([networks.heads.features(network, view) for view in batch.views])
        return {"z": network["instance"](seen)}

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Contrast between images."""
        return {"instance": losses.contrastive.nt_xent(outputs["z"], self.settings.temperature)}
