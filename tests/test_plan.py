"""A path says everything its content depends on, and nothing else."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl import config, orientations
from pcl.errors import UserError
from pcl.oracles.log import Answer, dump
from pcl.plan import ANY, Plan, Plans

ARMS = ("kmeans", "kmeans-cc", "cc", "dcc", "pcl", "pcl-no-attention", "pcl-random", "pcl-uncertainty", "pcl-hard")
PCL = tuple(arm for arm in ARMS if arm.startswith("pcl"))
NETWORKS = ("kmeans-cc", "cc", "dcc", *PCL)  # k-means on CC's features depends on what CC depends on
SUPERVISED = ("dcc", *PCL)


@pytest.fixture(scope="module")
def content(tiny_config):
    return tiny_config.model_dump()


def edited(content, edit=lambda c: None):
    """The plan of params.yaml after an edit."""
    changed = deepcopy(content)
    edit(changed)
    return Plan(config.validate(config.Config, changed, "params.yaml"))


def paths(plan, task="digits10-2", orientation="personalized", seed=0):
    """Every arm's run folder."""
    return {arm: plan.run(task, orientation, arm, seed).path for arm in ARMS}


def moved(content, edit):
    """The arms whose run folders an edit changes."""
    before, after = paths(edited(content)), paths(edited(content, edit))
    return {arm for arm in ARMS if before[arm] != after[arm]}


def of_study(**changes):
    return lambda c: c["studies"]["tiny"].update(changes)


def training(**changes):
    return lambda c: c["studies"]["tiny"]["training"].update(changes)


def method(name, **changes):
    return lambda c: c["studies"]["tiny"]["methods"].setdefault(name, {}).update(changes)


def arm(name, **changes):
    return lambda c: c["arms"][name].update(changes)


class TestKeys:
    @pytest.mark.parametrize(
        ("edit", "concerned"),
        [
            (training(lr=2e-3), NETWORKS),
            (training(image_size=16), NETWORKS),
            (training(backbone={"depth": 10, "width": 8, "stem": "small"}), NETWORKS),
            (training(augmentation={"flip": 0.5, "mean": [0.3], "std": [0.35]}), NETWORKS),
            (training(features=64), ("kmeans-cc", "cc", *PCL)),
            (training(starts=3), ("kmeans", "kmeans-cc")),
            (training(kernel_power=2), ("dcc",)),
            (method("kmeans", starts=3), ("kmeans", "kmeans-cc")),
            (method("cc", column_temperature=0.5), ("kmeans-cc", "cc")),
            (method("dcc", must_weight=1.0), ("dcc",)),
            (method("pcl", warmup_epochs=2), PCL),
            (method("pcl", query={"epsilon": 0.3}), PCL),
            (method("pcl", strategy="random"), ("pcl", "pcl-no-attention")),
            (arm("pcl", settings={"parity": True}), ("pcl",)),
            (arm("pcl", preset="paper"), ("pcl",)),
            (arm("pcl-hard", oracle={"name": "noisy", "settings": {"flip": 0.1}}), ("pcl-hard",)),
            (arm("kmeans-cc", source=None), ("kmeans-cc",)),
        ],
    )
    def test_a_setting_moves_exactly_the_arms_that_depend_on_it(self, content, edit, concerned):
        assert moved(content, edit) == set(concerned)

    @pytest.mark.parametrize(
        "edit",
        [
            of_study(device="auto"),
            of_study(resources={"threads": 8, "mem_mb": 9000, "runtime": 1, "gpu": 1}),
            of_study(title="Another title"),
            of_study(curve=[25]),
            of_study(seeds=[5]),
            of_study(tasks=["digits10-2"], budgets={"digits10-2": 30}),
            arm("pcl", label="Another label"),
            method("kmeans", starts=20),
            method("pcl", features=128),
            lambda c: c["arms"].update(more={"method": "pcl", "label": "more"}),
            lambda c: c["tables"].pop("table5"),
        ],
    )
    def test_what_no_number_depends_on_moves_nothing(self, content, edit):
        """Words, machines, what else is in the file, and values that are the defaults anyway."""
        assert moved(content, edit) == set()

    @settings(max_examples=20, deadline=None)
    @given(data=st.data())
    def test_every_setting_of_every_arm_is_in_its_key(self, content, data):
        """Whatever number or switch is changed, the run moves, and with it nothing else."""
        name = data.draw(st.sampled_from(SUPERVISED))
        current = edited(content).settings(name)
        fields = [
            field
            for field, value in current.model_dump().items()
            if type(value) in (int, float, bool) and field not in ("image_size", "kernel_power", "heads")
        ]
        field = data.draw(st.sampled_from(fields))
        value = getattr(current, field)
        other = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value / 2 + 0.01
        if field == "parity":
            assert current.closure == "full"

        def edit(c):
            c["arms"][name]["settings"][field] = other

        assert moved(content, edit) == {name}

    def test_the_seed_stays_outside_the_key(self, content):
        plan = edited(content)
        first, second = (plan.run("digits10-4", "default", "pcl", seed) for seed in (0, 7))
        assert first.key == second.key
        assert (first.path.name, second.path.name) == ("seed0", "seed7")
        assert first.path.parent == second.path.parent

    def test_the_path_names_the_run(self, content):
        run = edited(content).run("digits10-4", "default", "pcl", 3)
        place = f"results/runs/digits10-4/default/pcl/q30/{run.key}/seed3"
        assert run.path == Path(place)
        assert len(run.key) == 8
        assert int(run.key, 16) >= 0

    def test_the_budget_is_in_path_and_key(self, content):
        """DCC and the weights of PCL's query scores depend on the whole budget, not on what was spent."""
        plan = edited(content)
        for name in SUPERVISED:
            few, many = (plan.run("digits10-2", "default", name, 0, budget) for budget in (20, 30))
            assert few.key != many.key
            assert (few.path.parts[5], many.path.parts[5]) == ("q20", "q30")
            assert plan.run("digits10-2", "default", name, 0).path == many.path, "the study's budget by default"

    def test_a_raised_version_moves_the_method(self, content, monkeypatch):
        from pcl.methods import cc

        before = paths(edited(content))
        monkeypatch.setattr(cc.Method, "version", cc.Method.version + 1)
        after = paths(edited(content))
        assert {name for name in ARMS if before[name] != after[name]} == {"cc", "kmeans-cc"}

    def test_other_data_move_everything(self, content, monkeypatch):
        from pcl.datasets import digits10

        def pretrained(plan):
            return {plan.run("digits10-2", "default", name, 0).pretraining.path for name in ("pcl", "dcc")}

        before = edited(content)
        folders = {*paths(before).values(), *pretrained(before)}
        monkeypatch.setattr(digits10.Dataset, "version", digits10.Dataset.version + 1)
        after = edited(content)
        assert not folders & {*paths(after).values(), *pretrained(after)}

    def test_the_key_covers_what_is_recorded(self, content):
        """The spec goes into metrics.json and comes back unchanged."""
        plan = edited(content)
        for name in ARMS:
            run = plan.run("digits10-2", "default", name, 0)
            assert json.loads(json.dumps(run.spec, allow_nan=False)) == run.spec


class TestOrientations:
    @pytest.fixture
    def with_edited_map(self, content, tmp_path, monkeypatch):
        """A plan under whose personalized orientation of digits10-2 one digit has changed sides."""
        for source in orientations.FOLDER.glob("*.yaml"):
            (tmp_path / source.name).write_text(source.read_text())
        maps = config.read_yaml(tmp_path / "digits10-2.yaml")
        one, other = maps["personalized"].values()
        other.append(one.pop())
        (tmp_path / "digits10-2.yaml").write_text(json.dumps(maps))
        monkeypatch.setattr(orientations, "FOLDER", tmp_path)
        return edited(content)

    def places(self, plan, name):
        run = plan.run("digits10-2", name, "pcl", 0)
        return plan.target("digits10-2", name).path, run.path, run.pretraining.path

    def test_an_edited_map_moves_targets_runs_and_pretraining(self, content, with_edited_map, monkeypatch):
        after = {name: self.places(with_edited_map, name) for name in ("default", "personalized")}
        unsupervised = with_edited_map.run("digits10-2", ANY, "cc", 0).path
        monkeypatch.undo()
        before = edited(content)
        assert after["default"] == self.places(before, "default")
        assert not set(after["personalized"]) & set(self.places(before, "personalized"))
        assert unsupervised != before.run("digits10-2", ANY, "cc", 0).path, "it is scored in this orientation"

    @pytest.mark.parametrize("name", ["kmeans", "kmeans-cc", "cc"])
    def test_unsupervised_runs_are_shared_by_orientations_and_budgets(self, content, name):
        plan = edited(content)
        default, personalized = (plan.run("digits10-2", o, name, 0, 5) for o in ("default", "personalized"))
        assert default is personalized
        assert default.path.parts[3:6] == (ANY, name, "q0")
        assert default.targets.keys() == {"default", "personalized"}

    @pytest.mark.parametrize("name", SUPERVISED)
    def test_supervised_runs_are_not(self, content, name):
        plan = edited(content)
        default, personalized = (plan.run("digits10-2", o, name, 0) for o in ("default", "personalized"))
        assert default.key != personalized.key
        assert default.targets.keys() == {"default"}

    def test_a_task_whose_clusters_are_not_those_of_the_map(self, content):
        plan = edited(content, lambda c: c["tasks"]["digits10-2"].update(clusters=3))
        message = r"digits10-2\.yaml: default:\n.*2 clusters \(.+\), but the task has 3"
        with pytest.raises(UserError, match=message):
            plan.run("digits10-2", "default", "pcl", 0)
        with pytest.raises(UserError, match="but the task has 3"):
            plan.check()

    def test_a_task_without_orientations(self, content):
        plan = edited(content, lambda c: c["tasks"].update({"digits10-3": {"dataset": "digits10", "clusters": 3}}))
        with pytest.raises(UserError, match=r"tasks\.digits10-3: has no file in .*; did you mean 'digits10-\d'"):
            plan.run("digits10-3", ANY, "cc", 0)


class TestPretraining:
    def folder(self, plan, name="pcl", task="digits10-2", orientation="default", budget=None, seed=0):
        return plan.run(task, orientation, name, seed, budget).pretraining.path

    def test_is_shared_by_the_strategies_and_by_budgets(self, content):
        plan = edited(content)
        folder = self.folder(plan)
        for name in ("pcl-random", "pcl-uncertainty", "pcl-hard"):
            assert self.folder(plan, name) == folder
        assert self.folder(plan, budget=20) == folder

    @pytest.mark.parametrize(
        "other",
        [
            {"name": "pcl-no-attention"},
            {"orientation": "personalized"},
            {"task": "digits10-4"},
            {"seed": 1},
            {"name": "pcl-paper"},
            {"name": "pcl-release"},
        ],
    )
    def test_is_not_shared_where_it_would_differ(self, content, other):
        plan = edited(content)
        assert self.folder(plan, **other) != self.folder(plan)

    def test_depends_on_what_it_trains_with_and_not_on_what_comes_later(self, content):
        before = self.folder(edited(content))
        for earlier in (
            training(lr=2e-3),
            method("pcl", initial_questions=9),
            method("pcl", warmup_epochs=2),
            arm("pcl", oracle={"name": "noisy", "settings": {"flip": 0.1}}),
        ):
            assert self.folder(edited(content, earlier)) != before
        for later in (training(epochs=9), method("pcl", strategy="hard"), method("pcl", query={"epsilon": 0.3})):
            assert self.folder(edited(content, later)) == before

    def test_without_first_questions_serves_every_orientation_and_oracle(self, content):
        silent = {"settings": {"initial_questions": 0}}
        plan = edited(content, arm("pcl", **silent))
        one, other = (self.folder(plan, orientation=name) for name in ("default", "personalized"))
        noisy = arm("pcl", oracle={"name": "noisy", "settings": {"flip": 0.1}}, **silent)
        assert one == other == self.folder(edited(content, noisy))
        assert one.parts[3] == ANY

    def test_an_autoencoder_is_shared_by_both_tasks_of_a_data_set(self, content):
        plan = edited(content)
        places = {
            self.folder(plan, "dcc", task, orientation, budget)
            for task in ("digits10-2", "digits10-4")
            for orientation in ("default", "personalized")
            for budget in (20, 30)
        }
        assert len(places) == 1
        assert places.pop().parts[:5] == ("results", "pretrain", "digits10", ANY, "dcc")

    def test_methods_that_train_in_one_go_have_none(self, content):
        plan = edited(content, method("dcc", autoencoder=False))
        for name in ("cc", "kmeans", "kmeans-cc", "dcc"):
            assert plan.run("digits10-2", "default", name, 0).pretraining is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("place", "message"),
        [
            (("digits10-3", "default", "pcl"), "task: no such task 'digits10-3'; did you mean 'digits10-"),
            (("digits10-2", "defualt", "pcl"), "no orientation 'defualt'; did you mean 'default'"),
            (("digits10-2", "any", "pcl"), "no orientation 'any'; known: default, personalized"),
            (("digits10-2", "default", "plc"), "arm: no such arm 'plc'; did you mean 'pcl"),
            (("cifar10-2", "default", "pcl"), "studies.tiny.budgets: no budget for task 'cifar10-2'; give --budget"),
        ],
    )
    def test_an_unknown_place(self, content, place, message):
        with pytest.raises(UserError, match=message):
            edited(content).run(*place, 0)

    def test_unknown_names_of_tasks_and_reports(self, content):
        plan = edited(content)
        with pytest.raises(UserError, match="no such task 'digits10'; did you mean"):
            plan.data("digits10")
        with pytest.raises(UserError, match="no such task 'digits10'; did you mean"):
            plan.target("digits10", "default")
        with pytest.raises(UserError, match="report: no such table or figure 'tabel3'; did you mean 'table3'"):
            plan.runs("tabel3")

    @pytest.mark.parametrize("budget", [0, 7])
    def test_a_budget_that_does_not_cover_the_first_questions(self, content, budget):
        message = rf"budget: {budget} questions for arm pcl on digits10-2, but it asks 8 before its first step"
        with pytest.raises(UserError, match=message):
            edited(content).run("digits10-2", "default", "pcl", 0, budget)

    def test_a_study_with_such_a_budget_is_refused_as_a_whole(self, content):
        with pytest.raises(UserError, match="budget: 3 questions for arm pcl"):
            edited(content, of_study(curve=[3, 30])).check()


class TestReports:
    def test_a_table_has_a_run_per_task_arm_and_seed(self, content):
        plan = edited(content)
        found = [(run.task, run.arm, run.seed) for run in plan.runs("table3")]
        rows = ("kmeans", "kmeans-cc", "cc", "dcc", "pcl")
        expected = [(t, a, s) for t in ("digits10-2", "digits10-4") for a in rows for s in (0, 1)]
        assert found == expected

    def test_a_curve_has_a_run_per_arm_budget_and_seed(self, content):
        runs = edited(content).runs("fig4")
        assert {run.task for run in runs} == {"digits10-2"}
        expected = [(a, q, s) for a in ("pcl", "pcl-random", "dcc") for q in (20, 30) for s in (0, 1)]
        assert [(run.arm, run.budget, run.seed) for run in runs] == expected

    def test_a_projection_has_one_run_per_orientation(self, content):
        runs = edited(content).runs("fig5")
        assert [(run.orientation, run.seed) for run in runs] == [("default", 0), ("personalized", 0)]

    def test_runs_that_reports_share_are_listed_once(self, content):
        plan = edited(content)
        listed = [run.path for run in plan.all_runs()]
        assert len(listed) == len(set(listed))
        assert set(listed) == {run.path for report in plan.reports for run in plan.runs(report)}


class TestFromPathToRun:
    """What Snakemake asks: which run leaves this folder?"""

    def test_every_run_and_pretraining_is_found_again(self, tiny_config):
        plans = Plans(tiny_config)
        for run in plans.selected.all_runs():
            _, _, task, orientation, name, budget, key, seed = run.path.parts
            again = plans.run(task, orientation, name, int(budget[1:]), key, int(seed[4:]))
            assert again.path == run.path
            if run.pretraining is not None:
                _, _, scope, orientation, name, key, seed = run.pretraining.path.parts
                again = plans.pretraining(scope, orientation, name, key, int(seed[4:]))
                assert again.pretraining.path == run.pretraining.path

    def test_a_folder_of_other_settings_says_what_there_is_now(self, tiny_config):
        plans = Plans(tiny_config)
        run = plans.selected.run("digits10-2", "default", "pcl", 0)
        with pytest.raises(UserError, match=rf"(?s)00000000/seed0: no run .*study tiny has {run.path}"):
            plans.run("digits10-2", "default", "pcl", 30, "00000000", 0)
        with pytest.raises(UserError, match=rf"study tiny has {run.pretraining.path}"):
            plans.pretraining("digits10-2", "default", "pcl", "00000000", 0)

    def test_the_task_of_a_data_set(self, tiny_config):
        plans = Plans(tiny_config)
        assert plans.task_of("digits10") == "digits10-2"
        with pytest.raises(UserError, match="tasks: none is of the data set 'digits'; did you mean 'digits10'"):
            plans.task_of("digits")


class TestReplayedLogs:
    """An arm may take its answers from a log; its numbers then depend on what the log says."""

    @pytest.fixture
    def replaying(self, content, tmp_path):
        for seed in (0, 1):
            self.write(tmp_path, seed, same=True)
        settings = {"log": f"{tmp_path}/{{task}}-{{orientation}}-{{seed}}.jsonl"}
        return edited(content, arm("pcl-random", oracle={"name": "replay", "settings": settings}))

    def write(self, folder, seed, same):
        text = dump([Answer(1, 0, 1, same, 0, 0, "train", {})])
        (folder / f"digits10-2-default-{seed}.jsonl").write_text(text)

    def test_place_and_seed_are_filled_in(self, replaying, tmp_path):
        run = replaying.run("digits10-2", "default", "pcl-random", 1)
        assert run.oracle.settings == {"log": f"{tmp_path}/digits10-2-default-1.jsonl"}

    def test_the_content_of_the_log_is_in_the_key_and_its_place_is_not(self, content, replaying, tmp_path):
        def key():
            return edited(replaying.config.model_dump()).run("digits10-2", "default", "pcl-random", 0).key

        before = key()
        assert str(tmp_path) not in json.dumps(replaying.run("digits10-2", "default", "pcl-random", 0).spec)
        self.write(tmp_path, 1, same=False)
        assert key() == before, "the log of another seed"
        self.write(tmp_path, 0, same=False)
        assert key() != before

    def test_a_missing_log_is_named_and_concerns_no_other_arm(self, replaying):
        with pytest.raises(UserError, match=r"digits10-2-default-9\.jsonl: cannot be read"):
            _ = replaying.run("digits10-2", "default", "pcl-random", 9).path
        plans = Plans(replaying.config)
        _, _, scope, orientation, name, key, _ = replaying.run(
            "digits10-2", "default", "pcl", 9
        ).pretraining.path.parts
        assert plans.pretraining(scope, orientation, name, key, 9).arm == "pcl"
