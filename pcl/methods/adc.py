"""ADC: rounds of answers, a Siamese network trained on them alone, and clustering by its own target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt

from pcl import losses
from pcl.methods import base, embedded

if TYPE_CHECKING:
    from torch import Tensor

    from pcl.engine.session import Batch, Session


class ADCSettings(embedded.EmbeddedSettings):
    """Settings of ADC.

    In each of `rounds` a part of the budget is asked, `pair_epochs` train on all answers so far, and at most `epochs`
    cluster. The paper starts from random weights; `autoencoder` gives it the start of the others.
    """

    optimizer: base.Optimizer = "sgd"
    lr: Annotated[float, Gt(0)] = 1e-3
    epochs: base.Positive = 100
    autoencoder: embedded.Autoencoder | None = None
    rounds: base.Positive = 5
    pair_epochs: base.Positive = 100
    pair_lr: Annotated[float, Gt(0)] = 1e-3
    pair_batch: base.Positive = 64
    margin: base.Above = 1.0
    reduction: Literal["sum", "mean"] = "sum"
    strategy: str = "hub_boundary"
    closure: Literal["full", "none"] = "none"
    max_pairs: base.Positive | None = None


class Method(embedded.Embedded):
    """Active deep image clustering: rounds of questions, a Siamese margin loss, then DEC.

    Source: Sun et al., "Active deep image clustering", Knowledge-Based Systems 252, 2022; no code could be read.
    """

    version = 1
    Settings = ADCSettings
    settings: ADCSettings
    pretraining = embedded.pretraining(ADCSettings)

    def stages(self) -> list[base.Stage]:
        """For every round: training on pairs, the first of them random, then clustering."""
        s = self.settings
        shares = [self.budget // s.rounds + (number < self.budget % s.rounds) for number in range(s.rounds)]
        stages = self.autoencoding()
        for number, share in enumerate(shares):
            pairs = self.stage(
                f"pairs{number + 1}",
                s.pair_epochs,
                streams=("pairs",),
                views=(),
                optimizer="rmsprop",
                lr=s.pair_lr,
                batch_size=2 * s.pair_batch,
                max_pairs=s.max_pairs,
                questions=share,
                questions_by=s.strategy if number else "random",
                pool=(number, s.rounds),
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
        if session.stage.streams == ("images",):
            super().start_stage(session)

    def start_epoch(self, session: Session) -> None:
        """The target distribution, where clustering needs it."""
        if session.stage.streams == ("images",):
            super().start_epoch(session)

    def end_epoch(self, session: Session) -> bool:
        """Whether clustering has settled; training on pairs never ends early."""
        return session.stage.streams == ("images",) and super().end_epoch(session)
