"""A strategy by its name, and what the ones that see all images are shown."""

from itertools import product
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl import registry
from pcl.constraints import Constraints
from pcl.errors import UserError
from pcl.strategies import base, joint
from pcl.strategies.base import Choice, FeatureView

pairs = st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1])


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
