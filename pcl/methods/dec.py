"""DEC: clusters in an autoencoder's embedding, sharpened by what they are already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, PositiveFloat

from pcl.engine.stage import Optimizer
from pcl.methods import embedded

if TYPE_CHECKING:
    from torch import Tensor

    from pcl.engine.session import Batch, Session


class DECSettings(embedded.EmbeddedSettings):
    """Settings of DEC."""

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 0.01
    batch_size: int = Field(256, ge=2)


class Method(embedded.Embedded):
    """Deep embedded clustering: KL(P‖Q) between soft assignments to centroids and a sharpened copy of them.

    Source: Xie, Girshick & Farhadi, "Unsupervised deep embedding for clustering analysis", ICML 2016; reference code
    piiswrong/dec@ece126b.
    """

    version = 1
    Settings = DECSettings
    settings: DECSettings
    pretraining = embedded.pretraining(DECSettings)

    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """KL(P‖Q)."""
        return {"kl": self.kl(outputs["p"], batch, session)}
