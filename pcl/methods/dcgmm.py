"""DC-GMM: a variational autoencoder with a Gaussian mixture as its prior, which the answers condition."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Lt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import losses, networks, schedules
from pcl.engine.stage import Probability, Stage
from pcl.methods import embedded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class DCGMMSettings(embedded.EmbeddedSettings):
    """Settings of DC-GMM.

    `confidence` is the paper's α, the weight of an answer; `flip`, where it is given, is the share of wrong answers
    that α is reckoned from. `recon_scale` is a factor on the reconstruction, whose sum over the pixels grows with
    the image while the rest of the loss does not: 1 over the number of pixel values makes it their mean. With
    `tolerance` 0 no epoch is left out.
    """

    lr: PositiveFloat = 1e-3
    batch_size: int = Field(128, ge=2)
    autoencoder: embedded.Autoencoder = embedded.Autoencoder()
    confidence: NonNegativeFloat = 10_000.0
    flip: Annotated[float, Gt(0), Lt(0.5)] | None = None
    recon_scale: NonNegativeFloat = 1.0
    lr_decay: Probability = 0.9
    decay_every: PositiveInt = 20
    tolerance: Probability = 0.0


class Method(embedded.Embedded):
    """Deep conditional Gaussian mixture: VaDE, whose prior over assignments prefers those that the answers allow.

    Source: Manduchi et al., "Deep conditional Gaussian mixture model for constrained clustering", NeurIPS 2021;
    reference code lauramanduchi/DC-GMM@af7dc6e. Without answers: VaDE with equal weights (Jiang et al., IJCAI 2017).
    """

    version = 1
    Settings = DCGMMSettings
    settings: DCGMMSettings
    pretraining = embedded.pretraining(DCGMMSettings)

    def stages(self) -> list[Stage]:
        """The autoencoder, then the mixture: batches of images and batches of linked pairs."""
        s = self.settings
        decay = partial(schedules.decay, rate=s.lr_decay, every=s.decay_every)
        optimiser, questions = self.optimiser(schedule=decay), self.questions()
        mixture = self.clustering("cluster", "images", "pairs", optimiser=optimiser, questions=questions)
        return [*self.autoencoding(), mixture]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, embedding (the mean), log variance, decoder and mixture."""
        s = self.settings
        network = self.encoder(channels)
        network["log_variance"] = networks.centres.narrow(network["backbone"].features, s.embedding)
        network["mixture"] = networks.centres.Mixture(self.clusters, s.embedding)
        return network

    def prepare(self, batch: Batch, session: Session) -> None:
        """Every link among the images of a batch counts, and not only the pairs it is made of."""
        session.link(batch)

    def outputs(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """A draw z from the posterior of each image, its responsibilities and its reconstruction."""
        h = network["backbone"](batch.images)
        mean, log_variance = network["embedding"](h).float(), network["log_variance"](h).float()
        z = losses.gaussian.sample(mean, log_variance, batch.generator)
        images = network["decoder"](z)
        return {"z": z, "p": self.assign(network, z), "mean": mean, "log_variance": log_variance, "images": images}

    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The conditional ELBO: reconstruction, divergence from the mixture, and the answers."""
        s, form = self.settings, losses.gaussian
        alpha = s.confidence if s.flip is None else form.confidence(s.flip)
        mixture = session.network["mixture"]()
        pixels = batch.images[0].numel()
        terms = {"reconstruction": s.recon_scale * pixels * self.reconstruction(outputs, batch)}
        terms |= form.divergence(outputs["mean"], outputs["log_variance"], outputs["p"], *mixture)
        return terms | {"answers": form.constraint_term(outputs["p"], batch.must, batch.cannot, alpha)}

    def start_stage(self, session: Session) -> None:
        """A mixture fitted to the embedding of all images."""
        self.start_clusters(session, "mixture")

    def start_epoch(self, session: Session) -> None:
        """Nothing: the mixture needs no target."""

    def end_epoch(self, session: Session) -> bool:
        """Whether the clusters have settled, where that is asked for."""
        return self.settings.tolerance > 0 and super().end_epoch(session)

    def assign(self, network: nn.ModuleDict, z: Tensor) -> Tensor:
        """Responsibilities of the mixture."""
        return losses.gaussian.responsibilities(z, *network["mixture"]())
