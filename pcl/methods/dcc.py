"""DCC: an autoencoder whose soft assignment is pulled by must-links and cannot-links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt
from pydantic import field_validator

from pcl import losses, networks
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class DCCSettings(base.DeepSettings):
    """Settings of DCC.

    `kernel_power` 1 is the paper's Student-t kernel, 2 the released code's. `closure` "full" trains on every pair
    that the answers imply, of which `max_pairs` of each kind are kept (the released code keeps 6,000).
    """

    lr: Annotated[float, Gt(0)] = 1e-3
    batch_size: Annotated[int, Ge(2)] = 256
    embedding: base.Positive = 10
    autoencoder: bool = True
    autoencoder_epochs: base.Positive = 300
    corruption: base.Probability = 0.2
    kl_weight: base.NonNegative = 0.1
    must_weight: base.NonNegative = 0.1
    cannot_weight: base.NonNegative = 1.0
    size_weight: base.NonNegative = 0.0
    kernel_power: Literal[1, 2] = 1
    tolerance: base.Probability = 0.001
    closure: Literal["full", "none"] = "full"
    parity: bool = False
    max_pairs: base.Positive | None = 6000

    @field_validator("image_size")
    @classmethod
    def _fits_the_decoder(cls, size: int) -> int:
        if size < 8 or size & (size - 1):
            raise ValueError("DCC's decoder doubles up to the image: a power of two, at least 8")
        return size


class Method(base.DeepMethod):
    """Deep constrained clustering: IDEC with losses on answered pairs, asked at random before training.

    Source: Zhang, Basu & Davidson, "A framework for deep constrained clustering", ECML-PKDD 2019; reference code
    blueocean92/deep_constrained_clustering@22e5c98.
    """

    version = 1
    supervised = True
    Settings = DCCSettings
    settings: DCCSettings
    pretrains_on = "dataset"
    pretrained_parts = ("backbone", "embedding", "decoder")
    later_settings = frozenset(DCCSettings.model_fields) - frozenset(
        {"image_size", "backbone", "augmentation", "batch_size", "lr", "weight_decay", "clip"}
        | {"embedding", "autoencoder", "autoencoder_epochs", "corruption"}
    )

    def stages(self) -> list[base.Stage]:
        """A denoising autoencoder, then clustering: images, must-links and cannot-links in every epoch."""
        s = self.settings
        cluster = self.stage(
            "cluster",
            s.epochs,
            batches="pairs",
            views=0,
            questions=self.budget,
            within_batches=False,
            frozen_statistics=True,
            max_pairs=s.max_pairs,
        )
        if not s.autoencoder:
            return [cluster]
        start = self.stage("autoencode", s.autoencoder_epochs, batches="shuffled", views=0, pretraining=True)
        return [start, cluster]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, linear embedding, decoder and centroids."""
        s = self.settings
        return networks.autoencoder.clustering_network(s, channels, self.clusters, s.embedding)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z, its reconstruction, and the soft assignment q."""
        images = batch.images
        if batch.stage == "autoencode":
            images = networks.autoencoder.corrupt(images, self.settings.corruption, batch.generator)
        z = networks.autoencoder.encode(network, images)
        return {"z": z, "images": network["decoder"](z), "p": self.soft_assignment(network, z)}

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Reconstruction, and what the kind of batch adds: the target, must-links or cannot-links."""
        s, q = self.settings, outputs["p"]
        if batch.kind == "cannot":
            return {"cannot": s.cannot_weight * losses.pairs.cannot_link_loss(q)}
        reconstruction = networks.autoencoder.reconstruction_loss(outputs["images"], batch.images)
        if batch.kind == "must":
            # Both images of a pair count: the sum of two means, not the mean over both halves.
            must = s.must_weight * losses.pairs.must_link_loss(q)
            return {"must": must, "reconstruction": 2 * reconstruction}
        if batch.stage == "autoencode":
            return {"reconstruction": reconstruction}
        target = session.target(batch.index)
        kl = s.kl_weight * losses.student.kl_divergence(target, q, smoothing=1e-6)
        terms = {"kl": kl, "reconstruction": reconstruction}
        return terms | ({"size": s.size_weight * losses.pairs.size_loss(q)} if s.size_weight else {})

    def start_stage(self, session: Session) -> None:
        """Centres from k-means on the embedding of all images."""
        if session.stage.name == "cluster":
            networks.autoencoder.centres_from_kmeans(session, self.embed)

    def start_epoch(self, session: Session) -> None:
        """The target distribution over all images."""
        if session.stage.name == "cluster":
            session.targets = losses.student.target_distribution(session.sweep(self.probabilities))

    def finished(self, session: Session) -> bool:
        """Whether fewer than `tolerance` of the images changed cluster in this epoch."""
        if session.stage.name != "cluster":
            return False
        return networks.autoencoder.settled(session, self.probabilities, self.settings.tolerance)

    def soft_assignment(self, network: nn.ModuleDict, z: Tensor) -> Tensor:
        """q, from the distances to the centroids."""
        return losses.student.soft_assignment(network["centroids"](z), self.settings.kernel_power)

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """q of images as they are."""
        return self.soft_assignment(network, self.embed(network, images))

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The embedding."""
        return networks.autoencoder.encode(network, images)
