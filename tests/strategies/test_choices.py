"""A strategy by its name, and what the ones that see all images are shown."""

from itertools import product
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcl import registry
from pcl.constraints import Constraints
from pcl.errors import UserError
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
    constraints, unsure = Constraints(6, closure="full" if closed else "none"), set()
    for (i, j), same in answers.items():
        if constraints.relation(i, j) is None:
            constraints.add(i, j, same)
            unsure |= {(i, j)} if same is None else set()
    none = SimpleNamespace()
    view = FeatureView(none, none, constraints, frozenset(unsure), 1.0, none)
    for i, j in product(range(6), repeat=2):
        known = i == j or (i, j) in unsure or (j, i) in unsure or constraints.relation(i, j) is not None
        assert view.open(i, j) is not known


class Nearest(base.Strategy[FeatureView]):
    """The nearest pair of images about which nothing is known: what the contract below is tried on, at least."""

    version = 1
    sees = "features"

    def select(self, view, count):
        distances = torch.cdist(view.features, view.features)
        pairs = sorted((distances[i, j].item(), i, j) for j in range(len(distances)) for i in range(j))
        return [(i, j, {"distance": d}) for d, i, j in pairs if view.open(i, j)][:count]


OF_FEATURES = {name: registry.get("pcl.strategies", "Strategy", name) for name in NAMES}
OF_FEATURES = {"nearest": Nearest} | {name: kind for name, kind in OF_FEATURES.items() if kind.sees == "features"}


@pytest.mark.parametrize("kind", OF_FEATURES.values(), ids=OF_FEATURES)
@pytest.mark.parametrize("count", [1, 4, 1000])
@given(seed=st.integers(0, 99))
def test_a_strategy_that_sees_features_selects_open_pairs_each_once_and_the_same_ones_again(kind, count, seed):
    g = torch.Generator().manual_seed(seed)
    features, p = torch.randn(12, 3, generator=g), torch.softmax(torch.randn(12, 2, generator=g), 1)
    truth = torch.randint(2, (12,), generator=g).tolist()
    known = [sorted(torch.randperm(12, generator=g)[:2].tolist()) for _ in range(seed % 9)]
    constraints = Constraints.fold(12, [(i, j, truth[i] == truth[j]) for i, j in known])

    def selected():
        generator = torch.Generator().manual_seed(seed)
        view = FeatureView(features, p, constraints, frozenset({(0, 1)}), 0.5, generator)
        pairs = kind(kind.Settings()).select(view, count)
        assert all(view.open(i, j) and all(isinstance(x, float) for x in terms.values()) for i, j, terms in pairs)
        return pairs

    pairs = selected()
    assert len({frozenset(pair[:2]) for pair in pairs}) == len(pairs) <= count
    assert pairs == selected()
