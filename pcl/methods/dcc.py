"""DCC: an autoencoder whose soft assignment is pulled by must-links and cannot-links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from pcl import losses
from pcl.engine.stage import Stage
from pcl.methods import embedded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class DCCSettings(embedded.EmbeddedSettings):
    """Settings of DCC.

    `kernel_power` 1 is the paper's Student-t kernel, 2 the released code's. The released code keeps 6,000 pairs of
    each kind.
    """

    lr: PositiveFloat = 1e-3
    batch_size: int = Field(256, ge=2)
    kl_weight: NonNegativeFloat = 0.1
    must_weight: NonNegativeFloat = 0.1
    cannot_weight: NonNegativeFloat = 1.0
    size_weight: NonNegativeFloat = 0.0
    kernel_power: Literal[1, 2] = 1


class Method(embedded.Embedded):
    """Deep constrained clustering: IDEC with losses on answered pairs, asked at random before training.

    Source: Zhang, Basu & Davidson, "A framework for deep constrained clustering", ECML-PKDD 2019; reference code
    blueocean92/deep_constrained_clustering@22e5c98.
    """

    version = 2
    Settings = DCCSettings
    settings: DCCSettings
    pretraining = embedded.pretraining(DCCSettings)

    def stages(self) -> list[Stage]:
        """A denoising autoencoder, then clustering: images, must-links and cannot-links in every epoch."""
        cluster = self.clustering("cluster", "images", "must", "cannot", questions=self.questions())
        return [*self.autoencoding(), cluster]

    def outputs(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z, the soft assignment q, and the reconstruction."""
        found = super().outputs(network, batch)
        decodes = "decoder" in network and batch.kind != "cannot"
        return found | ({"images": network["decoder"](found["z"])} if decodes else {})

    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """What the kind of batch adds, the target, must-links or cannot-links, and the reconstruction."""
        s, q = self.settings, outputs["p"]
        if batch.kind == "cannot":
            return {"cannot": s.cannot_weight * losses.pairs.cannot_link_loss(q)}
        terms: dict[str, Tensor] = {}
        if "images" in outputs:
            # Both images of a pair count: the sum of two means, not the mean over both halves.
            terms["reconstruction"] = (2 if batch.kind == "must" else 1) * self.reconstruction(outputs, batch)
        if batch.kind == "must":
            return terms | {"must": s.must_weight * losses.pairs.must_link_loss(q)}
        terms["kl"] = s.kl_weight * self.kl(q, batch, session, smoothing=1e-6)
        return terms | ({"size": s.size_weight * losses.pairs.size_loss(q)} if s.size_weight else {})

    def assign(self, network: nn.ModuleDict, z: Tensor) -> Tensor:
        """q, from the distances to the centroids."""
        return losses.student.soft_assignment(network["centroids"](z), self.settings.kernel_power)
