"""A path says everything its content depends on, and nothing else."""

import json
import re
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl import config, orientations, registry
from pcl import seed as seeds
from pcl.errors import UserError
from pcl.oracles.log import Answer, dump
from pcl.plan import ANY, Plan, Plans

PCL = ("pcl", "pcl-no-attention", "pcl-random", "pcl-uncertainty", "pcl-hard")
EMBEDDED = ("dcc", "adc", "sdec", "dcgmm")
UNSUPERVISED = ("mice", "cc", "gcc", "spice")  # and with a network
FROZEN = ("kmeans", "kmeans-cc", "cop-kmeans", "kmeans-overwrite", "cc-overwrite")
ASKING = (*EMBEDDED, *PCL)
NETWORKS = (*UNSUPERVISED, *ASKING)
ARMS = (*FROZEN, *NETWORKS)
TAKES = {  # features, clusters or answers of others
    "kmeans-cc": {"cc"},
    "cop-kmeans": {"cc", "dcc"},
    "kmeans-overwrite": {"kmeans", "dcc"},
    "cc-overwrite": {"cc", "dcc"},
}
SUPERVISED = (*ASKING, "cop-kmeans", "kmeans-overwrite", "cc-overwrite")


NUMBERS = (int, float, bool)


def another(value):
    """Another number of the same kind."""
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value / 2 + 0.01


def following(*arms):
    """Some arms and those that take something of one of them."""
    return {*arms, *(arm for arm, taken in TAKES.items() if taken & set(arms))}


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
            (training(features=64), (*UNSUPERVISED, *PCL)),
            (training(starts=3), ("kmeans", "kmeans-cc", "cop-kmeans")),
            (training(moves=3), ("cop-kmeans", "kmeans-overwrite", "cc-overwrite")),
            (training(kernel_power=2), ("dcc",)),
            (training(autoencoder={"epochs": 2}), ("dcc", "sdec", "dcgmm")),
            (method("kmeans", starts=3), ("kmeans", "kmeans-cc")),
            (method("copkmeans", starts=3), ("cop-kmeans",)),
            (method("cc", column_temperature=0.5), ("cc",)),
            (method("dcc", must_weight=1.0), ("dcc",)),
            (method("adc", margin=2.0), ("adc",)),
            (method("pcl", warmup_epochs=2), PCL),
            (method("pcl", query={"epsilon": 0.3}), ("pcl", "pcl-no-attention", "pcl-uncertainty")),  # S_up is theirs
            (method("pcl", strategy="random"), ("pcl-no-attention",)),  # the others name theirs
            (arm("pcl", settings={"parity": True}), ("pcl",)),
            (arm("pcl", preset="paper"), ("pcl",)),
            (arm("pcl-hard", oracle={"name": "noisy", "settings": {"flip": 0.1}}), ("pcl-hard",)),
            (arm("dcc", oracle={"name": "noisy", "settings": {"flip": 0.1}}), ("dcc",)),
            (arm("kmeans-cc", features=[]), ("kmeans-cc",)),
            (arm("cop-kmeans", features=[]), ("cop-kmeans",)),
            (arm("cop-kmeans", answers="pcl"), ("cop-kmeans",)),
            (arm("cc-overwrite", source="kmeans"), ("cc-overwrite",)),
        ],
    )
    def test_a_setting_moves_exactly_the_arms_that_depend_on_it(self, content, edit, concerned):
        assert moved(content, edit) == following(*concerned)

    @pytest.mark.parametrize(
        "edit",
        [
            of_study(device="auto"),
            of_study(resources={"threads": 8, "mem_mb": 9000, "runtime": 1, "gpu": 1}),
            of_study(title="Another title"),
            of_study(curve=[25]),
            of_study(seeds=[5]),
            of_study(tasks=["digits10-2"], budgets={"digits10-2": 30}),
            arm("pcl", title="Another title"),
            arm("cop-kmeans", oracle={"name": "noisy", "settings": {"flip": 0.1}}),  # it asks no one itself
            method("kmeans", starts=20),
            method("pcl", features=128),
            lambda c: c["arms"].update(more={"method": "pcl", "title": "more"}),
            lambda c: c["tables"].pop("table5"),
        ],
    )
    def test_what_no_number_depends_on_moves_nothing(self, content, edit):
        """Words, machines, what else is in the file, and values that are the defaults anyway."""
        assert moved(content, edit) == set()

    @settings(max_examples=20)
    @given(data=st.data())
    def test_every_setting_of_every_arm_is_in_its_key(self, content, data):
        """Whatever number or switch is changed, the run moves, and with it nothing else."""
        name = data.draw(st.sampled_from(NETWORKS))
        current = edited(content).settings(name)
        fields = [
            field
            for field, value in current.model_dump().items()
            if type(value) in NUMBERS
            and field not in ("image_size", "kernel_power", "heads")
            and (field != "parity" or current.closure == "full")
        ]
        field = data.draw(st.sampled_from(fields))
        value = getattr(current, field)

        def edit(c):
            c["arms"][name]["settings"][field] = another(value)

        assert moved(content, edit) == following(name)

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
        """DCC and the weights of PCL's query scores depend on the whole budget, not on what was spent; so does what
        takes over their answers.
        """
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
        assert {name for name in ARMS if before[name] != after[name]} == following("cc")

    @pytest.mark.parametrize(("name", "concerned"), [("dcc", ("dcc",)), ("pcl", PCL), ("spice", ("spice",))])
    def test_a_raised_version_of_its_pretraining_moves_the_method_and_the_pretraining(
        self, content, monkeypatch, name, concerned
    ):
        def pretrained(plan):
            runs = {arm: plan.run("digits10-2", "personalized", arm, 0) for arm in NETWORKS}
            return {arm: run.pretraining.path for arm, run in runs.items() if run.pretraining}

        before, started = paths(edited(content)), pretrained(edited(content))
        found = registry.get("pcl.methods", "Method", name)
        shared = found.pretraining
        monkeypatch.setattr(found, "pretraining", replace(shared, version=shared.version + 1))
        after, now = paths(edited(content)), pretrained(edited(content))
        assert {arm for arm in ARMS if before[arm] != after[arm]} == following(*concerned)
        assert {arm for arm in started if started[arm] != now[arm]} == set(concerned)

    def test_other_data_move_everything(self, content, monkeypatch):
        from pcl.datasets import digits10

        def pretrained(plan):
            names = ("pcl", "dcc", "sdec", "dcgmm", "spice")
            return {plan.run("digits10-2", "default", name, 0).pretraining.path for name in names}

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

    @pytest.mark.parametrize("name", ["kmeans", "kmeans-cc", *UNSUPERVISED])
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

    @pytest.mark.parametrize(
        ("names", "folder"),
        [
            (("dcc", "sdec", "dcgmm", "adc-autoencoder", "dec", "idec", "vade"), "autoencoder"),
            (("spice",), "spice"),
            (("scan",), "scan"),
        ],
    )
    def test_one_that_needs_images_only_is_shared_by_the_tasks_of_a_data_set_and_by_methods(
        self, content, names, folder
    ):
        plan = edited(content)
        places = {
            self.folder(plan, name, task, orientation, budget)
            for name in names
            for task in ("digits10-2", "digits10-4")
            for orientation in ("default", "personalized")
            for budget in (20, 30)
        }
        assert len(places) == 1
        assert places.pop().parts[:5] == ("results", "pretrain", "digits10", ANY, folder)

    def test_an_autoencoder_depends_on_what_it_trains_with_and_not_on_what_follows(self, content):
        names = ("dcc", "sdec", "dcgmm")

        def folders(edit=lambda c: None):
            plan = edited(content, edit)
            return {self.folder(plan, name) for name in names}

        before = folders()
        for earlier in (
            {"embedding": 11},
            {"image_size": 16},
            {"backbone": {"depth": 10, "width": 8, "stem": "small"}},
            {"augmentation": {"mean": [0.4], "std": [0.35]}},
            {"autoencoder": {"epochs": 1, "corruption": 0.3}},
            {"autoencoder": {"epochs": 2}},
        ):
            after = folders(training(**earlier))
            assert len(after) == 1 and after != before, earlier
        for later in (
            {"lr": 2e-3},
            {"batch_size": 32},
            {"epochs": 9},
            {"optimizer": "rmsprop"},
            {"tolerance": 0.5},
            {"max_pairs": 7},
            {"weight_decay": 0.1},
            {"clip": 1.0},
            {"kernel_power": 2},
            {"pair_weight": 2.0},
            {"recon_scale": 2.0},
        ):
            assert folders(training(**later)) == before, later
        one = edited(content, arm("sdec", settings={"embedding": 11}))
        assert self.folder(one, "sdec") != self.folder(one, "dcc") == self.folder(one, "dcgmm")

    @pytest.mark.parametrize(
        "name", ["pcl", "spice", "scan", "dcc", "sdec", "dcgmm", "adc-autoencoder", "dec", "idec", "vade"]
    )
    def test_whatever_changes_its_stages_changes_its_folder(self, content, name):
        """A stage is all that the loop is told; a setting that it is made from must be in the path."""

        def pretraining(edit=lambda c: None):
            run = edited(content, edit).run("digits10-2", "default", name, 0)
            told = []
            for stage in run.method(run.settings, run.clusters, run.budget).stages():
                if stage.pretraining:
                    rate = stage.optimiser
                    factor = {"schedule": rate.schedule and [rate.schedule(t / 2) for t in range(8)]}
                    unused = {} if rate.name == "sgd" else {"momentum": None}
                    told.append(asdict(stage) | {"optimiser": asdict(rate) | factor | unused})
            return told, run.pretraining.path

        told, folder = pretraining()
        current = edited(content).settings(name).model_dump() | {"clip": 1.0}
        edits = {field: {field: another(value)} for field, value in current.items() if type(value) in NUMBERS}
        for field, value in (current.get("autoencoder") or {}).items():
            edits[f"autoencoder.{field}"] = {"autoencoder": {**current["autoencoder"], field: another(value)}}
        found = {}
        for field, edit in edits.items():
            if field not in ("image_size", "heads", "kernel_power", "parity"):
                found[field] = pretraining(lambda c, edit=edit: c["arms"][name]["settings"].update(edit))
        changing = {field for field, (changed, _) in found.items() if changed != told}
        assert changing, "at least how long it takes"
        assert {field for field in changing if found[field][1] == folder} == set()

    @pytest.mark.parametrize(
        "names", [("dcc", "sdec", "dcgmm", "adc-autoencoder", "dec", "idec", "vade"), ("spice",), ("scan",)]
    )
    def test_those_that_share_one_start_alike_and_are_trained_alike(self, content, names):
        """Whichever of them leaves it: the same initial weights of what is kept or trained, the same stages."""
        plan = edited(content)
        weights, stages = [], []
        for name, task in ((name, task) for name in names for task in ("digits10-2", "digits10-4")):
            run = plan.run(task, "default", name, 0)
            model = run.method(run.settings, run.clusters, run.budget)
            with seeds.global_torch(0, "weights"):
                network = model.build(1)
            parts = (*run.method.pretraining.parts, *({"instance"} & network.keys()))
            weights.append({part: network[part].state_dict() for part in parts})
            shared = [stage for stage in model.stages() if stage.pretraining]
            stages.append([replace(s, optimiser=replace(s.optimiser, momentum=0, schedule=None)) for s in shared])
        for other in weights[1:]:
            for part, state in weights[0].items():
                assert all(torch.equal(value, other[part][key]) for key, value in state.items())
        assert all(told == stages[0] for told in stages)

    def test_methods_that_train_in_one_go_have_none(self, content):
        plan = edited(content, method("dcc", autoencoder=None))
        for name in ("cc", "mice", "gcc", "adc", "dcc", *FROZEN):
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
            edited(content, of_study(budgets={"digits10-2": 3, "digits10-4": 30})).check()


class TestTakingFromOthers:
    """Arms that train nothing take features, clusters or answers of other arms."""

    def test_answers_come_from_the_same_place(self, content):
        plan = edited(content)
        run = plan.run("digits10-4", "default", "cop-kmeans", 1, 20)
        assert run.answers is plan.run("digits10-4", "default", "dcc", 1, 20)
        (features,) = run.features
        assert features.network is plan.run("digits10-4", ANY, "cc", 1) and run.source is None
        assert features.path.parts[:4] == ("results", "features", "digits10-4", "cc")
        assert run.takes_from == [run.answers, features.network]
        assert run.path.parts[2:6] == ("digits10-4", "default", "cop-kmeans", "q20")
        assert run.spec["answers"] == run.answers.key and run.spec["features"] == [features.key]
        assert run.spec["oracle"] is None, "it asks no one itself"

    def test_without_features_it_is_pixels_and_the_same_for_every_seed(self, content):
        plan = edited(content, arm("cop-kmeans", features=[]))
        first, second = (plan.run("digits10-2", "default", "cop-kmeans", seed).features[0] for seed in (0, 1))
        assert first.network is None and first.path == second.path
        assert first.path.parts[:4] == ("results", "features", "digits10", "pixels")

    def test_features_stand_side_by_side_in_their_order(self, content):
        plan = edited(content, arm("kmeans", features=["pixels", "cc"]))
        run = plan.run("digits10-2", ANY, "kmeans", 0)
        assert [own.name for own in run.features] == ["pixels", "cc"]
        other = edited(content, arm("kmeans", features=["cc", "pixels"])).run("digits10-2", ANY, "kmeans", 0)
        assert run.key != other.key

    def test_a_deep_arm_sees_features_where_its_strategy_does(self, content):
        plan = edited(content, arm("dcc", settings={"strategy": "typical"}))
        assert [own.name for own in plan.run("digits10-2", "default", "dcc", 0).features] == ["pixels"]
        with pytest.raises(UserError, match=r"^arms\.dcc\.features: dcc as it is set looks at no representation"):
            edited(content, arm("dcc", features=["pixels"])).run("digits10-2", "default", "dcc", 0)

    def test_arms_that_ask_take_nothing(self, content):
        plan = edited(content)
        for name in NETWORKS:
            run = plan.run("digits10-2", "default", name, 0)
            assert run.takes_from == [] and run.features == ()

    @pytest.mark.parametrize(
        ("name", "changes", "message"),
        [
            (
                "cop-kmeans",
                {"answers": None},
                "answers: required by copkmeans; name an arm that asks questions, or set",
            ),
            ("cc-overwrite", {"answers": None}, "answers: required by overwrite; name an arm that asks questions"),
            ("cop-kmeans", {"answers": "cc"}, "answers: cc asks no questions; name an arm that does"),
            ("cop-kmeans", {"answers": "kmeans"}, "answers: kmeans asks no questions; name an arm that does"),
            ("cop-kmeans", {"answers": "cc-overwrite"}, "answers: cc-overwrite asks no questions; name an arm"),
            ("cop-kmeans", {"answers": "cop-kmeans"}, "answers: cop-kmeans asks no questions; name an arm"),
            ("kmeans", {"answers": "dcc"}, "answers: kmeans as it is set takes over no answers; remove answers"),
            ("cc", {"answers": "dcc"}, "answers: cc as it is set takes over no answers; remove answers"),
            ("pcl", {"answers": "dcc"}, "answers: pcl as it is set takes over no answers; remove answers"),
            ("cc-overwrite", {"source": None}, "source: overwrite corrects another arm's clusters; name that arm"),
            (
                "cc-overwrite",
                {"source": "pcl"},
                "source: pcl has no clusters that can be taken; give an arm that asks no",
            ),
            ("cc-overwrite", {"source": "cc-overwrite"}, "source: cc-overwrite has no clusters that can be taken"),
            ("cop-kmeans", {"source": "cc"}, r"source: copkmeans takes no clusters; remove it \(features: names"),
            ("pcl", {"source": "cc"}, "source: pcl takes no clusters; remove it"),
        ],
    )
    def test_what_cannot_be_taken_is_refused(self, content, name, changes, message):
        plan = edited(content, arm(name, **changes))
        with pytest.raises(UserError, match=rf"^arms\.{name}\.{message}"):
            plan.run("digits10-2", "default", name, 0)

    def test_a_budget_that_the_arm_that_asks_cannot_have(self, content):
        plan = edited(content, arm("cop-kmeans", answers="pcl"))
        with pytest.raises(UserError, match="budget: 3 questions for arm pcl on digits10-2, but it asks 8 before"):
            plan.run("digits10-2", "default", "cop-kmeans", 0, 3)


class TestReports:
    def test_a_table_has_a_run_per_task_arm_and_seed(self, content):
        plan = edited(content)
        found = [(run.task, run.arm, run.seed) for run in plan.runs("table3")]
        rows = [name for names in content["tables"]["table3"]["rows"].values() for name in names]
        assert {"kmeans", "cc", "dcc", "pcl", "cop-kmeans"} <= set(rows)
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

    def test_a_data_set_by_its_name(self, tiny_config):
        content = tiny_config.model_dump()
        content["studies"]["other"] = content["studies"]["tiny"]
        plans = Plans(config.validate(config.Config, content, "params.yaml"))
        assert plans.selected.data_set("digits10") is plans.selected.data("digits10-2")
        assert plans.selected.data_set("digits10") is plans.studies["other"].data("digits10-4"), (
            "it is looked at once"
        )
        with pytest.raises(UserError, match="datasets: no such 'digits'; did you mean 'digits10'"):
            plans.selected.data_set("digits")


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


class TestBudgets:
    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (
                of_study(budgets={"digits10-2": 53, "digits10-4": 30}),
                "53 questions for arm pcl, but it asks no more than 52",
            ),
            (
                of_study(budgets={"digits10-2": 10**6, "digits10-4": 30}),
                "1000000 questions for arm pcl, but its 1408 training images make only 44352",
            ),
        ],
    )
    def test_a_budget_that_cannot_be_asked_is_known_before_anything_is_prepared(
        self, content, tmp_path, monkeypatch, edit, message
    ):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UserError, match=re.escape(message)):
            edited(content, edit).check()

    def test_one_that_can_be_asked_just_so_is_not_refused(self, content):
        edited(content, of_study(budgets={"digits10-2": 52, "digits10-4": 52}, curve=[52])).check()
