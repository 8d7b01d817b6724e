"""Constraints against a reference implementation: dense matrices, multiplied until nothing changes."""

from __future__ import annotations

import timeit
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl.constraints import Constraints, Contradiction
from pcl.errors import UserError

Asked = tuple[int, int, bool]


def closed(n: int, answers: list[Asked], parity: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Must-links and cannot-links (bool [n, n]) by repeating the rules over dense matrices."""
    must, cannot = np.eye(n, dtype=bool), np.zeros((n, n), dtype=bool)
    for i, j, same in answers:
        table = must if same else cannot
        table[i, j] = table[j, i] = True
    while True:
        more = must | must @ must
        if parity:
            more |= cannot @ cannot
        differ = cannot | must @ cannot | cannot @ must
        if (more == must).all() and (differ == cannot).all():
            return must & ~np.eye(n, dtype=bool), cannot
        must, cannot = more, differ


def consistent(n: int, answers: list[Asked], parity: bool = False) -> bool:
    must, cannot = closed(n, answers, parity)
    return not (must & cannot).any() and not cannot.diagonal().any()


def upper(matrix: np.ndarray) -> list[list[int]]:
    return np.argwhere(np.triu(matrix)).tolist()


def snapshot(constraints: Constraints) -> list:
    links = constraints.links(range(constraints.n))
    counts = (
        constraints.asked_must,
        constraints.asked_cannot,
        constraints.implied_must,
        constraints.implied_cannot,
    )
    return [*(m.tolist() for m in (links.must, links.cannot)), counts]


def questions(n: int, most: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    image = st.integers(0, n - 1)
    return st.lists(st.tuples(image, image).filter(lambda pair: pair[0] != pair[1]), max_size=most)


@st.composite
def truthful(draw: st.DrawFn, clusters: int = 4) -> tuple[int, list[Asked]]:
    """A number of images and answers about them that follow some labels."""
    n = draw(st.integers(2, 10))
    labels = draw(st.lists(st.integers(0, clusters - 1), min_size=n, max_size=n))
    return n, [(i, j, labels[i] == labels[j]) for i, j in draw(questions(n, 20))]


@st.composite
def careless(draw: st.DrawFn) -> tuple[int, list[Asked]]:
    """A number of images and arbitrary answers about them."""
    n = draw(st.integers(2, 7))
    return n, [(i, j, draw(st.booleans())) for i, j in draw(questions(n, 14))]


@given(truthful())
def test_closure_and_counts_equal_the_dense_witness(case):
    n, answers = case
    constraints = Constraints.fold(n, answers)
    must, cannot = closed(n, answers)
    links = constraints.links(range(n))
    assert (links.must == must).all() and (links.cannot == cannot).all()
    asked = {frozenset((i, j)): same for i, j, same in answers}
    assert [pairs.tolist() for pairs in constraints.pairs()] == [upper(must), upper(cannot)]
    assert constraints.asked == len(answers)
    assert constraints.asked_must == sum(same for *_, same in answers)
    assert constraints.implied_must == len(upper(must)) - sum(asked.values())
    assert constraints.implied_cannot == len(upper(cannot)) - (len(asked) - sum(asked.values()))
    assert constraints.largest_component == 1 + must.sum(axis=1).max()
    for i, j in product(range(n), repeat=2):
        assert constraints.relation(i, j) is (True if i == j or must[i, j] else False if cannot[i, j] else None)


@given(truthful(), st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(case, random):
    n, answers = case
    shuffled = random.sample(answers, len(answers))
    assert snapshot(Constraints.fold(n, shuffled)) == snapshot(Constraints.fold(n, answers))


@given(truthful())
def test_closure_is_idempotent(case):
    n, answers = case
    constraints = Constraints.fold(n, answers)
    before = constraints.links(range(n))
    known = [pairs.tolist() for pairs in constraints.pairs()]
    for same, pairs in zip((True, False), known, strict=True):
        for i, j in pairs:
            constraints.add(j, i, same)
    after = constraints.links(range(n))
    assert (after.must == before.must).all() and (after.cannot == before.cannot).all()
    assert constraints.implied_must == constraints.implied_cannot == 0
    assert constraints.asked == len(answers) + sum(map(len, known))


@given(truthful(), st.data())
def test_links_of_a_batch_are_those_of_its_images(case, data):
    n, answers = case
    constraints = Constraints.fold(n, answers)
    index = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=12)), dtype=int)
    whole, part = constraints.links(range(n)), constraints.links(index)
    for name in ("must", "cannot"):
        assert (getattr(part, name) == getattr(whole, name)[index][:, index]).all(), name


def test_an_image_twice_in_a_batch_is_not_linked_to_itself():
    links = Constraints.fold(3, [(0, 1, True)]).links([0, 0, 1])
    assert links.must.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


@pytest.mark.parametrize("parity", [False, True])
@given(case=careless())
def test_a_contradiction_is_always_found_and_its_chain_proves_it(parity, case):
    n, answers = case
    constraints, accepted = Constraints(n, parity=parity), []
    for i, j, same in answers:
        before = snapshot(constraints)
        if consistent(n, [*accepted, (i, j, same)], parity):
            constraints.add(i, j, same)
            accepted.append((i, j, same))
            continue
        with pytest.raises(Contradiction) as refusal:
            constraints.add(i, j, same)
        assert snapshot(constraints) == before
        chain = refusal.value.chain
        path = [chain[0].i, *(step.j for step in chain)]
        assert (path[0], path[-1]) == (i, j)
        assert all(left.j == right.i for left, right in pairwise(chain))
        for step in chain:
            given_i, given_j, given_same = accepted[step.number - 1]
            assert ({step.i, step.j}, step.same) == ({given_i, given_j}, given_same)
        must, cannot = closed(n, [step[:3] for step in chain], parity)
        assert (cannot if same else must)[i, j]
        for left_out in range(len(chain)):
            rest = [step[:3] for k, step in enumerate(chain) if k != left_out]
            assert consistent(n, [*rest, (i, j, same)], parity)


def test_the_message_of_a_contradiction_shows_the_shortest_chain():
    long_way = [(7, 1, True), (1, 2, True), (2, 12, False)]
    constraints = Constraints.fold(20, [*long_way, (5, 6, None), (3, 7, True), (3, 12, False)])
    with pytest.raises(Contradiction) as refusal:
        constraints.add(7, 12, True)
    assert str(refusal.value) == (
        "answer 7: 7 and 12 are in the same cluster, but 7 = 3 (answer 5), 3 ≠ 12 (answer 6) "
        "imply that they are not; change one of these answers, or withdraw it (unsure)"
    )
    assert refusal.value.chain == [(7, 3, True, 5), (3, 12, False, 6)]


def test_the_message_of_a_contradiction_of_one_answer():
    with pytest.raises(Contradiction) as refusal:
        Constraints.fold(2, [(0, 1, True), (1, 0, False)])
    assert str(refusal.value) == (
        "answer 2: 1 and 0 are in different clusters, but 1 = 0 (answer 1) "
        "implies that they are in the same one; change one of these answers, or withdraw it (unsure)"
    )


@pytest.mark.parametrize("order", [1, -1])
def test_the_shortest_chain_does_not_depend_on_the_order(order):
    answers = [(7, 1, True), (1, 2, True), (2, 12, False), (7, 3, True), (3, 12, False)]
    with pytest.raises(Contradiction) as refusal:
        Constraints.fold(20, [*answers[::order], (7, 12, True)])
    assert [step[:3] for step in refusal.value.chain] == [(7, 3, True), (3, 12, False)]


@pytest.mark.parametrize("parity", [False, True])
@pytest.mark.parametrize(
    ("same", "shorter", "longer"),
    [
        (False, [(0, 1, False), (1, 2, False)], [(0, 3, True), (3, 4, True), (4, 2, True)]),
        (
            True,
            [(0, 1, False), (1, 5, False), (5, 2, False)],
            [(0, 3, True), (3, 4, False), (4, 6, True), (6, 2, True)],
        ),
    ],
)
def test_more_than_one_different_proves_nothing_unless_there_are_but_two_clusters(parity, same, shorter, longer):
    """0 ≠ 1 ≠ 2 does not make 0 = 2, nor do three of them make 0 ≠ 2: the proof goes the longer way round."""
    with pytest.raises(Contradiction) as refusal:
        Constraints.fold(8, [*shorter, *longer, (0, 2, same)], parity=parity)
    assert [step[:3] for step in refusal.value.chain] == (shorter if parity else longer)


@pytest.mark.parametrize("parity", [False, True])
@given(case=truthful(clusters=2))
def test_components_and_their_edges_equal_the_dense_witness(parity, case):
    n, answers = case
    must, cannot = closed(n, answers, parity)
    first = (must | np.eye(n, dtype=bool)).argmax(axis=1)  # the first image of each image's component
    numbers = {image: number for number, image in enumerate(sorted(set(first.tolist())))}
    component = np.array([numbers[image] for image in first.tolist()])
    edges = {tuple(sorted(pair)) for pair in component[np.argwhere(cannot)].tolist()}
    constraints = Constraints.fold(n, answers, parity=parity)
    assert constraints.component_ids().tolist() == component.tolist()
    assert constraints.cannot_edges().tolist() == sorted(map(list, edges))
    assert constraints.cannot_edges().shape == (len(edges), 2)


def test_there_are_no_components_without_closure():
    constraints = Constraints.fold(3, [(0, 1, True)], closure="none")
    for accessor in (constraints.component_ids, constraints.cannot_edges):
        with pytest.raises(UserError, match=r"^closure: none joins .*; set closure: full$"):
            accessor()


@given(truthful(clusters=2))
def test_parity_equals_every_two_colouring(case):
    n, answers = case
    colours = np.array(list(product((False, True), repeat=n)))
    for i, j, same in answers:
        colours = colours[(colours[:, i] == colours[:, j]) == same]
    equal = colours[:, :, None] == colours[:, None, :]
    constraints = Constraints.fold(n, answers, parity=True)
    links = constraints.links(range(n))
    must, cannot = equal.all(axis=0) & ~np.eye(n, dtype=bool), (~equal).all(axis=0)
    assert (links.must == must).all() and (links.cannot == cannot).all()
    assert [pairs.tolist() for pairs in constraints.pairs()] == [upper(must), upper(cannot)]
    distinct = len({frozenset((i, j)) for i, j, _ in answers})
    assert constraints.implied_must + constraints.implied_cannot == len(upper(must | cannot)) - distinct


@given(careless())
def test_without_closure_only_asked_pairs_are_known(case):
    n, answers = case
    constraints, asked = Constraints(n, closure="none"), {}
    for i, j, same in answers:
        if asked.setdefault(frozenset((i, j)), same) == same:
            constraints.add(i, j, same)
        else:
            with pytest.raises(Contradiction) as refusal:
                constraints.add(i, j, same)
            assert [step[:3] for step in refusal.value.chain] == [(i, j, not same)]
    links = constraints.links(range(n))
    known = [sorted(sorted(pair) for pair, same in asked.items() if same == wanted) for wanted in (True, False)]
    assert [upper(links.must), upper(links.cannot)] == known
    assert [pairs.tolist() for pairs in constraints.pairs()] == known
    assert constraints.implied_must == constraints.implied_cannot == 0
    for i, j in product(range(n), repeat=2):
        assert constraints.relation(i, j) is (True if i == j else asked.get(frozenset((i, j))))


@given(truthful(), st.data())
def test_unsure_changes_nothing(case, data):
    n, answers = case
    unsure = [(i, j, None) for i, j in data.draw(questions(n, 5))]
    assert snapshot(Constraints.fold(n, [*unsure, *answers])) == snapshot(Constraints.fold(n, answers))


@pytest.mark.parametrize("pair", [(1, 1), (-1, 0), (0, 3), (3, 0)])
def test_a_pair_that_is_none_is_refused(pair):
    constraints = Constraints(3)
    with pytest.raises(UserError, match=r"two images|numbered 0 to 2"):
        constraints.add(*pair, True)
    assert constraints.asked == 0


def test_parity_needs_closure():
    with pytest.raises(UserError, match="closure: full"):
        Constraints(3, closure="none", parity=True)


def test_engine_1_two_cannot_links_are_a_must_link_for_two_clusters():
    answers = [(0, 1, False), (1, 2, False)]
    two = Constraints.fold(3, answers, parity=True)
    assert two.relation(0, 2) is True
    assert (two.asked, two.implied_must + two.implied_cannot) == (2, 1)
    assert Constraints.fold(3, answers).relation(0, 2) is None


def test_dcc_9_the_closed_pairs():
    constraints = Constraints.fold(7, [(0, 1, True), (1, 2, True), (2, 3, False), (4, 5, False)])
    must, cannot = constraints.pairs()
    assert must.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert cannot.tolist() == [[0, 3], [1, 3], [2, 3], [4, 5]]


class TestTenThousandAnswers:
    """BUDGET-1: what 10,000 answers about 50,000 images in two clusters imply depends on who asks."""

    n, asked = 50_000, 10_000

    def fold(self, pairs: np.ndarray, labels: np.ndarray) -> Constraints:
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
        return Constraints.fold(self.n, zip(*pairs.T.tolist(), same.tolist(), strict=True))

    @staticmethod
    def known(constraints: Constraints) -> tuple[int, int]:
        return (
            constraints.asked_must + constraints.implied_must,
            constraints.asked_cannot + constraints.implied_cannot,
        )

    @pytest.fixture
    def labels(self) -> np.ndarray:
        return np.random.default_rng(0).integers(2, size=self.n)

    @pytest.fixture
    def pairs(self) -> np.ndarray:
        return np.random.default_rng(1).integers(self.n, size=(self.asked, 2))

    def test_budget_1_random_pairs_close_to_little_more(self, labels, pairs):
        must, cannot = self.known(self.fold(pairs, labels))
        assert must / 4950 == pytest.approx(6274 / 4950, rel=0.1)
        assert cannot / 5050 == pytest.approx(7923 / 5050, rel=0.1)

    def test_budget_1_pairs_within_fixed_batches_close_to_little_more(self, labels, pairs):
        within = pairs[:, :1] // 128 * 128 + pairs % 128  # both of one batch
        must, cannot = self.known(self.fold(within[within.max(axis=1) < self.n], labels))
        assert must / 5003 == pytest.approx(6128 / 5003, rel=0.1)
        assert cannot / 4997 == pytest.approx(7475 / 4997, rel=0.1)

    def test_budget_1_stars_close_to_ten_million(self, labels, pairs):
        hubs = np.array([np.flatnonzero(labels == 0)[0], np.flatnonzero(labels == 1)[0]])
        pairs[:, 0] = hubs[np.arange(self.asked) % 2]
        stars = self.fold(pairs, labels)
        must, cannot = self.known(stars)
        assert 0.5 < must / 8_972_817 < 2 and 0.5 < cannot / 13_843_284 < 2
        assert stars.largest_component > 2000

    @pytest.mark.parametrize("hub", [0, n - 1])
    def test_an_answer_costs_no_more_as_answers_gather(self, hub):
        def star(size: int) -> float:
            answers = [(hub, i, True) for i in range(1, size)]
            return min(timeit.repeat(lambda: Constraints.fold(self.n, answers), number=1, repeat=3))

        assert star(16_000) < 3 * 8 * star(2_000)  # relabelling the larger part would make it 64 times

    def test_a_batch_is_looked_up_without_a_loop_over_pairs(self, labels, pairs):
        constraints = self.fold(pairs, labels)
        index = np.concatenate([pairs[:64, 0], pairs[:64, 1]])

        def double_loop() -> list[list[bool | None]]:
            images = index.tolist()
            return [[constraints.relation(i, j) for j in images] for i in images]

        must = constraints.links(index).must
        assert must.sum() >= 2 * 20
        assert must.tolist() == [
            [known is True and i != j for j, known in zip(index, row, strict=True)]
            for i, row in zip(index, double_loop(), strict=True)
        ]
        fast = min(timeit.repeat(lambda: constraints.links(index), number=3, repeat=5)) / 3
        assert 5 * fast < min(timeit.repeat(double_loop, number=1, repeat=3))
