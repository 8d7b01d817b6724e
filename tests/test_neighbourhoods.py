"""Neighbourhoods against a plain reading of the definition, on answers about known clusters."""

from itertools import combinations, product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pcl import neighbourhoods
from pcl.constraints import Constraints


@st.composite
def answered(draw):
    """Answers about nine images in three clusters, and how many clusters a method is told of."""
    truth = draw(st.lists(st.integers(0, 2), min_size=9, max_size=9))
    pairs = draw(st.lists(st.sampled_from(list(combinations(range(9), 2))), max_size=14, unique=True))
    return truth, [(i, j, truth[i] == truth[j]) for i, j in pairs], draw(st.sampled_from([3, 4, None]))


def by_hand(constraints, clusters):
    """Image -> neighbourhood: sets of images, largest first, each known to differ from all that were taken before."""
    sets, n = [], constraints.n
    for i in range(n):
        own = {j for j in range(n) if constraints.relation(i, j)}
        if min(own) == i and any(constraints.relation(i, j) is not None for j in range(n) if j != i):
            sets.append(own)
    sets.sort(key=lambda own: (-len(own), min(own)))

    def differ(one, other):
        return all(constraints.relation(i, j) is False for i, j in product(one, other))

    taken = []
    for own in sets:
        if (clusters is None or len(taken) < clusters) and all(differ(own, other) for other in taken):
            taken.append(own)
    found = {image: number for number, own in enumerate(taken) for image in own}
    for own in sets:
        left = [number for number, other in enumerate(taken) if not differ(own, other)]
        if own not in taken and len(taken) == clusters and len(left) == 1:
            found |= dict.fromkeys(own, left[0])
    return found, len(taken)


@given(answered())
def test_are_those_of_the_definition(case):
    _, answers, clusters = case
    constraints = Constraints.fold(9, answers)
    found = neighbourhoods.of(constraints, clusters)
    expected, count = by_hand(constraints, clusters)
    assert dict(zip(found.images.tolist(), found.which.tolist(), strict=True)) == expected
    assert found.count == count
    assert found.images.tolist() == sorted(expected)
    assert found.members() == [[i for i in sorted(expected) if expected[i] == own] for own in range(count)]


@given(answered())
def test_no_two_clusters_share_one_and_the_last_is_implied(case):
    """With all three known clusters found, an image known to differ from two is in the third."""
    truth, answers, _ = case
    found = neighbourhoods.of(Constraints.fold(9, answers), 3)
    for own in found.members():
        assert len({truth[image] for image in own}) == 1


def test_the_last_cluster_needs_no_question():
    constraints = Constraints.fold(4, [(0, 1, False), (1, 2, False), (0, 2, False), (3, 0, False), (3, 1, False)])
    found = neighbourhoods.of(constraints, 3)
    assert found.which[found.images == 3] == found.which[found.images == 2]


def test_nothing_known_is_no_neighbourhood():
    found = neighbourhoods.of(Constraints(5), 2)
    assert (found.count, found.images.tolist(), found.members()) == (0, [], [])


def test_distances_are_euclidean():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    expected = [[sum((x - y) ** 2 for x, y in zip(i, j, strict=True)) ** 0.5 for j in b] for i in a]
    assert np.allclose(neighbourhoods.distances(a, b), expected)
