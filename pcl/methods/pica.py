"""PICA: clusters that a change of the images does not mix up, with a second, finer head to learn by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import losses, networks
from pcl.engine.stage import DeepSettings, Stage
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

FINE, COARSE = "fine", "cluster"


class PICASettings(DeepSettings):
    """Settings of PICA.

    `fine_clusters` are the clusters of the other head; `copies` the changed views of every image; `sobel` shows the
    network edges in place of colours.
    """

    lr: PositiveFloat = 1e-4
    batch_size: int = Field(256, ge=2)
    epochs: PositiveInt = 200
    fine_clusters: int = Field(70, ge=2)
    copies: PositiveInt = 3
    sobel: bool = True
    entropy_weight: NonNegativeFloat = 2.0


class Method(base.DeepMethod):
    """Partition confidence maximisation: every cluster's column is unlike the others', and stays itself.

    Source: Huang, Gong & Zhu, "Deep semantic clustering by partition confidence maximisation", CVPR 2020; reference
    code Raymond-sci/PICA@a82957e.
    """

    version = 1
    supervised = False
    layers = (COARSE,)
    Settings = PICASettings
    settings: PICASettings

    def stages(self) -> list[Stage]:
        """One stage; an epoch passes through the images twice, first for the fine head, then for the other."""
        s = self.settings
        views = ("weak", *("standard",) * s.copies)
        return [self.stage("train", s.epochs, batches=self.batches(streams=("images", "images"), views=views))]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone and both heads."""
        from torch.nn import ModuleDict

        s = self.settings
        backbone, width = networks.projection.backbone(s, channels, sobel=s.sobel)
        counts = {FINE: s.fine_clusters, COARSE: self.clusters}
        heads = {name: networks.projection.small_head(width, count) for name, count in counts.items()}
        return ModuleDict({"backbone": backbone, **heads})

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """p of the originals, once for every changed view, and p′ of these, by the head whose pass it is."""
        import torch

        head = network[FINE if 2 * batch.step < batch.steps else COARSE]
        original, *changed = batch.views
        p = head(networks.heads.features(network, original)).repeat(len(changed), 1)
        return {"p": p, "changed": head(networks.heads.features(network, torch.cat(changed)))}

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The partition uncertainty index and the balance, under the name of the head."""
        name = FINE if 2 * batch.step < batch.steps else COARSE
        weight = self.settings.entropy_weight
        return {name: losses.graph.assignment_contrast(outputs["p"], outputs["changed"], weight)}

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The cluster head's answer."""
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The backbone's features."""
        return networks.heads.features(network, images)
