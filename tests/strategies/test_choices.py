"""A strategy by its name, and what the ones that see all images are shown."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl import registry
from pcl.constraints import Constraints
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.neighbourhoods import distances
from pcl.oracles.log import Answer
from pcl.strategies import base, joint
from pcl.strategies.base import Choice, FeatureView

pairs = st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1])

NAMES = registry.names("pcl.strategies", "Strategy")


class TestChoice:
    @pytest.mark.parametrize("name", registry.names("pcl.strategies", "Strategy"))
    def test_holds_every_setting_and_the_version(self, name):
        strategy, choice = registry.get("pcl.strategies", "Strategy", name), Choice.of(name)
        assert choice.settings == strategy.Settings().model_dump(mode="json")
        assert (choice.name, choice.version, choice.sees) == (name, strategy.version, strategy.sees)
        assert type(choice.make()) is strategy
        assert choice.make().settings == strategy.Settings()

    def test_says_what_is_set(self):
        choice = Choice.of("joint", epsilon=0.3)
        assert choice.settings == {"form": "paper", "epsilon": 0.3}
        assert choice.make().settings == joint.Strategy.Settings(epsilon=0.3)
        assert choice != Choice.of("joint") == Choice.of("joint", epsilon=0.2)

    @pytest.mark.parametrize(
        ("name", "settings", "message"),
        [
            ("joint", {"epsilom": 1}, "strategy joint: epsilom: unknown key .*did you mean 'epsilon'"),
            ("hard", {"epsilon": 1}, "strategy hard: epsilon: unknown key"),
            ("uncertainty", {"form": "printed"}, "strategy uncertainty: form: "),
            ("jiont", {}, "no such 'jiont'; did you mean 'joint'"),
        ],
    )
    def test_refuses_what_there_is_not(self, name, settings, message):
        with pytest.raises(UserError, match=message):
            Choice.of(name, **settings)

    @pytest.mark.parametrize("value", [None, 3, ["joint"], {"epsilon": 0.3}, {"name": 3}])
    def test_what_names_no_strategy_is_left_to_the_type(self, value):
        assert base.choose(value) is value

    def test_settings_of_some_or_all(self):
        assert base.settings_of(["hard"]) == {"form"}
        assert base.settings_of(["random", "uncertainty"]) == {"form", "epsilon"}
        assert base.settings_of() >= {"form", "epsilon"}


@given(st.dictionaries(pairs, st.sampled_from([True, False, None]), max_size=10), st.booleans())
def test_a_question_is_about_two_images_of_which_nothing_is_known(answers, closed):
    known, said = Known(Constraints(6, closure="full" if closed else "none"), 99), Constraints(6)
    for (i, j), same in answers.items():
        if said.relation(i, j) is None:
            said.add(i, j, same)
            known.record(Answer(len(known.answers) + 1, i, j, same, 0, 0, "", {}))
    view = view_of(np.zeros((6, 1), np.float32), known, 0)
    for i, j in product(range(6), repeat=2):
        settled = i == j or tuple(sorted((i, j))) in known.unsure or said.relation(i, j) is not None
        assert view.open(i, j) is not settled


def view_of(features, known, seed, clusters=2):
    p = np.random.default_rng(seed).dirichlet(np.ones(clusters), len(features)).astype(np.float32)
    return FeatureView(features, clusters, known, seed, 0, lambda: p)


class Nearest(base.Strategy[FeatureView]):
    """The nearest pair of images about which nothing is known: what the contract below is tried on, at least."""

    version = 1
    sees = "features"

    def select(self, view, count):
        apart = distances(view.features, view.features)
        pairs = sorted((float(apart[i, j]), i, j) for j in range(len(apart)) for i in range(j))
        return [(i, j, {"distance": d}) for d, i, j in pairs if view.open(i, j)][:count]


OF_FEATURES = {name: registry.get("pcl.strategies", "Strategy", name) for name in NAMES}
OF_FEATURES = {"nearest": Nearest} | {
    name: kind for name, kind in OF_FEATURES.items() if kind.sees in ("features", "network")
}


@pytest.mark.parametrize("kind", OF_FEATURES.values(), ids=OF_FEATURES)
@pytest.mark.parametrize("count", [1, 4, 1000])
@given(seed=st.integers(0, 99), unsure=st.booleans())
@settings(max_examples=10)
def test_a_strategy_that_sees_features_selects_open_pairs_and_the_same_ones_again(kind, count, seed, unsure):
    """Answered as they come, "not sure" now and then: whatever it selects, nothing was known about the pair."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(30, 3)).astype(np.float32)
    truth = rng.integers(3, size=30)

    def asked():
        known = Known(Constraints(30), 60)
        for i, j in ((0, 1), (2, 5), (3, 4))[: seed % 4]:
            known.record(Answer(len(known.answers) + 1, i, j, bool(truth[i] == truth[j]), 0, 0, "", {}))
        view, found = view_of(features, known, seed, clusters=3), []
        for i, j, terms in kind(kind.Settings()).select(view, count):
            if known.remaining == 0:
                break
            answered = not known.open(*sorted((int(i), int(j))))
            assert not answered or kind is Nearest, "a list may hold what an answer to an earlier one implies"
            assert all(isinstance(x, float) for x in terms.values())
            found.append((int(i), int(j)))
            if not answered:
                same = None if unsure and (i + j) % 5 == 0 else bool(truth[i] == truth[j])
                known.record(Answer(len(known.answers) + 1, *sorted((int(i), int(j))), same, 0, 0, "", {}))
        return found

    found = asked()
    assert found and len({frozenset(pair) for pair in found}) == len(found)
    assert found == asked()
