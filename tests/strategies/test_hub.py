"""ADC's questions, against a loop written from its Algorithm 1."""

import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.constraints import Constraints
from pcl.losses import student
from pcl.strategies import hub_boundary
from pcl.strategies.base import PairView

sizes_and_count = st.tuples(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(0, 60))


def probabilities(seed, images=12, clusters=3):
    g = torch.Generator().manual_seed(seed)
    # Rounded, so that ties occur; every row keeps a largest entry of its own.
    return torch.softmax(torch.randn(images, clusters, generator=g, dtype=torch.float64), 1).mul(8).round() / 8


def cluster_sizes(q):
    return q.argmax(1).bincount(minlength=q.shape[1]).tolist()


def reference_pairs(q, wanted, known):
    rows = q.tolist()
    chosen = []
    for p, share in enumerate(wanted):
        members = [i for i, row in enumerate(rows) if row.index(max(row)) == p]
        ranked = sorted(members, key=lambda i: (-rows[i][p], i))
        found = [(ranked[0], i) for i in ranked[1:] if not known(ranked[0], i)]
        chosen += found[max(len(found) - share, 0) :]
    return chosen


class TestParity:
    """ADC-2: worked by hand from the paper's Algorithm 1."""

    i, j, k = torch.arange(12.0)[:, None], torch.arange(3.0), torch.arange(3.0)[:, None]
    z, centres = torch.sin(i.double() + 2 * j), torch.cos(k.double() + j)
    q = student.soft_assignment((z[:, None] - centres).square().sum(2))

    def test_labels(self):
        assert self.q.argmax(1).tolist() == [0, 1, 1, 2, 2, 2, 0, 0, 1, 2, 2, 2]

    @pytest.mark.parametrize(
        ("rows", "count", "sizes", "pairs"),
        [
            (range(0, 12, 2), 4, [2, 2, 2], [(0, 6), (8, 2), (10, 4)]),
            (range(12), 6, [3, 3, 6], [(0, 6), (8, 1), (10, 9), (10, 11), (10, 5)]),
        ],
        ids=["even", "all"],
    )
    def test_pairs(self, rows, count, sizes, pairs):
        q = self.q[list(rows)]
        assert cluster_sizes(q) == sizes
        found = hub_boundary.hub_and_boundary(q, hub_boundary.shares(sizes, count))
        assert [(rows[i], rows[j]) for i, j in found] == pairs


class TestShares:
    @given(sizes_and_count)
    def test_against_the_formula(self, drawn):
        sizes, count = drawn
        expected = [max(0, min(int(count * n / sum(sizes) + 1e-9), n - 1)) if n else 0 for n in sizes]
        assert hub_boundary.shares(sizes, count) == expected

    @given(sizes_and_count)
    def test_the_remainder_is_spent_as_far_as_there_is_room(self, drawn):
        sizes, count = drawn
        given_out = hub_boundary.with_remainder(sizes, count)
        room = [max(n - 1, 0) for n in sizes]
        assert sum(given_out) == min(count, sum(room))
        assert all(
            low <= b <= high for low, b, high in zip(hub_boundary.shares(sizes, count), given_out, room, strict=True)
        )

    @given(sizes_and_count)
    def test_the_remainder_goes_to_the_largest_clusters(self, drawn):
        """A smaller cluster never gets more of it than a larger one that still had room."""
        sizes, count = drawn
        floor, total = hub_boundary.shares(sizes, count), hub_boundary.with_remainder(sizes, count)
        extra = [b - a for a, b in zip(floor, total, strict=True)]
        for p, other in itertools.permutations(range(len(sizes)), 2):
            if sizes[p] > sizes[other] and total[p] < sizes[p] - 1:
                assert extra[p] >= extra[other]

    def test_examples(self):
        assert hub_boundary.with_remainder([3, 3, 6], 6) == [1, 1, 4]
        assert hub_boundary.with_remainder([2, 2, 2], 4) == [1, 1, 1]
        assert hub_boundary.with_remainder([1, 9, 2, 9], 9) == [0, 4, 1, 4]
        assert hub_boundary.with_remainder([4, 0, 0], 2) == [2, 0, 0]
        assert hub_boundary.shares([0, 0], 5) == hub_boundary.with_remainder([0, 0], 5) == [0, 0]


class TestHubAndBoundary:
    @given(st.integers(0, 2**16), st.integers(0, 12), st.sets(st.integers(0, 11)))
    @settings(max_examples=50, deadline=None)
    def test_against_a_loop(self, seed, count, asked):
        q = probabilities(seed)
        wanted = hub_boundary.with_remainder(cluster_sizes(q), count)

        def known(i, j):
            return j in asked

        assert hub_boundary.hub_and_boundary(q, wanted) == reference_pairs(q, wanted, lambda i, j: False)
        assert hub_boundary.hub_and_boundary(q, wanted, known) == reference_pairs(q, wanted, known)

    def test_equal_probabilities_keep_their_order(self):
        q = torch.tensor([[0.9, 0.1]]).repeat(4, 1)
        assert hub_boundary.hub_and_boundary(q, [2, 0]) == [(0, 2), (0, 3)]

    def test_a_known_pair_gives_its_place_to_the_next_image(self):
        q = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
        assert hub_boundary.hub_and_boundary(q, [2, 0], lambda i, j: {i, j} == {0, 3}) == [(0, 1), (0, 2)]
        assert hub_boundary.hub_and_boundary(q, [3, 0], lambda i, j: {i, j} == {0, 3}) == [(0, 1), (0, 2)]

    def test_clusters_without_a_pair_are_passed_over(self):
        q = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.2, 0.8, 0.0]])
        assert hub_boundary.hub_and_boundary(q, [1, 1, 1]) == [(1, 2)]


def seen(q, known=(), seed=0):
    """What the strategy sees of images with these probabilities, when some pairs are known, every other one must."""
    must, cannot = torch.zeros(2, len(q), len(q), dtype=torch.bool)
    for n, pair in enumerate(sorted(map(sorted, known))):
        matrix = (must, cannot)[n % 2]
        matrix[pair[0], pair[1]] = matrix[pair[1], pair[0]] = True
    z = torch.nn.functional.normalize(torch.ones(1, len(q), 3, dtype=q.dtype), dim=2)
    candidates = (~(must | cannot)).triu(1)
    return PairView(z, q, must, cannot, candidates, 1.0, torch.Generator().manual_seed(seed))


def select(view, count):
    return hub_boundary.Strategy(hub_boundary.Strategy.Settings()).select(view, count)


class TestStrategy:
    # Clusters of six, two and one: hubs 0, 6 and 8, the least sure ones 5 and 7.
    q = torch.tensor(
        [[p, (1 - p) / 2, (1 - p) / 2] for p in (0.99, 0.9, 0.8, 0.7, 0.6, 0.5)]
        + [[0.05, 0.9, 0.05], [0.1, 0.8, 0.1], [0.0, 0.2, 0.8]]
    )

    def drawn(self, known, times=400):
        """How often each pair is the one that is asked."""
        asked = Counter()
        for seed in range(times):
            ((a, b, _),) = select(seen(self.q, known, seed), 1)
            asked[a, b] += 1
        return asked

    def test_a_single_question_goes_to_a_cluster_drawn_by_its_size(self):
        """A cluster of one has no pair; six images against two."""
        asked = self.drawn(known=[])
        assert asked.keys() == {(0, 5), (6, 7)}
        assert asked[0, 5] / 400 == pytest.approx(6 / 8, abs=0.08)

    def test_a_cluster_without_an_open_pair_is_not_drawn(self):
        assert self.drawn(known=[(6, 7)], times=20).keys() == {(0, 5)}
        everything = [(0, j) for j in range(1, 6)]
        assert self.drawn(known=everything, times=20).keys() == {(6, 7)}, "pairs without the hub do not count"

    def test_a_known_pair_gives_its_place_to_the_next_surer_image(self):
        """The cluster's size counts, however many of its pairs are known."""
        asked = self.drawn(known=[(0, 5), (0, 4)])
        assert asked.keys() == {(0, 3), (6, 7)}
        assert asked[0, 3] / 400 == pytest.approx(6 / 8, abs=0.08)

    def test_nothing_is_left_to_ask(self):
        known = [*((0, j) for j in range(1, 6)), (6, 7)]
        assert select(seen(self.q, known), 1) == select(seen(self.q, known), 5) == []

    def test_each_pair_comes_with_the_probability_that_chose_it(self):
        chosen = select(seen(self.q), 4)
        assert [(a, b) for a, b, _ in chosen] == [(0, 3), (0, 4), (0, 5), (6, 7)]
        assert [terms["probability"] for _, _, terms in chosen] == pytest.approx([0.7, 0.6, 0.5, 0.8])

    @given(
        st.integers(0, 2**16),
        st.integers(2, 40),
        st.sets(st.sets(st.integers(0, 11), min_size=2, max_size=2).map(frozenset), max_size=30),
    )
    @settings(max_examples=50, deadline=None)
    def test_many_questions_are_algorithm_1_with_its_remainder(self, seed, count, known):
        q = probabilities(seed)
        chosen = [(a, b) for a, b, _ in select(seen(q, known), count)]
        wanted = hub_boundary.with_remainder(cluster_sizes(q), count)
        assert chosen == reference_pairs(q, wanted, lambda i, j: frozenset((i, j)) in known)
        assert not known & {frozenset(pair) for pair in chosen}
        assert len(chosen) <= count


def test_answers_about_hubs_imply_many_more_than_random_ones():
    """BUDGET-1 in small: a star of must-links closes into all pairs of its images."""
    n, count = 2000, 400
    g = torch.Generator().manual_seed(0)
    truth = torch.randint(2, (n,), generator=g)
    q = torch.softmax(torch.stack([1.0 - truth, truth], 1) + torch.randn(n, 2, generator=g), 1)
    stars = hub_boundary.hub_and_boundary(q, hub_boundary.with_remainder(cluster_sizes(q), count))
    spread = torch.randperm(n, generator=g)[: 2 * count].view(-1, 2).tolist()
    implied = []
    for pairs in (stars, spread):
        constraints = Constraints.fold(n, [(i, j, bool(truth[i] == truth[j])) for i, j in pairs])
        assert constraints.asked == count
        implied.append(constraints.implied_must + constraints.implied_cannot)
    assert implied[0] > 50 * (implied[1] + count)
