"""What a method is: its settings, its stages, and what it takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from pcl import neighbourhoods
from pcl.config import Strict
from pcl.constraints import Closure, Constraints, Contradiction
from pcl.engine.known import Known
from pcl.engine.stage import Batches, DeepSettings, Optimiser, Stage
from pcl.engine.trainable import Trainable
from pcl.errors import UserError, did_you_mean
from pcl.limits import exceeded
from pcl.neighbourhoods import Neighbourhoods
from pcl.strategies.base import Choice, Chosen, settings_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class SharedStages:
    """What a method's pretraining stages need, and what is kept of them: equal needs are met once.

    `on` is what they need besides images: "task" the number of clusters, "dataset" nothing. `later_settings` are
    those that they do not depend on; arms that differ in nothing else share them, and so do methods that give them
    the same `name`. `version` is raised by hand when the same settings would give other weights; `module` is where
    the stages are written, and what that file uses counts too. Of the network, `parts` are kept (None: all).
    """

    name: str
    version: int
    module: str
    on: Literal["dataset", "task"]
    later_settings: frozenset[str]
    parts: tuple[str, ...] | None = None


class Method(ABC):
    """An algorithm: final subclasses only, each named `Method` in a file of its own.

    `supervised` methods use answers; the others are trained once per task and scored in every orientation. `network`
    says whether a network is trained, and `reads` what is taken of another arm, if anything. `finds_clusters` says
    whether the answers may tell how many clusters there are, so that nobody needs to know. `version` is raised by
    hand when the same settings would give other numbers.
    """

    version: ClassVar[int]
    supervised: ClassVar[bool]
    network: ClassVar[bool]
    reads: ClassVar[Literal["features", "clusters"] | None] = None
    finds_clusters: ClassVar[bool] = False
    Settings: ClassVar[type[Strict]]
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    layers: ClassVar[tuple[str, ...]] = ()
    pretraining: ClassVar[SharedStages | None] = None

    def __init__(self, settings: Any, clusters: int | None, budget: int) -> None:
        self.settings, self.given, self.budget = settings, clusters, budget

    @property
    def clusters(self) -> int:
        """K, for a method that must be told; `given` is None where nobody knows."""
        assert self.given is not None, "only methods that find clusters are planned where nobody knows how many"
        return self.given

    @classmethod
    def initial_questions(cls, settings: Any) -> int:
        """Questions asked before pretraining; 0 where pretraining is unsupervised."""
        return 0

    @classmethod
    def strategy(cls, settings: Any) -> Choice | None:
        """Who chooses what is asked; None where nothing is asked."""
        return None

    @classmethod
    def sees_features(cls, settings: Any) -> bool:
        """Whether a representation is looked at: by the method, or by the strategy that asks for it."""
        chosen = cls.strategy(settings)
        return cls.reads == "features" or (chosen is not None and chosen.sees == "features")

    def stages(self) -> list[Stage]:
        """The phases of training, in order; none where no network is trained."""
        return []

    def constraints(self, images: int) -> Constraints:
        """What is known about so many training images before the first answer, and how answers are closed."""
        return Constraints(images)

    def placed(self, known: Known) -> Neighbourhoods | None:
        """The images whose cluster the answers tell; None where they contradict each other."""
        try:
            return neighbourhoods.of(known.closed, self.given)
        except Contradiction:
            return None

    def neighbourhoods(self, known: Known) -> Neighbourhoods:
        """The same, for a method that cannot do without.

        Raises:
            UserError: there are none.
        """
        found = self.placed(known)
        if found is None or not found.count:
            raise UserError("no image has a known cluster; a budget of K - 1 questions or more is needed")
        return found

    def fits(self, images: int) -> None:
        """Hold the number of clusters, and each setting that says so (`pcl.limits`), against so many training images.

        Raises:
            UserError: there are too few; the message begins with the setting.
        """
        if self.given is not None and self.given > images:
            raise UserError(f"clusters: {self.clusters}, but there are only {images} training images; ask for fewer")
        problems = list(exceeded(self.settings, images))
        if problems:
            raise UserError("; ".join(problems))

    def scored(self, images: int) -> int:
        """Of so many images in the order of the data set, how many are scored."""
        return images


class FrozenMethod(Method):
    """A method that trains no network of images: it learns on representations, or on what another arm has found.

    `reads` is which of them. A supervised one asks by the strategy of its settings, or takes over the answers of
    another arm.
    """

    network = False
    reads: ClassVar[Literal["features", "clusters"] | None] = "features"

    @abstractmethod
    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """Cluster probabilities [N, K] of every split, fitted on "train" only; K unknown, as many as are found.

        Args:
            inputs: per split, features [N, D] or one-hot clusters [N, K].
            known: what the answers say about the training images.
            seed: of every draw.
        """


class LearnerSettings(Strict):
    """The settings of every method that asks about features: `strategy` chooses what is asked.

    In params.yaml it is a name, or a mapping of `name` and the strategy's settings; without it the arm takes over
    the `answers` of another one.
    """

    strategy: Chosen | None = None


class Learner(FrozenMethod):
    """A method that learns on representations, from answers that it has asked for or that another arm was given."""

    supervised = True
    Settings: ClassVar[type[LearnerSettings]] = LearnerSettings
    settings: LearnerSettings

    def width(self, placed: Neighbourhoods) -> int:
        """The number of clusters: K, or, unknown, of neighbourhoods."""
        return placed.count if self.given is None else self.given

    @classmethod
    def strategy(cls, settings: LearnerSettings) -> Choice | None:
        """The one of the settings."""
        return settings.strategy


class DeepMethod(Method, Trainable):
    """A method that trains a network batch by batch; `Trainable` says what the training loop asks of it.

    `draws_views` says whether it is shown random views of images, or images as they are alone.
    """

    network = True
    draws_views: ClassVar[bool] = True
    settings: DeepSettings

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The phases of training, in order."""

    def layer(self, network: nn.ModuleDict, images: Tensor, name: str) -> Tensor:
        """The rows [B, D] of a named layer for unaugmented images [B, C, S, S]."""
        seen = self.embed(network, images)
        return seen if name == "features" else network[name](seen)

    def check(self, images: dict[str, int], channels: int) -> None:
        """Hold the settings against a data set, before anything is trained.

        Args:
            images: how many there are in each split.
            channels: of every image; on frozen features their number.

        Raises:
            UserError: they do not fit; the message begins with the setting.
        """
        self.fits(images["train"])
        if self.settings.backbone.frozen:
            return
        for name in ("mean", "std"):
            values = getattr(self.settings.augmentation, name)
            if len(values) not in (1, channels):
                raise UserError(
                    f"augmentation.{name}: {len(values)} values, but the images have {channels} channels; give one "
                    "value for each, or one for all"
                )

    def batches(self, **others: Any) -> Batches:
        """Batches of the size that the settings say."""
        return Batches(**{"size": self.settings.batch_size, **others})

    def optimiser(self, **others: Any) -> Optimiser:
        """The optimiser that the settings say."""
        s = self.settings
        said = {
            "name": s.optimizer,
            "lr": s.lr,
            "momentum": s.momentum,
            "weight_decay": s.weight_decay,
            "clip": s.clip,
        }
        return Optimiser(**{**said, **others})

    def stage(self, name: str, epochs: int, **others: Any) -> Stage:
        """A stage with the batches and the optimiser that the settings say, where no others are given."""
        return Stage(name, epochs, **{"batches": self.batches(), "optimiser": self.optimiser(), **others})


class Asking(DeepSettings):
    """The settings of every method with a network that asks.

    `strategy` chooses the pairs: its name, or a mapping of `name` and its settings. `query` holds settings for
    whichever strategy is chosen, as far as it has them, so that a preset can set them for all. `closure` "full" also
    trains on what the answers imply. `parity` adds, for two clusters, that two cannot-links imply a must-link.
    """

    strategy: Chosen
    closure: Closure = "full"
    parity: bool = False

    @model_validator(mode="before")
    @classmethod
    def _query(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "query" not in values:
            return values
        values = dict(values)
        query, chosen = values.pop("query"), values.get("strategy", cls.model_fields["strategy"].default)
        if not isinstance(query, dict):
            raise ValueError("query: give settings of the strategy, such as {epsilon: 0.2}")
        known = settings_of()
        for name in query.keys() - known:
            raise ValueError(f"query.{name}: unknown key{did_you_mean(name, known)}")
        said = chosen if isinstance(chosen, dict) else {"name": getattr(chosen, "name", chosen)}
        try:
            own = settings_of([said["name"]])
        except (UserError, KeyError, TypeError, AttributeError):
            return values  # the field `strategy` says what is wrong
        return values | {"strategy": {name: value for name, value in query.items() if name in own} | said}

    @model_validator(mode="after")
    def _parity_is_a_closure(self) -> Self:
        if self.parity and self.closure == "none":
            raise ValueError("parity: true is a kind of closure; set closure: full, or parity: false")
        return self


class AskingMethod(DeepMethod):
    """A method with a network that asks questions."""

    supervised = True
    settings: Asking

    @classmethod
    def strategy(cls, settings: Asking) -> Choice | None:
        """The one of the settings."""
        return settings.strategy

    def constraints(self, images: int) -> Constraints:
        """Nothing known yet; what follows from an answer is as the settings say."""
        return Constraints(images, closure=self.settings.closure, parity=self.settings.parity)
