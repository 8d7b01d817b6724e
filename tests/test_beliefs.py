"""What to believe when answers may be wrong, against all labelings there are."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.beliefs import UNKNOWN, Beliefs, settled
from pcl.oracles.log import Answer


def answers_of(said):
    return [Answer(n, i, j, same, 0, 0, "", {}) for n, (i, j, same) in enumerate(said, start=1)]


def votes_for(labels, said):
    """How many answers agree with labels, less those that do not, over pairs taken for one cluster."""
    return sum(1 if same else -1 for i, j, same in said if labels[i] == labels[j] != UNKNOWN)


def best(said, images, clusters):
    """The most votes that any labels get."""
    return max(
        votes_for(dict(zip(images, labels, strict=True)), said)
        for labels in product(range(UNKNOWN, clusters), repeat=len(images))
    )


PAIRS = list(combinations(range(6), 2))


@given(st.lists(st.tuples(st.sampled_from(PAIRS), st.booleans()), min_size=1, max_size=12, unique_by=lambda x: x[0]))
@settings(max_examples=60)
def test_two_clusters_get_as_many_votes_as_the_best_labels_or_leave_an_image_open(asked):
    said = [(i, j, same) for (i, j), same in asked]
    beliefs = settled(answers_of(said), 2)
    labels = dict(zip(beliefs.images, beliefs.label, strict=True))
    found = votes_for(labels, said)
    assert found <= best(said, beliefs.images, 2)
    for image in beliefs.images:  # no single image could move and gain
        for label in range(2):
            assert votes_for(labels | {image: label}, said) <= found


@pytest.mark.parametrize("clusters", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_right_answers_are_all_believed(clusters, seed):
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(24) % clusters)
    said = [(i, j, bool(truth[i] == truth[j])) for i, j in combinations(range(24), 2) if rng.random() < 0.5]
    known = settled(answers_of(said), clusters).neighbourhoods()
    assert known.count == clusters and known.images.tolist() == list(range(24))
    for own in range(clusters):
        assert len(set(truth[known.images[known.which == own]])) == 1


@pytest.mark.parametrize("seed", range(5))
def test_one_wrong_answer_about_the_first_images_costs_no_cluster(seed):
    """Two images of one cluster are said to differ; closed, they would be two clusters for good."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(30) % 3)
    first, second = np.flatnonzero(truth == truth[0])[:2].tolist()
    said = [(first, second, False)]
    said += [(i, j, bool(truth[i] == truth[j])) for i, j in combinations(range(30), 2) if rng.random() < 0.6]
    said = [*dict.fromkeys(answer for answer in said if answer[:2] != (first, second)), (first, second, False)]
    beliefs = settled(answers_of([said[-1], *said[:-1]]), 3)
    assert beliefs.of(first) == beliefs.of(second) != UNKNOWN


def test_not_sure_and_an_image_with_itself_say_nothing():
    beliefs = settled(answers_of([(0, 1, None), (2, 2, True)]), 2)
    assert beliefs.images == [] and beliefs.neighbourhoods().count == 0


def test_an_image_that_differs_from_every_cluster_opens_one_while_there_is_one_left():
    beliefs = Beliefs(3, answers_of([(0, 1, False), (0, 2, False), (1, 2, False)]))
    assert sorted(beliefs.label) == [0, 1, 2]
    beliefs.hear(3, 0, same=False)
    beliefs.hear(3, 1, same=False)
    assert beliefs.of(3) == beliefs.of(2), "the last one is implied"
    beliefs.hear(3, 2, same=False)
    assert beliefs.of(3) in (beliefs.of(0), beliefs.of(1), beliefs.of(2)), "one of three answers must be wrong"


def test_a_reference_is_the_member_that_most_answers_bear_out():
    beliefs = settled(answers_of([(0, 1, True), (0, 2, True), (1, 3, False), (0, 3, False), (0, 4, False)]), 2)
    own = beliefs.of(0)
    assert beliefs.reference(own) == 0
    assert beliefs.reference(own, 3) == 2, "0 and 1 were compared with it"
    assert beliefs.asked(3, 1) and not beliefs.asked(3, 2)


def test_two_clusters_are_in_doubt_until_enough_answers_say_that_they_differ():
    beliefs = Beliefs(2, answers_of([(0, 1, False), (0, 2, True)]))
    assert beliefs.doubtful(1) is None
    assert beliefs.doubtful(2) == (1, 2), "the reference of the second, and who of the first is not compared with it"
    beliefs.hear(1, 2, same=False)
    beliefs.hear(1, 3, same=True)
    assert beliefs.doubtful(2) is not None, "0 has one answer against the second cluster"
    beliefs.hear(0, 3, same=False)
    assert beliefs.doubtful(2) is None


@pytest.mark.parametrize("clusters", [2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_how_many_clusters_there_are_follows_from_right_answers(clusters, seed):
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(30) % clusters)
    first = [int(np.flatnonzero(truth == own)[0]) for own in range(clusters)]
    said = [(i, j, bool(truth[i] == truth[j])) for i, j in combinations(range(30), 2) if {i, j} & set(first)]
    known = settled(answers_of(said), None).neighbourhoods()
    assert known.count == clusters and known.images.tolist() == list(range(30))
    assert all(len(set(truth[own])) == 1 for own in known.members())


@given(st.lists(st.tuples(st.sampled_from(PAIRS), st.booleans()), min_size=1, max_size=12, unique_by=lambda x: x[0]))
@settings(max_examples=60, deadline=None)
def test_with_any_number_of_clusters_no_move_and_no_merging_wins_votes(asked):
    said = [(i, j, same) for (i, j), same in asked]
    beliefs = settled(answers_of(said), None)
    labels = dict(zip(beliefs.images, beliefs.label, strict=True))
    found = votes_for(labels, said)
    assert found <= best(said, beliefs.images, 6)
    for image, label in product(beliefs.images, range(7)):
        assert votes_for(labels | {image: label}, said) <= found
    for own, other in combinations(set(labels.values()) - {UNKNOWN}, 2):
        merged = {image: other if label == own else label for image, label in labels.items()}
        assert votes_for(merged, said) <= found


def test_one_wrong_answer_opens_no_cluster_for_good():
    """2 is said to differ from 0; of two more answers that put it with 0's cluster, both are believed."""
    said = [(0, 1, True), (0, 3, False), (1, 3, False), (0, 2, False), (2, 3, False)]
    assert settled(answers_of(said), None).neighbourhoods().count == 3
    assert settled(answers_of([*said, (1, 2, True), (2, 4, True), (0, 4, True)]), None).neighbourhoods().count == 2
