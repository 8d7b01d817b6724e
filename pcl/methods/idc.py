"""IDC: a clustered network, corrected by what a user says of a few valuable images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pcl import losses, networks
from pcl.constraints import Closure
from pcl.engine.stage import Probability, Questions, Stage
from pcl.methods import base
from pcl.oracles.log import Assigned
from pcl.strategies.base import Choice, Chosen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

IMAGES, LABELS, REFUSED, BANK = "assigned", "labels", "refused", "bank"


class IDCSettings(base.Asking):
    """Settings of IDC: CC for `warmup_epochs`, then fine-tuning on the answers and on `confidence` sure images.

    A weight of 0 leaves a loss out. `pair_weight` is of answers about pairs, which only other strategies ask for.
    """

    features: PositiveInt = 128
    temperature: PositiveFloat = 0.5
    column_temperature: PositiveFloat = 1.0
    warmup_epochs: NonNegativeInt = 1000
    warmup_lr: PositiveFloat = 3e-4
    epochs: PositiveInt = 100
    lr: PositiveFloat = 1e-4
    weight_decay: NonNegativeFloat = 1e-4
    labelled_batch: PositiveInt = 100
    positive_weight: NonNegativeFloat = 1.0
    negative_weight: NonNegativeFloat = 1.0
    regularisation_weight: NonNegativeFloat = 1.0
    pair_weight: NonNegativeFloat = 1.0
    confidence: Probability = 0.99
    share: Probability = 0.2
    strategy: Chosen = Choice.of("value_mining")
    closure: Closure = "none"


class Method(base.AskingMethod):
    """Interactive deep clustering: "which of these prototypes, or none?", asked about images worth asking about.

    Source: Liu et al., "Interactive Deep Clustering via Value Mining", NeurIPS 2024 (IDC); reference code
    XLearning-SCU/2024-NeurIPS-IDC@40d6c40.
    """

    version = 1
    layers = ("instance", "cluster")
    Settings = IDCSettings
    settings: IDCSettings
    pretraining = base.SharedStages(
        name="idc",
        version=1,
        module=__name__,
        on="task",
        later_settings=frozenset(
            {"epochs", "lr", "weight_decay", "evaluate_every", "strategy", "closure", "parity", "labelled_batch"}
            | {"positive_weight", "negative_weight", "regularisation_weight", "pair_weight", "confidence", "share"}
        ),
    )

    def stages(self) -> list[Stage]:
        """CC, then the questions and what is learned from them."""
        s = self.settings
        before, strong = self.optimiser(lr=s.warmup_lr, weight_decay=0.0), self.batches(views=("strong",))
        asked = Questions(each_batch=s.strategy, assign=True)
        first = self.stage("pretrain", s.warmup_epochs, optimiser=before, pretraining=True)
        return [first, self.stage("tune", s.epochs, batches=strong, questions=asked)]

    def build(self, channels: int) -> nn.ModuleDict:
        """CC's network."""
        return networks.heads.contrastive_network(self.settings, channels, self.clusters, self.settings.features)

    def start_stage(self, session: Session) -> None:
        """The clusters that the answers name, or rule out, by the network that has asked."""
        import torch

        if session.stage.name == "pretrain":
            return
        given = [a for a in session.known.answers if isinstance(a, Assigned) and a.chosen is not None]
        session.state[BANK] = torch.full((session.size,), -1, device=session.device)
        if given:
            cluster = session.predict(self.probabilities).argmax(1).numpy()
            labels = [cluster[a.prototypes[a.chosen - 1]] if a.chosen else -1 for a in given]
            refused = [cluster[list(a.prototypes)] for a in given]
            for name, rows in ((IMAGES, [a.i for a in given]), (LABELS, labels), (REFUSED, refused)):
                session.state[name] = torch.from_numpy(np.array(rows)).to(session.device)

    def prepare(self, batch: Batch, session: Session) -> None:
        """Sure images of the batch, and as many answered ones as the settings say."""
        import torch

        if batch.stage != "tune":
            return
        s, state, rows = self.settings, session.state, batch.rows.to(session.device)
        p, old = session.predict(self.probabilities, index=batch.index).to(session.device), state[BANK][rows]
        batch.more[BANK] = losses.interactive.sure_labels(p, old, s.share, s.confidence, s.confidence)
        state[BANK][rows] = batch.more[BANK]
        if IMAGES in state:
            drawn = networks.spice.draw(len(state[IMAGES]), s.labelled_batch, batch.generator)
            batch.views.append(session.view(state[IMAGES][drawn].cpu().numpy(), "strong", batch.generator))
            one = torch.randint(state[REFUSED].shape[1], drawn.shape, generator=batch.generator, device=drawn.device)
            batch.more[LABELS], batch.more[REFUSED] = state[LABELS][drawn], state[REFUSED][drawn, one]
        else:
            session.add_pairs(batch)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """CC's rows; then logits of all, answered and paired images, each group with batch statistics of its own."""
        if batch.stage != "tune":
            return networks.heads.both_views(network, batch.views)
        logits = networks.heads.logits_of(network, seen := networks.heads.features(network, batch.views[0]))
        found = {"z": network["instance"](seen), "all": logits, "p": logits.softmax(1)}
        if LABELS in batch.more:
            found[LABELS] = networks.heads.cluster_logits(network, batch.views[1])
        if "pairs" in batch.more:
            found["pairs"] = networks.heads.cluster_probabilities(network, batch.more["pairs"])
        return found

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """CC's; then L_reg, L_pos and L_neg, or answered pairs."""
        s, form = self.settings, losses.interactive
        if batch.stage != "tune":
            return losses.contrastive.cc(outputs["z"], outputs["p"], s.temperature, s.column_temperature)
        bank, has = batch.more[BANK], batch.more[BANK] >= 0
        terms = {"sure": s.regularisation_weight * form.balanced_cross_entropy(outputs["all"][has], bank[has])}
        if LABELS in outputs:
            logits, labels, one = outputs[LABELS], batch.more[LABELS], batch.more[LABELS] >= 0
            terms["positive"] = s.positive_weight * form.balanced_cross_entropy(logits[one], labels[one])
            terms["negative"] = s.negative_weight * form.rejection(logits[~one], batch.more[REFUSED][~one])
        if "pairs" in outputs:
            terms["pairs"] = s.pair_weight * losses.pairs.pair_loss(outputs["pairs"], batch.same)
        return terms

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The cluster head's answer."""
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The backbone's features."""
        return networks.heads.features(network, images)
