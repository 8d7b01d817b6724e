"""SDEC: DEC with the distances between linked images added to its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import losses
from pcl.constraints import Closure
from pcl.engine.stage import Optimizer
from pcl.methods import embedded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class SDECSettings(embedded.AskingSettings):
    """Settings of SDEC.

    `pair_weight` is the paper's λ; 0 is DEC, and what the released codes train. With `relative`, distances count in
    units of the mean distance within the batch, so that λ means the same at every scale of the embedding.
    """

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 0.01
    batch_size: int = Field(256, ge=2)
    pair_weight: NonNegativeFloat = 1e-5
    relative: bool = False
    closure: Closure = "none"
    max_pairs: PositiveInt | None = None


class Method(embedded.AskingEmbedded):
    """Semi-supervised deep embedded clustering: KL(P‖Q) plus λ times signed squared distances of answered pairs.

    Source: Ren et al., "Semi-supervised deep embedded clustering", Neurocomputing 325, 2019; reference code
    hkrds1996/SDEC@29f291b, whose pair term never reaches a weight.
    """

    version = 1
    Settings = SDECSettings
    settings: SDECSettings
    pretraining = embedded.pretraining(SDECSettings)

    def prepare(self, batch: Batch, session: Session) -> None:
        """This step's share of the known pairs."""
        if batch.stage != embedded.AUTOENCODE and self.settings.pair_weight:
            session.add_pairs(batch)

    def outputs(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z and q of the images, and z of the pairs."""
        pairs = {name: self.embed(network, images) for name, images in batch.more.items()}
        return super().outputs(network, batch) | pairs

    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """KL(P‖Q) and the pairs beside it."""
        terms = {"kl": self.kl(outputs["p"], batch, session)}
        if "pairs" in outputs:
            distances = losses.pairs.distance_loss(outputs["pairs"], batch.same, self.settings.relative)
            terms["pairs"] = self.settings.pair_weight * distances
        return terms
