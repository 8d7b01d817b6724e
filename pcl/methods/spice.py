"""SPICE: contrast, then cluster heads taught by their own prototypes, then a classifier taught by the surest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from pcl import losses, networks, schedules
from pcl import seed as seeds
from pcl.engine.stage import DeepSettings, Optimizer, Probability, Share, Stage
from pcl.limits import Needs
from pcl.methods import base, consistency

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

MOCO, SELF, SEMI = "moco", "self", "semi"


class SPICESettings(DeepSettings):
    """Settings of SPICE's stages: `moco_…` contrast, `lr` and `epochs` of the heads, `semi_…` the classifier.

    `label_ratio` is the share of N/K images that every cluster labels: below 1 the images between clusters are left
    out and sizes are less forced to be equal. Heads label anew every `relabel_every` epochs. `semi_start` "self"
    takes the classifier's backbone over from the contrast.
    """

    lr: PositiveFloat = 5e-3
    epochs: PositiveInt = 100
    batch_size: int = Field(128, ge=2)
    features: PositiveInt = 128
    moco_epochs: PositiveInt = 1000
    moco_optimizer: Optimizer = "sgd"
    moco_lr: PositiveFloat = 0.015
    moco_queue: Annotated[PositiveInt, Needs("earlier embeddings of other images", more=1)] = 12800
    moco_momentum: Probability = 0.999
    moco_temperature: PositiveFloat = 0.2
    heads: PositiveInt = 10
    center_ratio: Share = 0.5
    label_ratio: Share = 1.0
    relabel_every: PositiveInt = 8
    neighbours: Annotated[PositiveInt, Needs("nearest images, the image itself among them")] = 100
    agreement: Probability = 0.99
    confidence: Probability = 0.99
    semi_epochs: NonNegativeInt = 40
    semi_start: Literal["random", "self"] = "random"
    semi_lr: PositiveFloat = 0.03
    semi_batch: int = Field(64, ge=2)
    semi_momentum: Probability = 0.999
    threshold: Probability = 0.95


class Method(consistency.Consistency):
    """Semantic pseudo-labelling for image clustering, in three stages: MoCo, SPICE-Self, SPICE-Semi (FixMatch).

    Source: Niu, Shan & Wang, "SPICE: Semantic pseudo-labeling for image clustering", IEEE TIP 2022; reference code
    niuchuangnn/SPICE@5eba538.
    """

    version = 1
    supervised = False
    Settings = SPICESettings
    settings: SPICESettings
    pretraining = base.SharedStages(
        name="spice",
        version=1,
        module=__name__,
        on="dataset",
        later_settings=frozenset(SPICESettings.model_fields)
        - {"image_size", "backbone", "augmentation", "batch_size", "momentum", "clip", "features"}
        - {name for name in SPICESettings.model_fields if name.startswith("moco_")},
        parts=("backbone",),
    )

    def stages(self) -> list[Stage]:
        """Contrast with a queue; heads on frozen features; a classifier on reliable labels and its own."""
        s = self.settings
        falling = partial(schedules.cosine, epochs=s.moco_epochs, floor=0.0)
        contrast = self.optimiser(name=s.moco_optimizer, lr=s.moco_lr, weight_decay=1e-4, schedule=falling)
        moco = self.stage(MOCO, s.moco_epochs, optimiser=contrast, pretraining=True)
        heads = self.stage(SELF, s.epochs, batches=self.batches(views=("strong",)), frozen_statistics=True)
        if not s.semi_epochs:
            return [moco, heads]
        return [moco, heads, self.classifier_stage(SEMI, s.semi_epochs, lr=s.semi_lr)]

    @property
    def classifying(self) -> consistency.Classifying:
        """Seven times as many images of all as reliable ones."""
        s = self.settings
        return consistency.Classifying(s.semi_batch, 7 * s.semi_batch, s.threshold, s.semi_momentum)

    def build(self, channels: int) -> nn.ModuleDict:
        """The parts of all stages."""
        s = self.settings
        return networks.spice.three_stages(s, channels, self.clusters, s.features, s.heads)

    def start_stage(self, session: Session) -> None:
        """A queue of noise; the frozen features; the reliable images."""
        starts = {MOCO: self.start_queue, SELF: self.start_heads, SEMI: self.start_classifier}
        starts[session.stage.name](session)

    def start_queue(self, session: Session) -> None:
        """Unit noise in the queue."""
        s = self.settings
        generator = seeds.torch_generator(session.seed, "queue", device=session.device.type)
        session.state |= networks.spice.empty_queue(s.moco_queue, s.features, generator)

    def start_heads(self, session: Session) -> None:
        """The features of all images, which no longer change."""
        session.state = {"features": session.predict(self.embed).to(session.device)}

    def start_classifier(self, session: Session) -> None:
        """The reliable images and their clusters; where wanted, the contrast's backbone."""
        s, network, h = self.settings, session.network, session.state["features"]
        clusters = networks.spice.quietly(network["cluster"], h)
        generator = seeds.torch_generator(session.seed, "reliable", device=session.device.type)
        least = max(s.semi_batch // self.clusters, 1)
        kept = losses.pseudo.reliable(h, clusters, s.neighbours, s.agreement, s.confidence, least, generator)
        session.state = {"reliable": kept, "clusters": clusters.argmax(1)[kept]}
        networks.spice.start_classifier(network, take_backbone=s.semi_start == "self")

    def start_epoch(self, session: Session) -> None:
        """New labels from every head's prototypes."""
        if session.stage.name == SELF and session.epoch % self.settings.relabel_every == 0:
            session.state["labels"] = self.judge(session)[1]

    def judge(self, session: Session) -> tuple[Tensor, Tensor]:
        """Every head's probabilities [H, N, K] of all images, and the labels that follow from them."""
        s, h = self.settings, session.state["features"]
        p = networks.spice.quietly(session.network["heads"], h)
        return p, losses.pseudo.prototype_labels(p, networks.spice.unit(h), s.center_ratio, s.label_ratio)

    def prepare(self, batch: Batch, session: Session) -> None:
        """Weak views of some reliable images beside a batch of all."""
        if batch.stage == SEMI:
            self.add_reliable(batch, session)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """What the stage's own loss needs."""
        if batch.stage == MOCO:
            return networks.spice.query_and_key(network, batch.views)
        if batch.stage == SELF:
            return networks.spice.heads_only(network, batch.views[0])
        return networks.spice.classified(network["classifier"], batch.views)

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Contrast with the queue; every head against its labels; reliable labels, and the classifier's sure ones."""
        s, pseudo, state = self.settings, losses.pseudo, session.state
        if batch.stage == MOCO:
            keys = outputs["k"], state["queue"]
            return {"contrast": losses.contrastive.info_nce_queue(outputs["q"], *keys, s.moco_temperature)}
        if batch.stage == SELF:
            return {"heads": pseudo.double_softmax(outputs["p"], state["labels"][:, batch.rows]).mean()}
        return self.consistency(outputs, batch)

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """The slow encoder follows and the queue takes the batch in; or the average follows the classifier."""
        s, network, state = self.settings, session.network, session.state
        if batch.stage == MOCO:
            for part in ("backbone", "instance"):
                networks.momentum.follow(network.get_submodule(f"teacher.{part}"), network[part], s.moco_momentum)
            state |= networks.spice.queued(state, outputs["k"])
        elif batch.stage == SEMI:
            self.average(network)

    def end_epoch(self, session: Session) -> bool:
        """Keep the head that agrees best with its own labels, of all heads and epochs so far."""
        if session.stage.name == SELF:
            p, labels = self.judge(session)
            networks.spice.keep_best(session.network, losses.pseudo.double_softmax(p, labels), session.state)
        return False

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The average classifier's answer, once there is one; before, the selected head's."""
        if network["average"].ready:
            return network["average"](images).softmax(1)
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The features that clusters are read from."""
        return networks.heads.features(network["average"] if network["average"].ready else network, images)
