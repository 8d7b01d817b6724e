"""Two arms of one method, and each with every single setting of the other's."""

from itertools import pairwise, permutations
from pathlib import Path

import pytest

from pcl import config, switches
from pcl.errors import UserError
from pcl.plan import Plan

PARAMS = Path(__file__).parents[1] / "params.yaml"
PAIRS = [  # of settings, of settings of a strategy, of strategies, of a nested mapping that only one has
    ("pcl-paper", "pcl-release"),
    ("pcl", "pcl-release"),
    ("pcl-random", "pcl-hard"),
    ("adc", "adc-autoencoder"),
    ("spherepair", "spherepair-random"),
    ("ours-three", "ours"),
]


def changed(edit):
    """The shipped config after an edit of its content."""
    content = config.read_yaml(PARAMS)
    edit(content)
    return config.validate(config.Config, content, "params.yaml")


def of(*arms):
    return {"title": "t", "orientation": "personalized", "arms": list(arms)}


@pytest.fixture(scope="module")
def plan():
    return Plan(config.load(PARAMS))


@pytest.mark.parametrize("pair", PAIRS)
def test_flipping_one_setting_after_another_leads_from_one_arm_to_the_other(plan, pair):
    for first, second in permutations(plan.settings(arm) for arm in pair):
        names, steps = switches.differing(first, second), [first]
        assert names
        for name in names:
            steps.append(switches.flipped(steps[-1], second, name, "here"))
        assert steps[-1] == second
        for (before, after), name in zip(pairwise(steps), names, strict=True):
            assert switches.differing(before, after) == [name]


def test_what_two_arms_agree_on_is_no_switch(plan):
    one, other = plan.settings("pcl-paper"), plan.settings("pcl-release")
    found = switches.differing(one, other)
    known, there = switches.leaves(one), switches.leaves(other)
    assert "query.form" in found and "strategy" not in found and "query.epsilon" not in found
    assert set(found) == {name for name in known if known[name].value != there[name].value}
    assert switches.differing(one, one) == []


def test_a_table_has_both_arms_as_they_are_and_every_setting_by_itself(plan):
    table = plan.catalogue.tables["switches"]
    names = switches.differing(plan.settings("pcl-paper"), plan.settings("pcl-release"))
    arms = [f"+{name.replace('.', '-')}" for name in names]
    assert list(table.rows.values()) == [[a, *(f"{a}{n}" for n in arms)] for a in ("pcl-paper", "pcl-release")]
    runs = plan.runs("switches")
    assert len(runs) == 2 * (1 + len(names)) * len(plan.study.seeds) == len({(run.key, run.seed) for run in runs})
    presets = {run.path for run in plan.runs("presets") if run.task == plan.study.ablation}
    assert {run.path for run in runs if "+" not in run.arm} <= presets, "trained once for both tables"
    for run in runs:
        if "+" in run.arm:
            base = plan.settings(run.arm.partition("+")[0])
            (own,) = switches.differing(base, run.settings)
            assert run.arm.endswith(f"+{own.replace('.', '-')}")


def test_a_title_says_what_is_changed_from_what_to_what(plan):
    assert plan.title("pcl-paper+self_term") == "k = i in Eq. 1's sum: true → false"
    assert plan.title("pcl-release+initial_questions") == "random questions before pretraining: 0 → 80"
    assert plan.title("pcl") == plan.config.arms["pcl"].title


def test_it_is_made_only_when_named(plan):
    assert "switches" not in plan.reports and "switches" in plan.every_report
    assert not any("pcl-paper+" in run.arm for run in plan.all_runs())


def test_what_cannot_run_is_left_out_with_its_reason():
    """Five heads do not divide the features; without attention nobody asks."""

    def edit(content):
        content["arms"]["odd"] = {
            "method": "pcl",
            "title": "Odd",
            "settings": {"attention": False, "heads": 5},
        }
        content["switches"]["odd"] = of("odd", "pcl-paper")

    plan = Plan(changed(edit))
    plan.check()
    table = plan.catalogue.tables["odd"]
    refused = plan.refused(table)
    assert {arm for arm, _ in refused} == {"odd+attention", "pcl-paper+heads"}
    assert all("heads: 5 do not divide" in reason for reason in refused.values())
    assert {run.arm for run in plan.runs("odd")} == {"odd", "pcl-paper", "odd+heads", "pcl-paper+attention"}


def test_more_questions_than_can_be_asked_are_a_reason_too():
    def edit(content):
        content["arms"]["short"] = {"method": "pcl", "title": "Short", "settings": {"initial_questions": 260}}
        content["arms"]["short"]["settings"]["epochs"] = 1
        content["switches"]["short"] = of("short", "pcl-paper")

    plan = Plan(changed(edit))
    plan.check()
    refused = plan.refused(plan.catalogue.tables["short"])
    assert {arm for arm, _ in refused} == {"short+initial_questions", "pcl-paper+epochs"}
    assert all("it asks no more than" in reason for reason in refused.values())


def test_a_study_in_which_the_two_agree_does_not_run_it_twice():
    def edit(content):
        for arm in ("pcl-paper", "pcl-release"):
            content["arms"][arm].pop("settings", None)
        content["studies"]["paper"]["methods"]["pcl"].pop("initial_questions")

    both = changed(edit)
    demo, paper = Plan(both), Plan(both, "paper")
    table = demo.catalogue.tables["switches"]
    assert "pcl-paper+initial_questions" in table.arms, "it is one in the study paper"
    assert "have the same in study demo" in demo.refused(table)["pcl-paper+initial_questions", "digits10-4"]
    assert "pcl-paper+initial_questions" not in {run.arm for run in demo.runs("switches")}
    assert "pcl-paper+initial_questions" in {run.arm for run in paper.runs("switches")}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("pcl-paper", "pcl-relaese"), "switches.mine: no arm 'pcl-relaese'; did you mean 'pcl-release'?"),
        (("pcl", "dcc"), "switches.mine.arms: pcl and dcc differ in method; name two that do not"),
        (("ours", "ours-5"), "switches.mine.arms: ours and ours-5 differ in oracle; name two that do not"),
        (("pcl",), "switches.mine.arms: List should have at least 2 items"),
        (("pcl", "pcl"), "switches.mine.arms: given twice: pcl"),
        (("pcl", "dcc", "adc"), "switches.mine.arms: List should have at most 2 items"),
    ],
)
def test_mistakes_are_named(tmp_path, pair, message):
    content = PARAMS.read_text()
    mine = f"\n  mine: {{title: t, orientation: personalized, arms: [{', '.join(pair)}]}}\n"
    path = tmp_path / "params.yaml"
    path.write_text(content.replace("\nswitches:", f"\nswitches:{mine}#", 1))
    with pytest.raises(UserError) as error:
        config.load(path)
    assert message in str(error.value)
