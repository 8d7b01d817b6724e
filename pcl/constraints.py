"""What a user's answers say about any two images: a fold over the answer log.

Must-links join images into components; a cannot-link is an edge between two components. What follows (must
and must give must, must and cannot give cannot) is known without asking and costs nothing.

Source: the transitive closure of Wagstaff et al., ICML 2001, as used by PCL (AAAI-25) and DCC.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pcl.errors import UserError

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Closure = Literal["full", "none"]


class Given(NamedTuple):
    """An answer that was given: two images, whether they are in the same cluster, its place in the log."""

    i: int
    j: int
    same: bool
    number: int


class Contradiction(UserError):
    """An answer whose opposite follows from earlier ones.

    Attributes:
        answer: the refused answer.
        chain: the shortest proof of the opposite, as a path of earlier answers from image i to image j.
    """

    def __init__(self, answer: Given, chain: list[Given]) -> None:
        """Word the message: the answer, the chain against it, and what to do."""
        self.answer, self.chain = answer, chain
        proof = ", ".join(f"{a} {'=' if same else '≠'} {b} (answer {k})" for a, b, same, k in chain)
        claim = "the same cluster" if answer.same else "different clusters"
        opposite = "not" if answer.same else "in the same one"
        super().__init__(
            f"answer {answer.number}: {answer.i} and {answer.j} are in {claim}, but {proof} "
            f"{'implies' if len(chain) == 1 else 'imply'} that they are {opposite}; "
            "change one of these answers, or withdraw it (unsure)"
        )


@dataclass(frozen=True, eq=False)
class Links:
    """What is known about every pair of B images: bool [B, B], symmetric, False on the diagonal.

    Attributes:
        must: known to be in the same cluster, asked or implied.
        cannot: known to be in different clusters, asked or implied.
    """

    must: Bools
    cannot: Bools


class Constraints:
    """The answers about n images and what follows from them.

    Images are merged into components smaller into larger, so that q answers move at most q log q entries.
    With parity, which is right for K = 2 only, two cannot-links imply a must-link: a component then never has
    more than one component that it cannot join.

    Attributes:
        asked_must: answers "same", repeated and already implied ones included.
        asked_cannot: answers "different", counted alike.
        closure: "full", or "none": nothing is known but the asked pairs.
    """

    def __init__(self, n: int, *, closure: Closure = "full", parity: bool = False) -> None:
        """Start with nothing known; with closure "none" only the asked pairs will ever be.

        Raises:
            UserError: parity is wanted without closure.
        """
        if parity and closure == "none":
            raise UserError("parity: true is a kind of closure; set closure: full, or parity: false")
        self.n = n
        self.asked_must = self.asked_cannot = 0
        self.closure, self._parity = closure, parity
        self._number = 0
        self._given: dict[tuple[int, int], Given] = {}
        self._must, self._cannot = array("q"), array("q")  # distinct asked pairs, flat: i, j, i, j, …
        self._root = np.arange(n)
        self._members: dict[int, list[int]] = {}  # of components with two images or more
        self._foes: dict[int, set[int]] = defaultdict(set)  # root -> roots that it cannot join

    @classmethod
    def fold(
        cls,
        n: int,
        answers: Iterable[tuple[int, int, bool | None]],
        *,
        closure: Closure = "full",
        parity: bool = False,
    ) -> Constraints:
        """The constraints after all answers (i, j, same) about n images.

        Raises:
            UserError: an answer contradicts earlier ones (Contradiction) or names no pair of images.
        """
        constraints = cls(n, closure=closure, parity=parity)
        for i, j, same in answers:
            constraints.add(i, j, same)
        return constraints

    def add(self, i: int, j: int, same: bool | None) -> None:
        """Take one answer; None (unsure) takes a number in the log and changes nothing else.

        Raises:
            UserError: i and j are not two of the n images.
            Contradiction: the opposite is known. In either case nothing has changed.
        """
        known = self.relation(i, j)
        if i == j:
            raise UserError(f"a question needs two images, but both are image {i}")
        answer = Given(int(i), int(j), bool(same), self._number + 1)
        if same is not None and known is not None and known != same:
            raise Contradiction(answer, self._chain(answer))
        self._number += 1
        if same is None:
            return
        self.asked_must += answer.same
        self.asked_cannot += not answer.same
        pair = min(answer.i, answer.j), max(answer.i, answer.j)
        if pair not in self._given:
            self._given[pair] = answer
            (self._must if answer.same else self._cannot).extend(pair)
        if known is None:
            self._join(*pair, answer.same)

    def relation(self, i: int, j: int) -> bool | None:
        """Whether images i and j are known to be in the same cluster; None if not known.

        Raises:
            UserError: i or j is not one of the n images.
        """
        if not (0 <= i < self.n and 0 <= j < self.n):
            raise UserError(f"images {i} and {j}: the images are numbered 0 to {self.n - 1}")
        a, b = int(self._root[i]), int(self._root[j])
        if a == b:
            return True
        if b in self._foes.get(a, ()):
            return False
        given = self._given.get((min(i, j), max(i, j)))  # found here only if nothing is closed
        return given.same if given else None

    def links(self, index: ArrayLike) -> Links:
        """What is known about every pair of the images index (int [B]); an image and itself count as unknown.

        Takes O(B² + q) array operations after q answers.
        """
        index = np.asarray(index, dtype=np.int64)
        root = self._root[index]
        joined = (root[:, None] == root) & (index[:, None] != index)
        asked = self._edges(index, _pairs(self._must))  # joined already, unless nothing is closed
        return Links(joined | asked, self._edges(root, self._root[_pairs(self._cannot)]))

    def pairs(self) -> tuple[Ints, Ints]:
        """All known must-links [P, 2] and cannot-links [Q, 2], each as rows i < j in lexicographic order.

        Components are multiplied out: a few hub images can make 10⁷ rows of 10⁴ answers.
        """
        if self.closure == "none":
            return self._distinct(_pairs(self._must)), self._distinct(_pairs(self._cannot))
        roots = np.array(list(self._members), dtype=np.int64)
        must = self._across(roots, roots)
        must = must[must[:, 0] < must[:, 1]]
        cannot = self._across(*self._foe_edges().T)
        return self._distinct(must), self._distinct(cannot)

    def component_ids(self) -> Ints:
        """The component of every image, int [n], numbered in the order of their first images.

        Raises:
            UserError: nothing is closed, so that images have not been joined.
        """
        if self.closure == "none":
            raise UserError("closure: none joins no images into components; set closure: full")
        _, first, component = np.unique(self._root, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[component]

    def cannot_edges(self) -> Ints:
        """The pairs of components that are not in the same cluster, [E, 2], numbered as by `component_ids`.

        Each is there once, as a row a < b, in lexicographic order.

        Raises:
            UserError: nothing is closed.
        """
        return self._distinct(self.component_ids()[_pairs(self._cannot)])

    @property
    def asked(self) -> int:
        """Questions that were answered "same" or "different"."""
        return self.asked_must + self.asked_cannot

    @property
    def implied_must(self) -> int:
        """Pairs known to be in the same cluster without having been asked."""
        known = sum(len(images) * (len(images) - 1) // 2 for images in self._members.values())
        return known - len(self._must) // 2 if self.closure == "full" else 0

    @property
    def implied_cannot(self) -> int:
        """Pairs known to be in different clusters without having been asked."""
        size = np.bincount(self._root, minlength=self.n)
        return int(size[self._foe_edges()].prod(axis=1).sum()) - len(self._cannot) // 2

    @property
    def largest_component(self) -> int:
        """Images in the largest set that is known to be in one cluster."""
        return max(map(len, self._members.values()), default=1)

    def _size(self, root: int) -> int:
        return len(self._members.get(root, (root,)))

    def _join(self, i: int, j: int, same: bool) -> None:
        a, b = int(self._root[i]), int(self._root[j])
        if not same:
            self._foes[a].add(b)
            self._foes[b].add(a)
        elif self.closure == "full":
            self._merge(a, b)
        if self._parity:
            for image in (i, j):
                while len(foes := self._foes[int(self._root[image])]) > 1:
                    self._merge(*sorted(foes)[:2])

    def _merge(self, a: int, b: int) -> None:
        if self._size(a) < self._size(b):
            a, b = b, a
        moved = self._members.pop(b, [b])
        self._members.setdefault(a, [a]).extend(moved)
        self._root[moved] = a
        for foe in self._foes.pop(b, ()):
            self._foes[foe].remove(b)
            self._foes[foe].add(a)
            self._foes[a].add(foe)

    def _edges(self, ids: Ints, pairs: Ints) -> Bools:
        """Which of the ids [B] are joined by one of the pairs [P, 2]: bool [B, B], symmetric."""
        size = len(ids)
        slot = np.full(self.n, size)
        slot[ids] = np.arange(size)
        table = np.zeros((size + 1, size + 1), dtype=bool)  # the last row and column take what is not in ids
        table[slot[pairs[:, 0]], slot[pairs[:, 1]]] = True
        row = slot[ids]  # equal ids share a slot
        return (table | table.T)[row][:, row]

    def _foe_edges(self) -> Ints:
        """The pairs of components that cannot be joined, as roots [E, 2], each once."""
        return self._distinct(self._root[_pairs(self._cannot)])

    def _across(self, a: Ints, b: Ints) -> Ints:
        """Every image of the component a[e] with every image of the component b[e], for all e: [P, 2]."""
        by_root = np.argsort(self._root)
        size = np.bincount(self._root)
        start = np.cumsum(size) - size
        count = size[a] * size[b]
        rank = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)  # of a pair within its e
        a, b = np.repeat(a, count), np.repeat(b, count)
        return np.stack([by_root[start[a] + rank // size[b]], by_root[start[b] + rank % size[b]]], axis=1)

    def _distinct(self, pairs: Ints) -> Ints:
        """The different pairs among the rows [P, 2], smaller number first, in lexicographic order."""
        keys = np.sort(np.minimum(*pairs.T) * self.n + np.maximum(*pairs.T))
        return np.stack(np.divmod(keys[np.diff(keys, prepend=-1) > 0], self.n), axis=1)

    def _chain(self, answer: Given) -> list[Given]:
        """The shortest path of answers from i to j that proves the opposite of the answer (breadth first).

        A path proves "same" if it has no "different" in it and "different" if it has exactly one; with
        parity, if it has an even or an odd number of them.
        """
        steps = defaultdict(list)
        for i, j, same, number in self._given.values():
            steps[i].append(Given(i, j, same, number))
            steps[j].append(Given(j, i, same, number))
        start, goal = (answer.i, False), (answer.j, answer.same)  # an image, and whether it differs from i
        came_by: dict[tuple[int, bool], Given] = {}
        queue = deque([start])
        while goal not in came_by:
            image, differs = queue.popleft()
            for step in steps[image]:
                state = step.j, differs == step.same  # a "different" turns it round
                follows = step.same or not differs or self._parity
                if follows and state != start and state not in came_by:
                    came_by[state] = step
                    queue.append(state)
        chain: list[Given] = []
        while goal != start:
            chain.append(came_by[goal])
            goal = chain[-1].i, goal[1] == chain[-1].same
        return chain[::-1]


def _pairs(flat: array[int]) -> Ints:
    # A copy: an array with a live view of its buffer refuses to grow.
    return np.array(flat, dtype=np.int64).reshape(-1, 2)
