"""DCC: an autoencoder whose soft assignment is pulled by must-links and cannot-links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat

from pcl import losses
from pcl.engine.stage import Stage
from pcl.methods import embedded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

HARD = -0.1
CLUSTER, APART, MARKS = "cluster", "apart", "marks"


class DCCSettings(embedded.AskingSettings):
    """Settings of DCC.

    `kernel_power` 1 is the paper's Student-t kernel, 2 the released code's. The released code keeps 6,000 pairs of
    each kind. `triplet_weight` and `difficulty_weight` add the paper's other two kinds of constraint, made of the
    same answers; the release weighs difficulty by 0.1 where it is used.
    """

    lr: PositiveFloat = 1e-3
    batch_size: int = Field(256, ge=2)
    kl_weight: NonNegativeFloat = 0.1
    must_weight: NonNegativeFloat = 0.1
    cannot_weight: NonNegativeFloat = 1.0
    size_weight: NonNegativeFloat = 0.0
    triplet_weight: NonNegativeFloat = 0.0
    triplet_margin: NonNegativeFloat = 0.1
    difficulty_weight: NonNegativeFloat = 0.0
    kernel_power: Literal[1, 2] = 1


class Method(embedded.AskingEmbedded):
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
        cluster = self.clustering(CLUSTER, "images", "must", "cannot", questions=self.questions())
        return [*self.autoencoding(), cluster]

    def start_epoch(self, session: Session) -> None:
        """Also: which pairs triplets are made with, and how hard the images are, as far as answers tell."""
        import torch

        super().start_epoch(session)
        if self.settings.triplet_weight and session.stage.name == CLUSTER:
            pairs, _ = session.sampler.known_pairs(session.stage, "cannot", session.known.constraints)
            both = np.concatenate([pairs, pairs[:, ::-1]])
            session.state[APART] = torch.from_numpy(both[np.lexsort(both.T[::-1])])
        if self.settings.difficulty_weight and session.stage.name == CLUSTER:
            marks, known = torch.zeros(session.size), session.known
            marks[[image for answer in known.answers for image in (answer.i, answer.j)]] = 1
            marks[[image for pair in known.unsure for image in pair]] = HARD
            session.state[MARKS] = marks

    def prepare(self, batch: Batch, session: Session) -> None:
        """Beside must-links, for each first image that has some, one image of another cluster: a triplet."""
        import torch

        if batch.kind != "must" or APART not in session.state:
            return
        images, others = session.state[APART].cpu().T.contiguous()
        anchors = batch.rows[: len(batch.rows) // 2]
        first = torch.searchsorted(images, anchors)
        count = torch.searchsorted(images, anchors, right=True) - first
        drawn = torch.rand(len(anchors), generator=batch.generator, device=batch.generator.device).cpu()
        chosen = (first + (drawn * count).long())[count > 0]
        if len(chosen):
            batch.more["others"] = session.images.unaugmented(others[chosen].numpy())
            batch.more["anchors"] = (count > 0).nonzero()[:, 0].to(session.device)

    def outputs(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z, the soft assignment q, and the reconstruction."""
        found = super().outputs(network, batch)
        decodes = "decoder" in network and batch.kind != "cannot"
        if "others" in batch.more:
            found["others"] = self.probabilities(network, batch.more["others"])
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
            terms["must"] = s.must_weight * losses.pairs.must_link_loss(q)
            if "others" in outputs:
                a, p = (half[batch.more["anchors"]] for half in q.chunk(2))
                triplets = losses.pairs.triplet_loss(a, p, outputs["others"], s.triplet_margin)
                terms["triplet"] = s.triplet_weight * triplets
            return terms
        terms["kl"] = s.kl_weight * self.kl(q, batch, session, smoothing=1e-6)
        if s.difficulty_weight:
            marks = session.state[MARKS][batch.rows].to(q)
            terms["difficulty"] = s.difficulty_weight * losses.pairs.difficulty_loss(q, marks)
        return terms | ({"size": s.size_weight * losses.pairs.size_loss(q)} if s.size_weight else {})

    def assign(self, network: nn.ModuleDict, z: Tensor) -> Tensor:
        """q, from the distances to the centroids."""
        return losses.student.soft_assignment(network["centroids"](z), self.settings.kernel_power)
