"""What the methods of the DEC family share: an autoencoder to start from, an embedding, and clusters in it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pcl import losses, networks
from pcl import seed as seeds
from pcl.config import Strict
from pcl.engine.stage import DeepSettings, Kind, Optimiser, Probability, Questions, Stage, doublings
from pcl.methods import base
from pcl.strategies.base import Choice, Chosen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

AUTOENCODE = "autoencode"
TARGET = "target_distribution"


class Autoencoder(Strict):
    """The denoising autoencoder that training starts from."""

    epochs: PositiveInt = 300
    lr: PositiveFloat = 1e-3
    batch_size: int = Field(256, ge=2)
    corruption: Probability = 0.2


class EmbeddedSettings(DeepSettings):
    """The settings that the whole family has.

    Clustering ends when fewer than a share `tolerance` of the images change cluster in an epoch.
    """

    embedding: PositiveInt = 10
    autoencoder: Autoencoder | None = Autoencoder()
    tolerance: Probability = 0.001

    @model_validator(mode="after")
    def _fits_the_decoder(self) -> Self:
        if self.autoencoder is not None and not self.backbone.frozen:
            try:
                doublings(self.image_size)
            except ValueError as error:
                raise ValueError(f"image_size: {error}") from error
        return self


class AskingSettings(EmbeddedSettings, base.Asking):
    """The settings of those that ask.

    `strategy` "random" asks the whole budget before clustering, as the papers do; any other one asks in batches.
    `closure` "full" trains on every pair that the answers imply, of which `max_pairs` of each kind are kept.
    """

    strategy: Chosen = Choice.of("random")
    max_pairs: PositiveInt | None = 6000


def pretraining(settings: type[EmbeddedSettings]) -> base.SharedStages:
    """The autoencoder, which every method of the family and every task of a data set share."""
    needed = {"image_size", "backbone", "augmentation", "embedding", "autoencoder"}
    later = frozenset(settings.model_fields) - needed
    return base.SharedStages("autoencoder", 1, __name__, "dataset", later, ("backbone", "embedding", "decoder"))


class Embedded(base.DeepMethod):
    """A method that clusters in the embedding of an encoder, by default with centroids and a self-made target."""

    supervised = False
    draws_views = False
    settings: EmbeddedSettings

    def stages(self) -> list[Stage]:
        """The autoencoder, where there is one, then what the method does with its embedding."""
        return [*self.autoencoding(), self.clustering("cluster")]

    def autoencoding(self) -> list[Stage]:
        """The stage of the autoencoder, or none."""
        a = self.settings.autoencoder
        if a is None:
            return []
        batches = self.batches(size=a.batch_size, views=())
        return [self.stage(AUTOENCODE, a.epochs, batches=batches, optimiser=Optimiser(lr=a.lr), pretraining=True)]

    def clustering(self, name: str, *streams: Kind, **others: Any) -> Stage:
        """A stage on unaugmented images, its batch statistics frozen: target and prediction are of one network."""
        batches = self.batches(streams=streams or ("images",), views=())
        return self.stage(name, self.settings.epochs, **{"batches": batches, "frozen_statistics": True, **others})

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, linear embedding, centroids, and a decoder where there is an autoencoder."""
        network = self.encoder(channels)
        network["centroids"] = networks.centres.Centroids(self.clusters, self.settings.embedding)
        return network

    def encoder(self, channels: int) -> nn.ModuleDict:
        """Backbone and linear embedding, with a decoder where there is an autoencoder."""
        s = self.settings
        return networks.autoencoder.embedding_network(s, channels, s.embedding, decoder=s.autoencoder is not None)

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
        for name in ("clusters", TARGET):
            session.state.pop(name, None)
        if session.stage.name != AUTOENCODE:
            seed = seeds.derive(session.seed, session.stage.name, "centres")
            networks.centres.start(session.network[part], session.predict(self.embed).numpy(), seed)

    def start_epoch(self, session: Session) -> None:
        """The target distribution over all images, unless the end of the last epoch has left it."""
        if session.stage.name != AUTOENCODE and TARGET not in session.state:
            session.state[TARGET] = losses.student.target_distribution(session.predict(self.probabilities))

    def end_epoch(self, session: Session) -> bool:
        """Whether fewer than a share `tolerance` of the images changed cluster; computes the next epoch's target."""
        if session.stage.name == AUTOENCODE:
            return False
        q = session.predict(self.probabilities)
        session.state[TARGET] = losses.student.target_distribution(q)
        clusters, before = q.argmax(1), session.state.get("clusters")
        session.state["clusters"] = clusters
        return before is not None and (clusters != before).float().mean().item() < self.settings.tolerance

    def kl(self, q: Tensor, batch: Batch, session: Session, smoothing: float = 0.0) -> Tensor:
        """KL(P‖Q), the mean over a batch of images."""
        target = session.state[TARGET][batch.rows].to(q.device)
        return losses.student.kl_divergence(target, q, smoothing)

    def reconstruction(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Mean squared error over all values."""
        return networks.autoencoder.reconstruction_loss(outputs["images"], batch.images)

    def assign(self, network: nn.ModuleDict, z: Tensor) -> Tensor:
        """q, from the distances to the centroids."""
        return losses.student.soft_assignment(network["centroids"](z))

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """Cluster probabilities of unaugmented images."""
        return self.assign(network, self.embed(network, images))

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The embedding."""
        return networks.autoencoder.encode(network, images)


class AskingEmbedded(base.AskingMethod, Embedded):
    """One of them that asks, as its settings say."""

    settings: AskingSettings

    def stages(self) -> list[Stage]:
        """The same, with questions."""
        return [*self.autoencoding(), self.clustering("cluster", questions=self.questions())]

    def questions(self) -> Questions:
        """All before the first step if they are random, or one in each batch of images."""
        s = self.settings
        return Questions(first=self.budget) if s.strategy.name == "random" else Questions(each_batch=s.strategy)

    def clustering(self, name: str, *streams: Kind, **others: Any) -> Stage:
        """The same, with at most `max_pairs` of each kind."""
        batches = self.batches(streams=streams or ("images",), views=(), max_pairs=self.settings.max_pairs)
        return super().clustering(name, batches=batches, **others)
