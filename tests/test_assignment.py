"""Assignments against a reference implementation: all colourings, counted out."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl.assignment import assign


def draw_instance(rng, things, clusters, edges):
    """Costs in [0, 1) and distinct edges between distinct things."""
    pairs = np.sort(rng.integers(things, size=(edges, 2)), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    return rng.random((things, clusters)), pairs


def instances(clusters, most=6):
    return st.builds(
        draw_instance,
        st.integers(0, 2**32).map(np.random.default_rng),
        st.integers(1, most),
        st.just(clusters),
        st.integers(0, 2 * most),
    )


def naive(costs, edges):
    """The fewest violated edges of any colouring, and the least cost of one with so few."""
    colourings = list(product(range(costs.shape[1]), repeat=len(costs)))
    rated = [(sum(c[a] == c[b] for a, b in edges), cost_of(costs, c)) for c in colourings]
    return min(rated)


def cost_of(costs, labels):
    return sum(costs[thing, label] for thing, label in enumerate(labels))


def rated(costs, edges, seed=0, **others):
    labels, violated = assign(costs, edges, np.random.default_rng(seed), **others)
    assert labels.shape == (len(costs),)
    assert set(labels.tolist()) <= set(range(costs.shape[1]))
    assert violated == sum(labels[a] == labels[b] for a, b in edges)
    return violated, cost_of(costs, labels)


class TestTwoClusters:
    @given(instances(2))
    def test_the_cheapest_colouring_is_found_where_there_is_one(self, instance):
        fewest, least = naive(*instance)
        violated, cost = rated(*instance)
        assert violated == fewest
        assert cost >= least - 1e-9
        if fewest == 0:
            assert cost == pytest.approx(least)

    @given(instances(2))
    def test_also_where_costs_tie(self, instance):
        costs, edges = np.round(instance[0]), instance[1]
        if naive(costs, edges)[0] == 0:
            assert rated(costs, edges) == (0, naive(costs, edges)[1])

    def test_a_chain_of_many_is_coloured(self):
        count = 20_000
        order = np.random.default_rng(0).permutation(count)
        edges = np.stack([order[:-1], order[1:]], axis=1)
        costs = np.random.default_rng(1).random((count, 2))
        violated, cost = rated(costs, edges)
        alternating = np.arange(count)[np.argsort(order)] % 2
        assert violated == 0
        assert cost == pytest.approx(min(cost_of(costs, alternating), cost_of(costs, 1 - alternating)))

    @pytest.mark.parametrize("seed", range(20))
    def test_cop_kmeans_2_the_point_between_two_that_it_cannot_join(self, seed):
        """One by one in this order, 0 and 1 may take both clusters, and nothing is left for 2."""
        points, edges = np.array([0.0, 1.0, 0.5]), np.array([[0, 2], [1, 2]])
        centres = np.random.default_rng(seed).choice(points, 2, replace=False)
        labels, violated = assign((points[:, None] - centres) ** 2, edges, np.random.default_rng(seed))
        assert violated == 0
        assert labels[0] == labels[1] != labels[2]


@pytest.mark.parametrize("clusters", [3, 4])
class TestMoreClusters:
    @given(seed=st.integers(0, 2**32), things=st.integers(1, 6), edges=st.integers(0, 12))
    def test_no_more_edges_are_violated_than_must_be(self, clusters, seed, things, edges):
        costs, pairs = draw_instance(np.random.default_rng(seed), things, clusters, edges)
        fewest, least = naive(costs, pairs)
        violated, cost = rated(costs, pairs)
        assert violated == fewest
        assert cost >= least - 1e-9

    @given(seed=st.integers(0, 2**32))
    def test_one_edge_costs_the_least_that_it_can(self, clusters, seed):
        costs, pairs = np.random.default_rng(seed).random((3, clusters)), np.array([[0, 2]])
        assert rated(costs, pairs) == (0, pytest.approx(naive(costs, pairs)[1]))

    def test_labels_that_were_hidden_among_many_answers_are_consistent(self, clusters):
        """Random pairs of different clusters: as dense as answers get, and far beyond counting out."""
        rng = np.random.default_rng(0)
        hidden = rng.integers(clusters, size=300)
        pairs = rng.integers(300, size=(20_000, 2))
        edges = np.unique(np.sort(pairs[hidden[pairs[:, 0]] != hidden[pairs[:, 1]]], axis=1), axis=0)
        assert rated(rng.random((300, clusters)), edges)[0] == 0


@pytest.mark.parametrize("clusters", [2, 3, 4])
@given(seed=st.integers(0, 2**32))
def test_no_move_of_one_thing_is_better(clusters, seed):
    costs, edges = draw_instance(np.random.default_rng(seed), 15, clusters, 25)
    labels, violated = assign(costs, edges, np.random.default_rng(0))
    for thing, label in product(range(15), range(clusters)):
        moved = labels.copy()
        moved[thing] = label
        violated_then = sum(moved[a] == moved[b] for a, b in edges)
        assert (violated_then, cost_of(costs, moved)) >= (violated, cost_of(costs, labels) - 1e-9)


class TestDeadEnds:
    @given(seed=st.integers(0, 2**32))
    def test_a_wheel_needs_no_repair(self, seed):
        """A ring of 30 and a hub: three clusters are just enough, if what has the fewest left comes first."""
        ring = np.arange(30)
        edges = np.concatenate([np.stack([ring, (ring + 1) % 30], axis=1), np.stack([ring, ring * 0 + 30], axis=1)])
        assert rated(np.random.default_rng(seed).random((31, 3)), edges, moves=0)[0] == 0

    def test_moves_repair_what_the_first_search_leaves(self):
        """Hidden labels, and so few answers that one by one is not enough."""
        rng = np.random.default_rng(0)
        hidden = rng.integers(3, size=150)
        pairs = rng.integers(150, size=(900, 2))
        edges = np.unique(np.sort(pairs[hidden[pairs[:, 0]] != hidden[pairs[:, 1]]], axis=1), axis=0)
        costs = rng.random((150, 3))
        assert rated(costs, edges, moves=0)[0] > 0
        assert rated(costs, edges)[0] == 0

    @pytest.mark.parametrize(("clusters", "violated"), [(1, 6), (2, 2), (3, 1), (4, 0)])
    def test_four_that_all_differ_need_four_clusters(self, clusters, violated):
        edges = np.array([(a, b) for a in range(4) for b in range(a)])
        assert rated(np.zeros((4, clusters)), edges)[0] == violated

    def test_a_part_that_cannot_be_coloured_spoils_no_other(self):
        """A triangle, an edge and one alone, with two clusters."""
        costs = np.array([[0.0, 1.0]] * 6)
        labels, violated = assign(costs, np.array([[0, 1], [1, 2], [0, 2], [3, 4]]), np.random.default_rng(0))
        assert violated == 1
        assert labels[:3].sum() == labels[3:5].sum() == 1
        assert labels[5] == 0


class TestWithoutConflict:
    @given(instances(3))
    def test_everything_gets_its_cheapest_cluster(self, instance):
        costs, edges = instance
        cheapest = costs.argmin(axis=1)
        kept = edges[cheapest[edges[:, 0]] != cheapest[edges[:, 1]]]
        assert assign(costs, kept, np.random.default_rng(0))[0].tolist() == cheapest.tolist()

    @pytest.mark.parametrize("clusters", [1, 2, 3])
    def test_no_edges_and_nothing_to_assign(self, clusters):
        for things in (0, 3):
            costs = np.zeros((things, clusters))
            labels, violated = assign(costs, np.empty((0, 2), dtype=np.int64), np.random.default_rng(0))
            assert (labels.tolist(), violated) == ([0] * things, 0)


@given(instances(3))
def test_the_same_draws_give_the_same_labels(instance):
    first, again = (assign(*instance, np.random.default_rng(7))[0].tolist() for _ in range(2))
    assert first == again
