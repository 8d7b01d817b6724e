"""ADC: rounds of answers, a Siamese network trained on them alone, and clustering by its own target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import PositiveFloat, PositiveInt

from pcl import losses
from pcl.constraints import Closure
from pcl.engine.stage import Optimizer, Questions, Stage
from pcl.limits import Needs
from pcl.methods import embedded
from pcl.strategies.base import Choice, Chosen

if TYPE_CHECKING:
    from torch import Tensor

    from pcl.engine.session import Batch, Session


class ADCSettings(embedded.AskingSettings):
    """Settings of ADC.

    In each of `rounds` a part of the budget is asked, `pair_epochs` train on all answers so far, and at most `epochs`
    cluster. The paper starts from random weights; `autoencoder` gives it the start of the others.
    """

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 1e-3
    epochs: PositiveInt = 100
    autoencoder: embedded.Autoencoder | None = None
    rounds: Annotated[PositiveInt, Needs("parts of the images to ask about, each of two at least", each=2)] = 5
    pair_epochs: PositiveInt = 100
    pair_lr: PositiveFloat = 1e-3
    pair_batch: PositiveInt = 64
    margin: PositiveFloat = 1.0
    reduction: Literal["sum", "mean"] = "sum"
    strategy: Chosen = Choice.of("hub_boundary")
    closure: Closure = "none"
    max_pairs: PositiveInt | None = None


class Method(embedded.AskingEmbedded):
    """Active deep image clustering: rounds of questions, a Siamese margin loss, then DEC.

    Source: Sun et al., "Active deep image clustering", Knowledge-Based Systems 252, 2022; no code could be read.
    """

    version = 1
    Settings = ADCSettings
    settings: ADCSettings
    pretraining = embedded.pretraining(ADCSettings)

    def stages(self) -> list[Stage]:
        """For every round: training on pairs, the first of them random, then clustering."""
        s = self.settings
        shares = [self.budget // s.rounds + (number < self.budget % s.rounds) for number in range(s.rounds)]
        stages = self.autoencoding()
        batches = self.batches(size=2 * s.pair_batch, streams=("pairs",), views=(), max_pairs=s.max_pairs)
        optimiser = self.optimiser(name="rmsprop", lr=s.pair_lr)
        for number, share in enumerate(shares):
            by = s.strategy if number and s.strategy.name != "random" else None
            questions = Questions(first=share, by=by, pool=(number, s.rounds))
            pairs = self.stage(
                f"pairs{number + 1}", s.pair_epochs, batches=batches, optimiser=optimiser, questions=questions
            )
            stages += [pairs, self.clustering(f"cluster{number + 1}")]
        return stages

    def terms(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The margin loss of a batch of pairs; of a batch of images, KL(P‖Q)."""
        if batch.kind == "pairs":
            s = self.settings
            return {"pairs": losses.pairs.margin_loss(outputs["z"], batch.same, s.margin, s.reduction)}
        return {"kl": self.kl(outputs["p"], batch, session)}

    def start_stage(self, session: Session) -> None:
        """Centres from k-means on what the pairs have taught, anew in every round."""
        if session.stage.batches.streams == ("images",):
            super().start_stage(session)

    def start_epoch(self, session: Session) -> None:
        """The target distribution, where clustering needs it."""
        if session.stage.batches.streams == ("images",):
            super().start_epoch(session)

    def end_epoch(self, session: Session) -> bool:
        """Whether clustering has settled; training on pairs never ends early."""
        return session.stage.batches.streams == ("images",) and super().end_epoch(session)
