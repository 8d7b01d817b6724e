"""PCL: clusters in the orientation that a few "same cluster?" answers point to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pcl import losses, networks
from pcl.engine.stage import Probability, Questions, Stage
from pcl.errors import UserError
from pcl.methods import base
from pcl.strategies.base import Choice, Chosen, Form

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

RELEASED_LOSSES = {
    "self_term": False,
    "scale": "release",
    "weights": "release",
    "cluster_similarity": "dot",
    "columns": "release",
    "balance": "per_view",
}


class PCLSettings(base.Asking):
    """Settings of PCL; docs/methods/pcl.md says which difference between paper and release each switch is."""

    features: PositiveInt = 128
    heads: PositiveInt = 8
    attention: bool = True
    attention_residual: bool = False
    clip: PositiveFloat | None = 20.0
    temperature: PositiveFloat = 1.0
    column_temperature: PositiveFloat = 2.0
    emphasis: NonNegativeFloat = 4.0
    self_term: bool = Field(True, description="k = i in Eq. 1's sum")
    scale: Form = Field("paper", description="μ_i, the scale of Eq. 1's sum")
    weights: Form = Field("paper", description="weights of positives, and over what they are normalised")
    cluster_similarity: Literal["cosine", "dot"] = Field("cosine", description="similarity of cluster probabilities")
    columns: Form = Field("paper", description="column loss")
    balance: Literal["pooled", "per_view", "printed"] = Field(
        "pooled", description="balance of cluster sizes, over both views or in each"
    )
    pair_weight: NonNegativeFloat = 0.0
    strategy: Chosen = Choice.of("joint")
    initial_questions: NonNegativeInt = Field(100, description="random questions before pretraining")
    warmup_epochs: NonNegativeInt = Field(10, description="epochs of pretraining")
    extend_proportion: Probability = 0.0
    drop_last_evaluation: bool = Field(False, description="last partial batch left out of the scores")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.attention and 8 * self.backbone.width % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide the backbone's {8 * self.backbone.width} features")
        return self


class Method(base.AskingMethod):
    """Personalised clustering: constrained contrast, attention between images, one question a batch a step.

    Source: Geng et al., "Personalized Clustering via Targeted Representation Learning", AAAI-25; reference code
    hhdxwen/PCL@943dfcc.
    """

    version = 1
    Settings = PCLSettings
    settings: PCLSettings
    pretraining = base.SharedStages(
        name="pcl",
        version=1,
        module=__name__,
        on="task",
        later_settings=frozenset(
            {"epochs", "strategy", "extend_proportion", "drop_last_evaluation", "evaluate_every"}
        ),
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "release": RELEASED_LOSSES
        | {
            "query": {"form": "release"},
            "initial_questions": 0,
            "warmup_epochs": 10,
            "drop_last_evaluation": True,
        },
        "ours": RELEASED_LOSSES
        | {
            "attention_residual": True,
            "temperature": 0.5,
            "column_temperature": 1.0,
            "pair_weight": 1.0,
            "query": {"form": "release"},
        },
    }

    @classmethod
    def initial_questions(cls, settings: PCLSettings) -> int:
        """Q₁ of Algorithm 1."""
        return settings.initial_questions

    def stages(self) -> list[Stage]:
        """Pretraining on Q₁ random pairs, then active training (Algorithm 1)."""
        s = self.settings
        extend = s.epochs - round(s.extend_proportion * s.epochs)
        fixed = self.batches(fixed=True)
        random = Questions(first=s.initial_questions, within_batches=True)
        chosen = Questions(each_batch=s.strategy)
        return [
            self.stage("pretrain", s.warmup_epochs, batches=fixed, questions=random, pretraining=True),
            self.stage("train", s.epochs, batches=fixed, questions=chosen, extend_from=extend),
        ]

    def check(self, images: dict[str, int], channels: int) -> None:
        """Also: whole batches are scored, so there must be one."""
        super().check(images, channels)
        if not self.scored(min(images.values())):
            raise UserError(
                f"drop_last_evaluation: batches of {self.settings.batch_size} leave none of {min(images.values())} "
                "images to score; lower batch_size"
            )

    def scored(self, images: int) -> int:
        """All images, or as in the release, those of whole batches."""
        size = self.settings.batch_size
        return images // size * size if self.settings.drop_last_evaluation else images

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, attention between images, instance head and cluster head."""
        s = self.settings
        network = networks.heads.contrastive_network(s, channels, self.clusters, s.features)
        if s.attention:
            network["attention"] = networks.attention.CrossInstanceAttention(
                network["backbone"].features, s.heads, s.attention_residual
            )
        return network

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z and p of both views; an image attends to the others of its own view."""
        return networks.heads.both_views(network, batch.views)

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Rows in feature space and in cluster space, columns, balance (Eq. 5), and known pairs of clusters."""
        s, z, p = self.settings, outputs["z"], outputs["p"]
        form, contrast = losses.constrained, losses.contrastive
        in_clusters = p @ p.T if s.cluster_similarity == "dot" else form.cosine(p) / s.temperature
        cannot = form.tile(batch.cannot)
        if s.weights == "paper":
            weights = form.paper_weights(batch.must | batch.pseudo, s.emphasis)
        else:
            weights = form.release_weights(batch.must, batch.pseudo)
        rows = {
            name: form.row_loss(form.pair_loss(logits, cannot, s.self_term, s.scale), weights, s.weights)
            for name, logits in (("instance", form.cosine(z) / s.temperature), ("cluster", in_clusters))
        }
        columns = form.column_loss if s.columns == "paper" else contrast.column_contrast
        balances = {
            "pooled": lambda: contrast.balance(p),
            "per_view": lambda: sum(contrast.balance(view) for view in p.chunk(2)),
            "printed": lambda: form.printed_entropy(p),
        }
        terms = {**rows, "column": columns(p, s.column_temperature), "balance": balances[s.balance]()}
        if s.pair_weight:
            terms["pairs"] = s.pair_weight * losses.pairs.known_pairs_loss(p, form.tile(batch.must), cannot)
        return terms

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The cluster head's answer, which depends on the batch because of the attention."""
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The features that the heads see: after the attention, where there is one."""
        return networks.heads.features(network, images)
