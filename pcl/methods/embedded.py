"""What the methods of the DEC family share: an autoencoder to start from, an embedding, and clusters in it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from annotated_types import Ge
from pydantic import model_validator

from pcl import losses, networks
from pcl import seed as seeds
from pcl.config import Strict
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

AUTOENCODE = "autoencode"


class Autoencoder(Strict):
    """The denoising autoencoder that training starts from."""

    epochs: base.Positive = 300
    lr: base.Above = 1e-3
    batch_size: Annotated[int, Ge(2)] = 256
    corruption: base.Probability = 0.2


class EmbeddedSettings(base.DeepSettings):
    """The settings that the whole family has.

    `strategy` "random" asks the whole budget before clustering, as the papers do; any other one asks in batches.
    `closure` "full" trains on every pair that the answers imply, of which `max_pairs` of each kind are kept.
    Clustering ends when fewer than a share `tolerance` of the images change cluster in an epoch.
    """

    embedding: base.Positive = 10
    autoencoder: Autoencoder | None = Autoencoder()
    tolerance: base.Probability = 0.001
    strategy: str = "random"
    closure: Literal["full", "none"] = "full"
    parity: bool = False
    max_pairs: base.Positive | None = 6000

    @model_validator(mode="after")
    def _fits_the_decoder(self) -> Self:
        size = self.image_size
        if self.autoencoder is not None and (size < 8 or size & (size - 1)):
            raise ValueError(f"image_size: {size}, but the decoder doubles up to it: a power of two, at least 8")
        return self


def pretraining(settings: type[EmbeddedSettings]) -> base.Pretraining:
    """The autoencoder, which every method of the family and every task of a data set share."""
    needed = {"image_size", "backbone", "augmentation", "embedding", "autoencoder"}
    later = frozenset(settings.model_fields) - needed
    return base.Pretraining("autoencoder", 1, "dataset", later, ("backbone", "embedding", "decoder"))


class Embedded(base.DeepMethod):
    """A method that clusters in the embedding of an encoder, by default with centroids and a self-made target."""

    supervised = True
    settings: EmbeddedSettings

    def stages(self) -> list[base.Stage]:
        """The autoencoder, where there is one, then what the method does with its embedding."""
        return [*self.autoencoding(), self.clustering("cluster", **self.asking())]

    def autoencoding(self) -> list[base.Stage]:
        """The stage of the autoencoder, or none."""
        a = self.settings.autoencoder
        if a is None:
            return []
        own = {"optimizer": "adam", "lr": a.lr, "batch_size": a.batch_size, "weight_decay": 0.0, "clip": None}
        return [self.stage(AUTOENCODE, a.epochs, views=(), pretraining=True, **own)]

    def asking(self) -> dict[str, Any]:
        """When questions are asked: all before the first step, or one in each batch of images."""
        s = self.settings
        return {"questions": self.budget} if s.strategy == "random" else {"strategy": s.strategy}

    def clustering(self, name: str, **others: Any) -> base.Stage:
        """A stage on images as they are, its batch statistics frozen: target and prediction are of one network."""
        s = self.settings
        return self.stage(name, s.epochs, views=(), frozen_statistics=True, max_pairs=s.max_pairs, **others)

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, linear embedding, centroids, and a decoder where there is an autoencoder."""
        network = networks.autoencoder.embedding_network(self.settings, channels)
        network["centroids"] = networks.centres.Centroids(self.clusters, self.settings.embedding)
        return network

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """Images decoded from corrupted ones in the autoencoder; later what `outputs` gives."""
        a = self.settings.autoencoder
        if batch.stage != AUTOENCODE or a is None:
            return self.outputs(network, batch)
        corrupted = networks.autoencoder.corrupt(batch.images, a.corruption, batch.generator)
        return {"images": network["decoder"](networks.autoencoder.encode(network, corrupted))}

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The reconstruction in the autoencoder; later what `terms` gives."""
        if batch.stage == AUTOENCODE:
            return {"reconstruction": self.reconstruction(outputs, batch)}
        return self.terms(outputs, batch, session)

    def outputs(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z and its cluster probabilities."""
        z = self.embed(network, batch.images)
        return {"z": z, "p": self.assign(network, z)}

    @abstractmethod
    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The named terms of the loss after the autoencoder."""

    def start_stage(self, session: Session) -> None:
        """Centroids fitted to the embedding of all images."""
        self.start_clusters(session, "centroids")

    def start_clusters(self, session: Session, part: str) -> None:
        """Fit a part of the network to the embedding of all images, unless there is only an autoencoder yet."""
        session.state.pop("clusters", None)
        session.targets = None
        if session.stage.name != AUTOENCODE:
            seed = seeds.derive(session.seed, session.stage.name, "centres")
            networks.centres.start(session.network[part], session.sweep(self.embed).numpy(), seed)

    def start_epoch(self, session: Session) -> None:
        """The target distribution over all images, unless the end of the last epoch has left it."""
        if session.stage.name != AUTOENCODE and session.targets is None:
            session.targets = losses.student.target_distribution(session.sweep(self.probabilities))

    def end_epoch(self, session: Session) -> bool:
        """Whether fewer than a share `tolerance` of the images changed cluster; leaves the next epoch's target."""
        if session.stage.name == AUTOENCODE:
            return False
        q = session.sweep(self.probabilities)
        session.targets = losses.student.target_distribution(q)
        clusters, before = q.argmax(1), session.state.get("clusters")
        session.state["clusters"] = clusters
        return before is not None and (clusters != before).float().mean().item() < self.settings.tolerance

    def kl(self, q: Tensor, batch: Batch, session: Session, smoothing: float = 0.0) -> Tensor:
        """KL(P‖Q), the mean over a batch of images."""
        return losses.student.kl_divergence(session.target(batch.index), q, smoothing)

    def reconstruction(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Mean squared error over all values."""
        return networks.autoencoder.reconstruction_loss(outputs["images"], batch.images)

    def assign(self, network: nn.ModuleDict, z: Tensor) -> Tensor:
        """q, from the distances to the centroids."""
        return losses.student.soft_assignment(network["centroids"](z))

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """Cluster probabilities of images as they are."""
        return self.assign(network, self.embed(network, images))

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The embedding."""
        return networks.autoencoder.encode(network, images)
