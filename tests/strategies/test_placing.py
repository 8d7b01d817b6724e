"""Strategies that place images: which image is next, and which questions it takes, each against a plain loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from pcl.beliefs import settled
from pcl.constraints import Constraints
from pcl.engine.known import Known
from pcl.oracles.log import Answer
from pcl.strategies import placing
from pcl.strategies.base import Choice, FeatureView


def view_of(features, known, clusters, p=None, number=0):
    """What a strategy sees of some features; probabilities only where a test gives them."""

    def learn():
        assert p is not None, "nobody should look at probabilities"
        return p

    return FeatureView(features, clusters, known, 1, number, learn)


def tell(known, i, j, same):
    known.record(Answer(len(known.answers) + 1, min(i, j), max(i, j), same, 0, 0, "", {}))


def placed_on(features, truth, images, clusters):
    """What is known once some images have been placed, by asking about each and one of every cluster."""
    known = Known(Constraints(len(features)), 999)
    for at, image in enumerate(images):
        for other in images[:at]:
            if known.constraints.relation(image, other) is None:
                tell(known, other, image, bool(truth[image] == truth[other]))
    return known


def asked(pairs, known, truth, unsure=()):
    """All questions, answered as they come."""
    found = []
    for i, j, terms in pairs:
        found.append((i, j, terms["rank"]))
        same = None if (i, j) in unsure else bool(truth[i] == truth[j])
        tell(known, i, j, same)
    return found


class TestPlacingAnImage:
    FEATURES = np.array([[0], [10], [20], [0.4], [9], [21], [8]], dtype=np.float32)
    TRUTH = np.array([0, 1, 2, 0, 2, 2, 1])

    def place(self, image, clusters=3, unsure=(), order=None):
        known = placed_on(self.FEATURES, self.TRUTH, [0, 1, 2], clusters)
        placed = placing.Placed(view_of(self.FEATURES, known, clusters))
        questions = asked(placed.place(image, order or placed.nearest_first(image)), known, self.TRUTH, unsure)
        return placed, known, questions

    def test_same_ends_it(self):
        placed, _, questions = self.place(3)
        assert questions == [(0, 3, 1.0)]
        assert 3 in next(group for group in placed.groups if 0 in group)

    def test_the_last_cluster_is_implied_and_costs_nothing(self):
        """The image is nearest to 1, then to 0, and belongs with 2."""
        placed, known, questions = self.place(4)
        assert questions == [(1, 4, 1.0), (0, 4, 2.0)]
        assert 4 in next(group for group in placed.groups if 2 in group)
        assert known.spent == 3 + 2

    def test_with_more_clusters_than_are_found_nothing_is_implied(self):
        placed, _, questions = self.place(4, clusters=4)
        assert [pair[:2] for pair in questions] == [(1, 4), (0, 4), (2, 4)]
        assert placed.complete is False

    def test_with_an_unknown_number_of_clusters_nothing_is_ever_implied(self):
        placed, _, questions = self.place(4, clusters=None)
        assert [pair[:2] for pair in questions] == [(1, 4), (0, 4), (2, 4)]
        assert len(placed.groups) == 3

    def test_an_unknown_number_is_taken_to_be_found_once_no_image_is_alone(self):
        assert [placing.all_found(sizes, None) for sizes in ([], [5], [4, 1], [2, 3])] == [False, False, False, True]
        assert [placing.all_found(sizes, 2) for sizes in ([5], [4, 1], [2, 3, 1])] == [False, True, False]

    def test_an_image_that_differs_from_all_opens_another(self):
        known = placed_on(self.FEATURES, self.TRUTH, [0, 1], 3)
        placed = placing.Placed(view_of(self.FEATURES, known, 3))
        assert not placed.complete
        asked(placed.place(5, placed.nearest_first(5)), known, self.TRUTH)
        assert placed.complete and [5] in placed.groups and not placed.free[5]

    def test_not_sure_skips_and_then_nothing_is_implied(self):
        """Unsure about the first: the last is asked as well, and "same" there places the image."""
        placed, _, questions = self.place(4, unsure={(1, 4)})
        assert [pair[:2] for pair in questions] == [(1, 4), (0, 4), (2, 4)]
        assert 4 in next(group for group in placed.groups if 2 in group)

    def test_not_sure_everywhere_leaves_the_image_out(self):
        placed, known, questions = self.place(4, unsure={(0, 4), (1, 4), (2, 4)})
        assert len(questions) == 3 and known.spent == 3
        assert 4 not in placed.images and not placed.free[4]
        again = placing.Placed(view_of(self.FEATURES, known, 3))
        assert not again.free[4], "nobody is asked about it in the next round either"

    def test_likeliest_first_is_by_what_the_learner_holds(self):
        p = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 0, 0, 0]]
        p[4] = [0.2, 0.3, 0.5]
        known = placed_on(self.FEATURES, self.TRUTH, [0, 1, 2], 3)
        placed = placing.Placed(view_of(self.FEATURES, known, 3, p))
        order = [placed.groups[own][0] for own in placed.likeliest_first(4)]
        assert order == [2, 1, 0]
        assert [placed.groups[own][0] for own in placed.nearest_first(4)] == [1, 0, 2]


def normal(seed, n=40, clusters=3):
    """Points of overlapping groups, and the groups."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(clusters), rng.integers(clusters, size=n - clusters)])
    centres = 3 * rng.normal(size=(clusters, 2))
    return (centres[truth] + rng.normal(size=(n, 2))).astype(np.float32), truth


def images_of(name, view, count, **words):
    """The images that a strategy gives, when each is placed as it comes."""
    strategy, placed, found = Choice.of(name, **words).make(), placing.Placed(view), []
    for image in strategy.images(view, placed, count):
        placed.free[image] = False
        found.append(int(image))
    return found


def apart(features, i, j):
    return math.dist(features[i].tolist(), features[j].tolist())


seeds = st.integers(0, 999)
few = settings(max_examples=15)


@few
@given(seeds)
def test_minmax_is_farthest_first(seed):
    features, truth = normal(seed)
    known = placed_on(features, truth, [0, 1, 2, 7], 3)
    seen, expected = [0, 1, 2, 7], []
    for _ in range(6):
        left = [i for i in range(40) if i not in seen]
        far = max(left, key=lambda i: min(apart(features, i, j) for j in seen))
        seen.append(far)
        expected.append(far)
    assert images_of("minmax", view_of(features, known, 3), 6) == expected


@few
@given(seeds)
def test_the_first_of_all_is_the_most_central(seed):
    features, _ = normal(seed)
    found = images_of("minmax", view_of(features, Known(Constraints(40), 99), 3), 2)
    centre = features.mean(0)
    assert found[0] == min(range(40), key=lambda i: math.dist(features[i].tolist(), centre.tolist()))
    assert found[1] == max(range(40), key=lambda i: apart(features, i, found[0]))


def test_explore_goes_far_until_every_cluster_is_found_and_then_anywhere():
    features, truth = normal(3)
    far = images_of("minmax", view_of(features, Known(Constraints(40), 99), 3), 40)
    known = Known(Constraints(40), 99)
    view = view_of(features, known, 3)
    strategy, placed, order = Choice.of("explore").make(), placing.Placed(view), []
    for image in strategy.images(view, placed, 20):
        order.append((image, placed.complete))
        asked(placed.place(image, placed.nearest_first(image)), known, truth)
    explored = [image for image, complete in order if not complete]
    consolidated = [image for image, complete in order if complete]
    assert explored == far[: len(explored)] and len({int(truth[image]) for image in explored}) == 3
    assert len(order) == len({image for image, _ in order}) == 20
    assert consolidated != far[len(explored) : 20]


@few
@given(seeds)
def test_coverage_takes_the_largest_gain_after_those_before(seed):
    features, truth = normal(seed)
    known = placed_on(features, truth, [0, 1, 2], 3)
    near = [min(apart(features, i, j) for j in (0, 1, 2)) for i in range(40)]
    left, gains = list(range(3, 40)), []
    for image in images_of("coverage", view_of(features, known, 3), 5):
        gain = {i: sum(max(0, near[j] - apart(features, i, j)) for j in range(40)) for i in left}
        gains.append((gain[image], max(gain.values())))
        near = [min(near[j], apart(features, image, j)) for j in range(40)]
        left.remove(image)
    assert all(own == pytest.approx(best, rel=1e-5) for own, best in gains)


@few
@given(seeds)
def test_npu_is_uncertainty_over_expected_questions(seed):
    """p from a forest grown by hand, tree by tree and pair by pair."""
    features, truth = normal(seed)
    images = list(range(8))
    known = placed_on(features, truth, images, 3)
    view = view_of(features, known, 3)
    groups = view.neighbourhoods.members()
    forest = RandomForestClassifier(10, random_state=int(view.rng("npu").integers(2**32)))
    leaves = forest.fit(features[view.neighbourhoods.images], view.neighbourhoods.which).apply(features)

    def worth(i):
        alike = [np.mean([(leaves[i] == leaves[j]).mean() for j in group]) for group in groups]
        p = sorted((float(value) / sum(alike) for value in alike), reverse=True)
        entropy = -sum(x * math.log(x) for x in p if x > 0)
        return entropy / sum(rank * x for rank, x in enumerate(p, start=1))

    found = images_of("npu", view, 5, trees=10)
    best = sorted((worth(i) for i in range(40) if i not in images), reverse=True)[:5]
    assert [worth(i) for i in found] == pytest.approx(best, abs=1e-9)


@few
@given(seeds)
def test_typical_is_the_densest_image_of_the_largest_groups_without_any(seed):
    features, truth = normal(seed)
    known = placed_on(features, truth, [0, 1, 2], 3)
    view = view_of(features, known, 3)
    group = placing.groups_of(features, 3 + 4, view.rng("typical"))
    free = [own for own in range(7) if not set(np.flatnonzero(group == own)) & {0, 1, 2}]
    expected = {}
    for own in free:
        members = np.flatnonzero(group == own).tolist()

        def sparse(i, members=members):
            near = sorted(apart(features, i, j) for j in members if j != i)[:5]
            return sum(near) / len(near)

        expected[own] = members[0] if len(members) < 3 else min(members, key=sparse)
    found = images_of("typical", view, 4, neighbours=5)
    sizes = [int((group == group[image]).sum()) for image in found]
    assert sizes == sorted((int((group == own).sum()) for own in free), reverse=True)[:4]
    assert all(image == expected[int(group[image])] for image in found)


@few
@given(seeds)
def test_margin_takes_one_of_each_group_of_the_least_sure(seed):
    features, truth = normal(seed)
    p = np.random.default_rng(seed).dirichlet(np.ones(3), 40).astype(np.float32)
    known = placed_on(features, truth, [0, 1, 2, 3], 3)
    view = view_of(features, known, 3, p)
    margin = {i: sorted(p[i].tolist())[-1] - sorted(p[i].tolist())[-2] for i in range(4, 40)}
    least = sorted(margin, key=margin.get)[: 5 * 4]
    group = placing.groups_of(features[least], 4, view.rng("margin"))
    expected = [next(i for i, own in zip(least, group, strict=True) if own == wanted) for wanted in range(4)]
    found = images_of("margin", view, 4, typical=1)
    assert sorted(found, key=margin.get) == found
    assert set(found) == set(expected)


def test_margin_begins_with_typical_images():
    """As long as not enough are placed, whatever the learner would say."""
    features, truth = normal(0)
    known = placed_on(features, truth, [0, 1, 2], 3)
    view = view_of(features, known, 3)
    assert images_of("margin", view, 4, typical=2) == images_of("typical", view, 4)


@few
@given(seeds, st.sampled_from(["explore", "minmax", "npu", "typical", "margin", "coverage"]))
def test_a_round_places_as_many_images_as_it_is_told(seed, name):
    """From nothing: one image more, since the first takes no question; all of them end in their own cluster."""
    features, truth = normal(seed)
    known = Known(Constraints(40), 999)
    view = view_of(features, known, 3, np.full((40, 3), 1 / 3, np.float32))
    questions = asked(Choice.of(name).make().select(view, 6), known, truth)
    assert len({image for _, image, _ in questions}) == 6
    assert all(rank <= 2 or rank == 3 for _, _, rank in questions)
    after = view_of(features, known, 3).neighbourhoods
    assert len(after.images) <= 7
    for group in after.members():
        assert len({int(truth[image]) for image in group}) == 1


def carefully(features, truth, count, **settings):
    """The questions of a round of careful placing, with how many images had been asked about before each."""
    known = Known(Constraints(len(features), closure="none"), 999)
    strategy = Choice.of("careful", **settings).make()
    found = []
    for i, j, terms in strategy.select(view_of(features, known, int(truth.max()) + 1), count):
        before = {image for answer in known.answers for image in (answer.i, answer.j)}
        found.append((len(before), i, j, *terms))
        tell(known, i, j, bool(truth[i] == truth[j]))
    return found, known.answers


@pytest.mark.parametrize("seed", range(5))
def test_careful_takes_one_answer_for_enough_until_there_are_images_to_spend_more_on(seed):
    features, truth = normal(seed, n=60)
    late, answers = carefully(features, truth, 30, need=2, need_from=5)
    once, _ = carefully(features, truth, 30, need=1)
    many = next(n for n, (images, *_) in enumerate(late) if images >= 5 * 3)
    assert late[: many - 1] == once[: many - 1] and late != once
    assert sum("doubt" in question for question in late) > sum("doubt" in question for question in once)
    assert settled(answers, 3).doubtful(2) is None
    assert carefully(features, truth, 30, need=2, need_from=0)[0][:many] != late[:many]
