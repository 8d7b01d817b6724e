"""Places typical images, then unsure ones, and believes no single answer about what the clusters are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import NonNegativeInt, PositiveInt

from pcl import beliefs
from pcl.beliefs import UNKNOWN, Beliefs
from pcl.config import Strict
from pcl.neighbourhoods import distances
from pcl.strategies import base, placing
from pcl.strategies.base import FeatureView, Pair, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = 100  # images up to which beliefs are searched anew after every one


class CarefulSettings(Strict):
    """Settings of careful placing.

    Attributes:
        typical: images per cluster that are placed as typical ones, before unsure ones.
        pool: the least sure are sought among so many times the images of a round.
        neighbours: of typicality.
        need: answers "different", less those "same", between the reference of a cluster and another cluster, before
            the two are taken for two.
        need_from: images per cluster from which on so many are needed; before, one is enough, since the first answers
            are worth more where they find clusters.
    """

    typical: NonNegativeInt = 10
    pool: PositiveInt = 5
    neighbours: PositiveInt = 20
    need: PositiveInt = 2
    need_from: NonNegativeInt = 3


class Strategy(base.Strategy[FeatureView]):
    """The images of `margin`, each held against the member of every cluster that most answers bear out.

    As long as two clusters could be one, their members are compared further; until then no cluster is implied without
    a question.

    Source: ours; docs/methods/careful.md says what was tried.
    """

    version = 3
    sees: ClassVar[Scope] = "features"
    Settings = CarefulSettings
    settings: CarefulSettings

    def select(self, view: FeatureView, count: int) -> Iterator[Pair]:
        """The questions that place the chosen images, and those that settle what the clusters are."""
        s, state = self.settings, _State(view)
        first = not state.beliefs.images
        if not state.complete or state.per_cluster < s.typical:
            images = placing.typical(view, state, count + first, s.neighbours)
        else:
            images = placing.unsure(view, state, count, s.pool)
        for image in images:
            yield from self._place(state, int(image))
            while (pair := self._doubtful(state)) is not None and view.known.open(*sorted(pair)):
                yield from state.ask(*pair, "doubt")
                state.settle()

    def _place(self, state: _State, image: int) -> Iterator[Pair]:
        """Compare an image with the reference of each cluster, likeliest first, until one is the same."""
        state.free[image] = False
        if not state.beliefs.images:
            state.beliefs.add(image)
            return
        order = state.likeliest_first(image)
        sure = state.view.clusters is not None and state.complete and self._doubtful(state) is None
        for own in order[: len(order) - sure]:
            reference = state.beliefs.reference(own, image)
            if reference is None or not state.view.known.open(*sorted((reference, image))):
                continue
            yield from state.ask(reference, image, "rank")
            if state.beliefs.of(image) == own:
                break
        state.settle()

    def _doubtful(self, state: _State) -> tuple[int, int] | None:
        """Two images to compare because their clusters could be one."""
        return state.beliefs.doubtful(self.settings.need if state.per_cluster >= self.settings.need_from else 1)


class _State:
    """What a round knows: beliefs, and who was not asked about yet."""

    def __init__(self, view: FeatureView) -> None:
        self.view = view
        self.beliefs: Beliefs = beliefs.settled(view.known.answers, view.clusters)
        self.free: NDArray[np.bool_] = np.ones(len(view.features), dtype=bool)
        self.free[self.beliefs.images] = False
        self.free[[image for pair in view.known.unsure for image in pair]] = False
        self.learned = self.complete

    @property
    def complete(self) -> bool:
        """Whether every cluster has an image, as far as one can tell."""
        return placing.all_found([len(own) for own in self._groups().values()], self.view.clusters)

    @property
    def per_cluster(self) -> float:
        """Images that were asked about, for each cluster."""
        return len(self.beliefs.images) / (self.view.clusters or max(len(self.beliefs.used), 1))

    def ask(self, i: int, j: int, why: str) -> Iterator[Pair]:
        """Ask, and hear the answer."""
        answers = self.view.known.answers
        before = len(answers)
        yield i, j, {why: 1.0}
        if len(answers) > before and answers[-1].same is not None:
            self.beliefs.hear(i, j, same=answers[-1].same)

    def settle(self) -> None:
        """Search for better labels, while that is cheap; later it is done once a round."""
        if len(self.beliefs.images) <= SMALL:
            self.beliefs.settle()

    def likeliest_first(self, image: int) -> list[int]:
        """Clusters by what the learner says of the image, once it knew all of them; else by the nearest member."""
        view, groups = self.view, self._groups()
        if self.learned:
            p = view.p
            fit = {own: float(p[image] @ p[members].mean(0)) for own, members in groups.items()}
        else:
            row = view.features[[image]]
            fit = {own: -float(distances(row, view.features[members]).min()) for own, members in groups.items()}
        return sorted(fit, key=lambda own: -fit[own])

    def _groups(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {own: [] for own in self.beliefs.used}
        for image, label in zip(self.beliefs.images, self.beliefs.label, strict=True):
            if label != UNKNOWN:
                found[label].append(image)
        return found
