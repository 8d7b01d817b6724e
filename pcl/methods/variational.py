"""What VaDE and DC-GMM share: a variational autoencoder whose prior is a Gaussian mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, PositiveInt

from pcl import losses, networks
from pcl.engine.stage import Probability
from pcl.methods import embedded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class VariationalSettings(embedded.EmbeddedSettings):
    """The settings that both have.

    `recon_scale` is a factor on the reconstruction, whose sum over the pixels grows with the image while the rest of
    the loss does not: 1 over the number of pixel values makes it their mean. The learning rate falls by the factor
    `lr_decay` after every `decay_every` epochs. With `tolerance` 0 no epoch is left out.
    """

    autoencoder: embedded.Autoencoder = embedded.Autoencoder()
    recon_scale: NonNegativeFloat = 1.0
    lr_decay: Probability = 0.9
    decay_every: PositiveInt = 10
    tolerance: Probability = 0.0


class Variational(embedded.Embedded):
    """A method whose clusters are the Gaussians of a mixture, the prior of what is decoded."""

    settings: VariationalSettings

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, embedding (the mean), log variance, decoder and mixture."""
        s = self.settings
        network = self.encoder(channels)
        network["log_variance"] = networks.centres.narrow(network["backbone"].features, s.embedding)
        network["mixture"] = self.mixture()
        return network

    def mixture(self) -> nn.Module:
        """The prior."""
        return networks.centres.Mixture(self.clusters, self.settings.embedding)

    def outputs(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """A draw z from the posterior of each image, its responsibilities and its reconstruction."""
        h = network["backbone"](batch.images)
        mean, log_variance = network["embedding"](h).float(), network["log_variance"](h).float()
        z = losses.gaussian.sample(mean, log_variance, batch.generator)
        images = network["decoder"](z)
        return {"z": z, "p": self.assign(network, z), "mean": mean, "log_variance": log_variance, "images": images}

    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The negative ELBO: reconstruction, and divergence from the mixture."""
        mixture = session.network["mixture"]()
        pixels = batch.images[0].numel()
        terms = {"reconstruction": self.settings.recon_scale * pixels * self.reconstruction(outputs, batch)}
        return terms | losses.gaussian.divergence(outputs["mean"], outputs["log_variance"], outputs["p"], *mixture)

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
