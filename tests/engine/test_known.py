"""Answers, what they cost, and what follows from them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl.constraints import Constraints, Contradiction
from pcl.engine.known import Known
from pcl.oracles.log import Answer

CLUSTERS = np.arange(9) % 3


@pytest.fixture
def known():
    """About twenty images, with twelve questions to ask."""
    return Known(Constraints(20), 12)


def test_only_yes_and_no_are_paid_for(known, tell):
    tell(known, (0, 1, True), (2, 3, None), (4, 5, False))
    assert (known.spent, known.remaining, len(known.answers)) == (2, 10, 3)
    assert known.unsure == [(2, 3)]


def test_a_pair_of_one_image_is_paid_for_and_says_nothing(known, tell):
    """What the released random baseline wastes its budget on."""
    tell(known, (4, 4, True))
    assert (known.spent, known.constraints.asked) == (1, 0)


def test_a_contradiction_changes_nothing(known, tell):
    tell(known, (0, 1, True), (1, 2, True))
    with pytest.raises(Contradiction, match=r"0 = 1 \(answer 1\), 1 = 2 \(answer 2\) imply"):
        tell(known, (0, 2, False))
    assert (known.spent, len(known.answers)) == (2, 2)


def test_an_unsure_answer_changes_nothing_but_the_log(known, tell):
    before = known.constraints.links(np.arange(20))
    tell(known, (3, 4, None))
    after = known.constraints.links(np.arange(20))
    for name in ("must", "cannot"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    assert (known.spent, known.constraints.asked) == (0, 0)


def test_links_of_some_images_are_symmetric_and_complete(known, tell):
    tell(known, (0, 1, True), (1, 2, True), (2, 9, False), (5, 6, None))
    index = np.array([9, 2, 7, 0, 5, 6])
    links = known.links(index)
    assert np.argwhere(links.must).tolist() == [[1, 3], [3, 1]]
    assert np.argwhere(links.cannot).tolist() == [[0, 1], [0, 3], [1, 0], [3, 0]]
    assert np.argwhere(known.pairs_among(known.unsure, index)).tolist() == [[4, 5], [5, 4]]
    assert known.pairs_among([], index).tolist() == [[False] * 6] * 6


@given(st.lists(st.tuples(st.sampled_from(list(combinations(range(9), 2))), st.booleans()), max_size=20))
def test_a_pair_is_open_until_it_is_answered_implied_or_nobody_is_sure(asked):
    """Against the matrices of what is known, after answers of somebody who is not always sure."""
    known = Known(Constraints(9), 12)
    for (i, j), sure in asked:
        same = bool(CLUSTERS[i] == CLUSTERS[j]) if sure else None
        known.record(Answer(len(known.answers) + 1, i, j, same, 0, 0, "train", {}))
    links = known.links(np.arange(9))
    closed = links.must | links.cannot | known.pairs_among(known.unsure, np.arange(9))
    assert [known.open(i, j) for i, j in combinations(range(9), 2)] == [
        not closed[i, j] for i, j in combinations(range(9), 2)
    ]
