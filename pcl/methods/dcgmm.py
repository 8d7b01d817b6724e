"""DC-GMM: a variational autoencoder with a Gaussian mixture as its prior, which the answers condition."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Lt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import losses, schedules
from pcl.engine.stage import Stage
from pcl.methods import embedded, variational

if TYPE_CHECKING:
    from torch import Tensor

    from pcl.engine.session import Batch, Session


class DCGMMSettings(variational.VariationalSettings, embedded.AskingSettings):
    """Settings of DC-GMM.

    `confidence` is the paper's α, the weight of an answer; `flip`, where it is given, is the share of wrong answers
    that α is reckoned from.
    """

    lr: PositiveFloat = 1e-3
    batch_size: int = Field(128, ge=2)
    confidence: NonNegativeFloat = 10_000.0
    flip: Annotated[float, Gt(0), Lt(0.5)] | None = None
    decay_every: PositiveInt = 20


class Method(embedded.AskingEmbedded, variational.Variational):
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

    def prepare(self, batch: Batch, session: Session) -> None:
        """Every link among the images of a batch counts, and not only the pairs it is made of."""
        session.link(batch)

    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The conditional ELBO: reconstruction, divergence from the mixture, and the answers."""
        s, form = self.settings, losses.gaussian
        alpha = s.confidence if s.flip is None else form.confidence(s.flip)
        terms = super().terms(outputs, batch, session)
        return terms | {"answers": form.constraint_term(outputs["p"], batch.must, batch.cannot, alpha)}
