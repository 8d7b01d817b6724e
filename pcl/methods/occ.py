"""OCC: contrast between images in which "same cluster" answers are further positives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import losses, networks
from pcl.engine.stage import Probability, Questions, Stage
from pcl.methods import base
from pcl.strategies.base import Choice, Chosen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class OCCSettings(base.Asking):
    """Settings of OCC: `spaces` are those in which images are contrasted, `emphasis` is λ in the first epoch."""

    features: PositiveInt = 128
    spaces: Literal["both", "features", "clusters"] = "both"
    temperature: PositiveFloat = 0.5
    column_temperature: PositiveFloat = 1.0
    emphasis: NonNegativeFloat = 50.0
    strategy: Chosen = Choice.of("csd")
    per_batch: PositiveInt = 2
    extend_proportion: Probability = 0.5


class Method(base.AskingMethod):
    """Oracle-guided contrastive clustering: CC, with images that answers put together as positives of each other.

    Source: Wang, Shang, Zhao, Wang, Chen, Li and Wang, "Oracle-guided Contrastive Clustering", 2022 (OCC); no code.
    """

    version = 1
    layers = ("instance", "cluster")
    Settings = OCCSettings
    settings: OCCSettings

    def stages(self) -> list[Stage]:
        """One, which asks as it trains (Algorithm 1)."""
        s = self.settings
        questions = Questions(each_batch=s.strategy, per_batch=s.per_batch)
        extend = s.epochs - round(s.extend_proportion * s.epochs)
        return [
            self.stage("train", s.epochs, batches=self.batches(fixed=True), questions=questions, extend_from=extend)
        ]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, instance head and cluster head."""
        return networks.heads.contrastive_network(self.settings, channels, self.clusters, self.settings.features)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z and p of both views; each view passes the network by itself, so that its batch statistics are its own."""
        return networks.heads.both_views(network, batch.views)

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Images in feature space and in cluster space, columns, and balance (Eq. 5, its sign put right)."""
        s, p, form = self.settings, outputs["p"], losses.active
        extra = form.extra_positives(batch.must | batch.pseudo, s.emphasis, batch.epoch / s.epochs)
        shown = {"features": {"instance": outputs["z"]}, "clusters": {"cluster": p}}
        shown["both"] = shown["features"] | shown["clusters"]
        rows = {name: form.active_contrast(rows, extra, s.temperature) for name, rows in shown[s.spaces].items()}
        columns = form.column_contrast(p, s.column_temperature)
        return {**rows, "column": columns, "balance": losses.contrastive.balance(p)}

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The cluster head's answer."""
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The backbone's features."""
        return networks.heads.features(network, images)
