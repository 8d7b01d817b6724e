"""The groups that answers make, and the answers that a change of groups by hand stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcl.constraints import Constraints
from pcl.label.events import Pair
from pcl.neighbourhoods import Neighbourhoods

Said = Mapping[tuple[int, int], bool | None]


@dataclass(frozen=True)
class Change:
    """What a change of groups says: answers, and the earlier ones that no longer count."""

    pairs: list[Pair]
    withdraws: list[tuple[int, int]]


class Groups:
    """The groups of some pictures, each known by its founder: of its core, the member that was heard of first.

    The core are the members that answers "same" hold together. Others are in the group because they are in no other
    one, which helps nobody to place a further picture.

    Attributes:
        founders: of every group, in the order in which groups were founded.
        of: the founder of every picture that is in a group.
    """

    def __init__(self, placed: Neighbourhoods, known: Constraints, said: Said, first: int | None) -> None:
        """Take what answers place; where they place nothing yet, the first picture founds a group by itself."""
        heard = {image: at for at, image in enumerate(dict.fromkeys(i for pair in said for i in pair))}
        component = known.component_ids() if placed.count else np.empty(0, np.int64)
        found: dict[int, tuple[list[int], list[int]]] = {}
        for members in placed.members():
            own = component[members]
            core = np.array(members)[own == np.bincount(own).argmax()].tolist()
            found[min(core, key=lambda image: heard.get(image, -1))] = members, core
        if not found and first is not None:
            found[first] = [first], [first]
        self.founders = sorted(found, key=lambda founder: heard.get(founder, -1))
        self._found = found
        self.of = {image: founder for founder, (members, _) in found.items() for image in members}

    def members(self, founder: int) -> NDArray[np.int64]:
        """The pictures of a group, ascending."""
        return np.array(self._found[founder][0], np.int64)

    def core(self, founder: int) -> NDArray[np.int64]:
        """Those of them that answers "same" hold together, the founder among them."""
        return np.array(self._found[founder][1], np.int64)


def moved(images: list[int], to: int | None, groups: Groups, said: Said, n: int) -> Change:
    """The answers that put pictures into a group, or by themselves into a new one.

    What was said about them and others no longer counts; what held the others together without them is said anew.

    Args:
        images: that are moved.
        to: the founder of their group; None: a new one.
        groups: as they are.
        said: the answers that count.
        n: how many pictures there are.
    """
    chosen = set(images)
    withdraws = [pair for pair in said if len(chosen.intersection(pair)) == 1]
    withdraws += [pair for pair, same in said.items() if same is not True and chosen.issuperset(pair)]
    gone = set(withdraws)
    kept = Constraints.fold(n, ((*pair, same) for pair, same in said.items() if pair not in gone))
    pairs: list[Pair] = []

    def say(i: int, j: int, same: bool) -> None:
        if i != j and kept.relation(i, j) is None:
            kept.add(i, j, same)
            pairs.append((min(i, j), max(i, j), same))

    left = {founder: [i for i in groups.members(founder).tolist() if i not in chosen] for founder in groups.founders}
    heads = {founder: _head(own, groups.core(founder).tolist()) for founder, own in left.items() if own}
    for founder, head in heads.items():
        for image in left[founder]:
            say(head, image, True)
    for image in images[1:]:
        say(images[0], image, True)
    if to in heads:
        say(heads[to], images[0], True)
    standing = list(heads.values()) + ([] if to in heads else [images[0]])
    for at, one in enumerate(standing):
        for other in standing[at + 1 :]:
            say(one, other, False)
    return Change(pairs, withdraws)


def _head(members: list[int], core: list[int]) -> int:
    """The member that stands for the others: one of the core, if any is left."""
    return next((image for image in members if image in core), members[0])


def merged(founders: list[int], groups: Groups, said: Said) -> Change:
    """The answers that make one group of several."""
    members = [set(groups.members(founder).tolist()) for founder in founders]

    def apart(pair: tuple[int, int]) -> bool:
        at = [next((k for k, own in enumerate(members) if image in own), None) for image in pair]
        return None not in at and at[0] != at[1]

    withdraws = [pair for pair, same in said.items() if same is not True and apart(pair)]
    first, *others = sorted(founders)
    return Change([(min(first, other), max(first, other), True) for other in others], withdraws)
