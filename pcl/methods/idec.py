"""IDEC: DEC whose decoder stays, so that the embedding keeps telling images apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, NonNegativeFloat, PositiveFloat

from pcl.methods import embedded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class IDECSettings(embedded.EmbeddedSettings):
    """Settings of IDEC; `kl_weight` is the paper's γ."""

    lr: PositiveFloat = 1e-3
    batch_size: int = Field(256, ge=2)
    autoencoder: embedded.Autoencoder = embedded.Autoencoder()
    kl_weight: NonNegativeFloat = 0.1


class Method(embedded.Embedded):
    """Improved deep embedded clustering: reconstruction plus γ times KL(P‖Q).

    Source: Guo et al., "Improved deep embedded clustering with local structure preservation", IJCAI 2017; reference
    code XifengGuo/IDEC@186530a.
    """

    version = 1
    Settings = IDECSettings
    settings: IDECSettings
    pretraining = embedded.pretraining(IDECSettings)

    def outputs(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z, q, and the image decoded from z."""
        found = super().outputs(network, batch)
        return found | {"images": network["decoder"](found["z"])}

    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The reconstruction, and KL(P‖Q) beside it."""
        kl = self.settings.kl_weight * self.kl(outputs["p"], batch, session)
        return {"reconstruction": self.reconstruction(outputs, batch), "kl": kl}
