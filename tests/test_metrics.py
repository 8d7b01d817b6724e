"""Scores against counts made by hand: pairs one by one, and every map of clusters to targets."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given as any_given
from hypothesis import settings
from hypothesis import strategies as st

from pcl import metrics

close = pytest.approx


def given(*strategies):
    """Hypothesis with fewer examples: each costs milliseconds of scikit-learn."""
    return lambda test: settings(max_examples=40, deadline=None)(any_given(*strategies)(test))


SIXTY_FORTY = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]


@st.composite
def labellings(draw, most=5, largest=14):
    """Targets and clusters of the same images; names may be missing on either side."""
    n = draw(st.integers(2, largest))
    names = st.integers(0, most - 1)
    sides = [draw(st.lists(names, min_size=n, max_size=n)) for _ in range(2)]
    return tuple(np.array(side) for side in sides)


class TestParity:
    """What the CC and PCL releases (Yunfan-Li/Contrastive-Clustering@61daba8) print, where they are right."""

    def test_k2(self):
        """A 60/40 truth, split in halves."""
        found = metrics.scores(SIXTY_FORTY, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
        expected = {"nmi": 0.618977, "ari": 0.59701493, "f": 0.78072006, "acc": 0.9}
        assert {name: found[name] for name in expected} == close(expected, rel=1e-5)

    def test_partial_collapse(self):
        """No image is in cluster 0: the released accuracy is 0.0 here."""
        assert metrics.scores([0, 0, 1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3, 3, 3])["acc"] == close(0.75)

    def test_full_collapse_k2(self):
        """Every image is in cluster 1: the released accuracy is 0.4 here."""
        found = metrics.scores(SIXTY_FORTY, [1] * 10)
        assert found["acc"] == close(0.6)
        assert (found["nmi"], found["ari"]) == (0.0, 0.0)


def pairs(target, cluster):
    """Pairs of images by whether target (first) and cluster (second) put them together."""
    counts = {(a, b): 0 for a in (True, False) for b in (True, False)}
    for i, j in combinations(range(len(target)), 2):
        counts[bool(target[i] == target[j]), bool(cluster[i] == cluster[j])] += 1
    return counts


@given(labellings())
def test_f_and_pairwise_f1_count_pairs(sides):
    counts = pairs(*sides)
    together, split, mixed = counts[True, True], counts[True, False], counts[False, True]
    found = metrics.scores(*sides)
    if not together:
        assert (found["f"], found["pairwise_f1"]) == (0, 0)
        return
    precision, recall = together / (together + mixed), together / (together + split)
    assert found["f"] == close(math.sqrt(precision * recall), abs=1e-6)
    assert found["pairwise_f1"] == close(2 * precision * recall / (precision + recall), abs=1e-6)


@given(labellings(most=4))
def test_acc_tries_every_map(sides):
    target, cluster = sides
    maps = (np.array(names)[cluster] for names in permutations(range(4)))
    best = max(float((names == target).mean()) for names in maps)
    assert metrics.scores(target, cluster)["acc"] == close(best, abs=1e-6)


@given(labellings())
def test_nmi_is_mutual_information_over_the_mean_entropy(sides):
    def entropy(rows):
        _, counts = np.unique(rows, axis=0, return_counts=True)
        share = counts / counts.sum()
        return float(-(share * np.log(share)).sum())

    both = np.stack(sides, 1)
    mean = (entropy(sides[0]) + entropy(sides[1])) / 2
    mutual = 2 * mean - entropy(both)
    assert metrics.scores(*sides)["nmi"] == close(mutual / mean if mean > 0 else 1.0, abs=1e-6)


@given(labellings(), st.permutations(range(9)), st.permutations(range(9)))
def test_names_of_clusters_mean_nothing(sides, first, second):
    renamed = [np.array(names)[side] for names, side in zip((first, second), sides, strict=True)]
    assert metrics.scores(*renamed) == close(metrics.scores(*sides), abs=1e-6)


@given(labellings(), st.randoms(use_true_random=False))
def test_the_order_of_images_means_nothing(sides, random):
    order = list(range(len(sides[0])))
    random.shuffle(order)
    assert metrics.scores(*(side[order] for side in sides)) == close(metrics.scores(*sides), abs=1e-6)


@given(labellings())
def test_scores_are_scores(sides):
    found = metrics.scores(*sides)
    assert found.keys() == {"nmi", "ari", "f", "pairwise_f1", "acc"}
    assert all(0 <= found[name] <= 1 for name in ("nmi", "f", "pairwise_f1", "acc"))
    assert -1 <= found["ari"] <= 1


@pytest.mark.parametrize("clusters", [2, 4, 10])
def test_perfect_agreement_is_one_whatever_the_names(clusters):
    target = np.arange(50) % clusters
    assert set(metrics.scores(target, (target + 1) % clusters).values()) == {1.0}


def test_an_empty_cluster_costs_only_the_images_it_lacks():
    assert metrics.scores([0, 0, 1, 1, 2, 2], [0, 0, 3, 3, 3, 3])["acc"] == close(4 / 6, abs=1e-6)


def test_more_clusters_than_targets():
    """Only as many clusters count as there are targets; pairs inside each of them are still together."""
    found = metrics.scores([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2, 3, 3])
    assert found["acc"] == close(0.5)
    assert found["f"] == close(math.sqrt(1 * 4 / 12), abs=1e-6)


class TestShares:
    def test_largest_first_with_empty_clusters(self):
        assert metrics.shares([3, 3, 0, 3], 4) == [0.75, 0.25, 0.0, 0.0]

    @given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
    def test_one_per_cluster_that_sum_to_one(self, clusters):
        found = metrics.shares(clusters, 6)
        assert len(found) == 6
        assert found == sorted(found, reverse=True)
        assert sum(found) == close(1, abs=1e-5)


class TestResampled:
    """The same scores for many resamples at once."""

    @given(labellings(), st.integers(0, 2**32 - 1))
    def test_as_if_every_resample_were_scored_alone(self, sides, seed):
        target, cluster = sides
        n = len(target)
        drawn = np.random.default_rng(seed).integers(n, size=(7, n))
        times = np.array([np.bincount(rows, minlength=n) for rows in drawn])
        found = metrics.resampled(target, cluster, times)
        for k, rows in enumerate(drawn):
            alone = metrics.scores(target[rows], cluster[rows])
            assert {name: found[name][k] for name in alone if name != "acc"} == close(
                {name: value for name, value in alone.items() if name != "acc"}, abs=2e-6
            )
            assert found["acc"][k] <= alone["acc"] + 1e-6

    @given(labellings())
    def test_all_images_once_give_the_score(self, sides):
        target, cluster = sides
        found = metrics.resampled(target, cluster, np.ones((1, len(target)), int))
        assert {name: values[0] for name, values in found.items()} == close(metrics.scores(target, cluster), abs=2e-6)

    def test_acc_is_the_mean_of_images_that_are_right(self):
        """A cluster that is one resample's largest still belongs to the target that it has among all images."""
        target, cluster = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 0])
        times = np.array([[0, 0, 3, 0, 0, 3], [3, 0, 0, 3, 0, 0]])
        assert metrics.resampled(target, cluster, times)["acc"].tolist() == [0.0, 1.0]
