"""PCL: clusters in the orientation that a few "same cluster?" answers point to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge, Gt
from pydantic import model_validator

from pcl import losses, networks
from pcl.methods import base
from pcl.strategies.base import StrategySettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

Form = Literal["paper", "release"]


RELEASED_LOSSES = {
    "self_term": False,
    "scale": "release",
    "weights": "release",
    "cluster_similarity": "dot",
    "columns": "release",
    "balance": "per_view",
}


class PCLSettings(base.DeepSettings):
    """Settings of PCL; docs/methods/pcl.md says which difference between paper and release each switch is."""

    features: base.Positive = 128
    heads: base.Positive = 8
    attention: bool = True
    attention_residual: bool = False
    clip: base.NonNegative | None = 20.0
    temperature: Annotated[float, Gt(0)] = 1.0
    column_temperature: Annotated[float, Gt(0)] = 2.0
    emphasis: base.NonNegative = 4.0
    self_term: bool = True
    scale: Form = "paper"
    weights: Form = "paper"
    cluster_similarity: Literal["cosine", "dot"] = "cosine"
    columns: Form = "paper"
    balance: Literal["pooled", "per_view", "printed"] = "pooled"
    strategy: str = "joint"
    query: StrategySettings = StrategySettings()
    initial_questions: Annotated[int, Ge(0)] = 100
    warmup_epochs: Annotated[int, Ge(0)] = 10
    closure: Literal["full", "none"] = "full"
    parity: bool = False
    extend_proportion: base.Probability = 0.0
    drop_last_evaluation: bool = False

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.attention and 8 * self.backbone.width % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide the backbone's {8 * self.backbone.width} features")
        return self


class Method(base.DeepMethod):
    """Personalised clustering: constrained contrast, attention between images, one question a batch a step.

    Source: Geng et al., "Personalized Clustering via Targeted Representation Learning", AAAI-25; reference code
    hhdxwen/PCL@943dfcc.
    """

    version = 1
    supervised = True
    Settings = PCLSettings
    settings: PCLSettings
    pretraining = base.Pretraining(
        name="pcl",
        version=1,
        on="task",
        later_settings=frozenset(
            {"epochs", "strategy", "query", "extend_proportion", "drop_last_evaluation", "evaluate_every"}
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
            "query": {"form": "release"},
        },
    }

    @classmethod
    def initial_questions(cls, settings: PCLSettings) -> int:
        """Q₁ of Algorithm 1."""
        return settings.initial_questions

    def stages(self) -> list[base.Stage]:
        """Pretraining on Q₁ random pairs, then active training (Algorithm 1)."""
        s = self.settings
        extend = s.epochs - round(s.extend_proportion * s.epochs)
        warmup = self.stage(
            "pretrain",
            s.warmup_epochs,
            fixed=True,
            questions=s.initial_questions,
            within_batches=True,
            pretraining=True,
        )
        active = self.stage("train", s.epochs, fixed=True, strategy=s.strategy, extend_from=extend)
        return [warmup, active]

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
        """Rows in feature space and in cluster space, columns, and balance (Eq. 5)."""
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
        return {**rows, "column": columns(p, s.column_temperature), "balance": balances[s.balance]()}

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The cluster head's answer, which depends on the batch because of the attention."""
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The features that the heads see: after the attention, where there is one."""
        return networks.heads.features(network, images)
