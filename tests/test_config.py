"""params.yaml: what is wrong with it is said at once, by key, with the nearest right name."""

import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pcl import config
from pcl.errors import UserError
from pcl.plan import Plan
from pcl.plan.catalogue import Catalogue

ROOT = Path(__file__).parent.parent
FULL = Path(__file__).with_name("params.full.yaml")
REAL = config.read_yaml(FULL)


@pytest.fixture
def refused(tmp_path):
    """The message about a full params.yaml after an edit."""

    def message(edit, check=config.load):
        content = deepcopy(REAL)
        edit(content)
        path = tmp_path / "params.yaml"
        YAML(typ="safe", pure=True).dump(content, path)
        with pytest.raises(UserError) as error:
            check(path)
        return str(error.value).replace(str(tmp_path), "…")

    return message


@pytest.fixture
def refused_by_plan(refused):
    """The message of a study's own check after an edit that is well-formed as such."""
    return lambda edit, study=None: refused(edit, lambda path: Plan(config.load(path), study).check())


def demo(content):
    return content["studies"]["demo"]


class TestKeysAndTypes:
    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda c: c.update(studdy="demo"), "studdy: unknown key 'studdy'; did you mean 'study'?"),
            (
                lambda c: c["tasks"]["digits10-2"].update(cluster=2),
                "tasks.digits10-2.cluster: unknown key 'cluster'; ",
            ),
            (
                lambda c: c["arms"]["pcl"].update(presets="ours"),
                "arms.pcl.presets: unknown key 'presets'; did you mean",
            ),
            (
                lambda c: c["arms"]["pcl"].update(oracle={"nmae": "truth"}),
                "arms.pcl.oracle.nmae: unknown key 'nmae'; did",
            ),
            (lambda c: demo(c).update(sedes=[1]), "studies.demo.sedes: unknown key 'sedes'; did you mean 'seeds'?"),
            (
                lambda c: demo(c)["resources"].update(mem=1),
                "studies.demo.resources.mem: unknown key 'mem'; did you mean",
            ),
            (
                lambda c: c["figures"]["fig4"].update(metric=[]),
                "figures.fig4.metric: unknown key 'metric'; did you mean",
            ),
            (
                lambda c: c["figures"]["fig5"].update(splt="x"),
                "figures.fig5.splt: unknown key 'splt'; did you mean 'split'",
            ),
            (
                lambda c: c.update(zzz=1),
                "zzz: unknown key 'zzz'; known: arms, cross, datasets, figures, figures_on_request, on_request, ",
            ),
        ],
    )
    def test_an_unknown_key_is_named_with_the_nearest_one(self, refused, edit, message):
        assert f"params.yaml: {message}" in refused(edit)

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (
                lambda c: c["tasks"]["digits10-2"].update(clusters="two"),
                "tasks.digits10-2.clusters: Input should be a valid",
            ),
            (
                lambda c: c["tasks"]["digits10-2"].update(clusters=1),
                "tasks.digits10-2.clusters: Input should be greater",
            ),
            (lambda c: demo(c).update(curve=[1, "many"]), "studies.demo.curve.1: Input should be a valid integer"),
            (
                lambda c: demo(c).update(seeds=[0, -1]),
                "studies.demo.seeds.1: Input should be greater than or equal to 0",
            ),
            (lambda c: demo(c).update(seeds=[]), "studies.demo.seeds: List should have at least 1 item"),
            (
                lambda c: demo(c).update(device="gpu"),
                "studies.demo.device: Input should be 'auto', 'cpu', 'cuda' or 'mps'",
            ),
            (lambda c: c["arms"].update(mine=None), "arms.mine: Input should be a valid dictionary"),
            (
                lambda c: c["tables"]["table2"].update(rows=["pcl"]),
                "tables.table2.rows: Input should be a valid dictionary",
            ),
            (
                lambda c: c["figures"]["fig4"].update(kind="cruve"),
                "figures.fig4.kind: no such kind 'cruve'; did you mean",
            ),
            (
                lambda c: c["figures"]["fig4"].pop("kind"),
                "figures.fig4.kind: required, but not given; known: ",
            ),
            (
                lambda c: c["figures"]["fig4"].update(arms=3),
                "figures.fig4.arms: Input should be a valid list (found 3)",
            ),
            (lambda c: c["arms"]["pcl"].pop("title"), "arms.pcl.title: required, but not given"),
        ],
    )
    def test_a_wrong_type_is_named_with_what_was_found(self, refused, edit, message):
        found = refused(edit)
        assert f"params.yaml: {message}" in found
        assert "\n" not in found, "one mistake, one line"

    def test_every_mistake_is_reported_at_once(self, refused):
        def edit(content):
            content["arms"]["pcl"]["lable"] = "PCL"
            content["tasks"]["digits10-2"]["clusters"] = "two"
            demo(content).pop("title")

        lines = refused(edit).splitlines()
        assert lines[0] == "…/params.yaml: 3 problems"
        assert [line.split(":")[0] for line in lines[1:]] == [
            "  - tasks.digits10-2.clusters",
            "  - arms.pcl.lable",
            "  - studies.demo.title",
        ]


class TestNamesThatPointToNothing:
    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda c: c.update(study="dmo"), "study: no study 'dmo'; did you mean 'demo'?"),
            (lambda c: c["arms"]["cc-overwrite"].update(source="c"), "arms.cc-overwrite.source: no arm 'c'; "),
            (
                lambda c: c["arms"]["kmeans-cc"].update(features=["c"]),
                "arms.kmeans-cc.features: no representation 'c'; ",
            ),
            (
                lambda c: c["representations"]["cc"].update(arm="ccc"),
                "representations.cc: no arm 'ccc'; did you mean 'cc'?",
            ),
            (
                lambda c: c["representations"].update(x={}),
                "representations.x.kind: required, but not given; known: efficientnet, ",
            ),
            (
                lambda c: c["representations"].update(x={"kind": "pixel"}),
                "representations.x.kind: no such kind 'pixel'; did you",
            ),
            (
                lambda c: c["representations"]["cc"].update(layers="z"),
                "representations.cc.layers: unknown key 'layers'; did you mean 'layer'?",
            ),
            (
                lambda c: c["arms"]["cop-kmeans"].update(answers="sdc"),
                "arms.cop-kmeans.answers: no arm 'sdc'; did you mean 'sdec'?",
            ),
            (
                lambda c: c["tables"]["table5"]["rows"].update(More=["plc"]),
                "tables.table5: no arm 'plc'; did you mean",
            ),
            (
                lambda c: c["figures"]["fig4"].update(arms=["pcl", "sdc"]),
                "figures.fig4: no arm 'sdc'; did you mean 'sdec'?",
            ),
            (lambda c: c["figures"]["fig5"].update(arm="sdc"), "figures.fig5: no arm 'sdc'; did you mean 'sdec'?"),
            (
                lambda c: demo(c)["budgets"].update(digits=1),
                "studies.demo.budgets: no task of the study 'digits'; did you",
            ),
            (
                lambda c: demo(c)["budgets"].pop("digits10-4"),
                "studies.demo.budgets.digits10-4: required, but not given",
            ),
            (
                lambda c: demo(c).update(ablation="cifar10-2"),
                "studies.demo.ablation: no task of the study 'cifar10-2'; kn",
            ),
            (
                lambda c: demo(c).update(projection="digits10"),
                "studies.demo.projection: no task of the study 'digits10'; ",
            ),
        ],
    )
    def test_each_is_named_with_its_key(self, refused, edit, message):
        assert refused(edit).startswith(f"…/params.yaml: {message}")

    def test_all_of_them_at_once(self, refused):
        def edit(content):
            content["study"] = "dmo"
            demo(content)["tasks"] = ["digits10-3"]

        message = refused(edit)
        assert "study: no study 'dmo'" in message
        assert "studies.demo.tasks: no task 'digits10-3'; did you mean 'digits10-" in message


class TestNames:
    """They become paths, shell words, patterns and keys of `dvc exp run -S`."""

    KINDS = ("tasks", "arms", "tables", "on_request", "cross", "switches", "figures", "studies")

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        "name", ["", "PCL (random)", "a/b", "../x", "a$(b)", "a+", ".a", "-a", "a.b", "é", "a" * 65]
    )
    def test_a_name_that_could_not_stand_in_all_of_them_is_refused(self, refused, kind, name):
        def edit(content):
            content[kind][name] = next(iter(content[kind].values()))

        message = refused(edit)
        assert f"{kind}.{name}: a name that paths are made from" in message

    def test_two_things_of_one_name_are_refused_whatever_the_letters(self, refused):
        for kind, old, new in (
            ("arms", "pcl", "PCL"),
            ("tasks", "digits10-2", "Digits10-2"),
            ("studies", "demo", "DEMO"),
        ):
            message = refused(lambda c, kind=kind, old=old, new=new: c[kind].update({new: c[kind][old]}))
            assert re.search(rf"{kind}\.({old}|{new}): another .* has this name", message)
        message = refused(lambda c: c["tables"].update(Fig4=c["tables"]["table2"]))
        assert "tables.Fig4: another table or figure has this name" in message, "it would be the same file"

    @pytest.mark.parametrize(
        ("kind", "old", "new"),
        [("tables", "table2", "index"), ("figures", "fig4", "runs"), ("studies", "fashion", "metrics")],
    )
    def test_names_of_files_and_places_beside_them_are_refused(self, refused, kind, old, new):
        assert f"{kind}.{new}: " in refused(lambda c: c[kind].update({new: c[kind].pop(old)}))


class TestLists:
    @pytest.mark.parametrize(
        ("key", "edit"),
        [
            ("studies.demo.curve", lambda c: demo(c).update(curve=[100, 100])),
            ("studies.demo.seeds", lambda c: demo(c).update(seeds=[1, 1])),
            ("studies.demo.tasks", lambda c: demo(c)["tasks"].append("digits10-2")),
            ("tables.table5.rows", lambda c: c["tables"]["table5"]["rows"].update(More=["pcl"])),
            ("cross.cross.arms", lambda c: c["cross"]["cross"]["arms"].append("dcc")),
            ("cross.cross.strategies", lambda c: c["cross"]["cross"]["strategies"].append("joint")),
            ("figures.fig4.arms", lambda c: c["figures"]["fig4"].update(arms=["pcl", "pcl"])),
            ("figures.fig4.metrics", lambda c: c["figures"]["fig4"].update(metrics=["acc", "acc"])),
            ("figures.fig4.splits", lambda c: c["figures"]["fig4"].update(splits=["test", "test"])),
            ("figures.fig5.orientations", lambda c: c["figures"]["fig5"].update(orientations=["default", "default"])),
        ],
    )
    def test_what_is_given_twice_is_refused(self, refused, key, edit):
        assert f"{key}: given twice: " in refused(edit)

    @pytest.mark.parametrize(
        ("key", "edit"),
        [
            ("studies.demo.tasks", lambda c: demo(c).update(tasks=[])),
            ("tables.table5.rows", lambda c: c["tables"]["table5"].update(rows={})),
            ("tables.table5.rows.More", lambda c: c["tables"]["table5"]["rows"].update(More=[])),
            ("cross.cross.arms", lambda c: c["cross"]["cross"].update(arms=[])),
            ("figures.fig4.arms", lambda c: c["figures"]["fig4"].update(arms=[])),
            ("figures.fig4.metrics", lambda c: c["figures"]["fig4"].update(metrics=[])),
            ("figures.fig5.orientations", lambda c: c["figures"]["fig5"].update(orientations=[])),
        ],
    )
    def test_an_empty_list_that_leaves_nothing_to_show_is_refused(self, refused, key, edit):
        assert re.search(rf"{key}: \w+ should have at least 1 item", refused(edit))


class TestYAML:
    def read(self, tmp_path, text):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return config.read_yaml(path)

    def test_numbers_and_words_are_those_of_yaml_1_2(self, tmp_path):
        content = self.read(tmp_path, "a: 1e-3\nb: no\nc: 0o10\nd: on\ne: 010\nf: true\ng: 12:30:45\n")
        assert content == {"a": 0.001, "b": "no", "c": 8, "d": "on", "e": 10, "f": True, "g": "12:30:45"}
        assert isinstance(content["a"], float)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: 1\nb: 2\na: 3\n", r"params\.yaml, line 3: not valid YAML: found duplicate key"),
            ("a:\n  b: 1\n  b: 2\n", r"params\.yaml, line 3: not valid YAML: found duplicate key"),
            ("a: [1, 2\nb: 3\n", r"params\.yaml, line 2: not valid YAML"),
            ("a: 1\n b: 2\n", r"params\.yaml, line 2: not valid YAML"),
            ("- a\n- b\n", r"params\.yaml: expected a mapping of keys to values, found list"),
            ("just words\n", r"params\.yaml: expected a mapping of keys to values, found str"),
            ("", r"params\.yaml: expected a mapping of keys to values, found NoneType"),
            ("a: !!python/object:os.system {}\n", r"params\.yaml, line 1: not valid YAML"),
            ("a: 2020-13-45\n", r"params\.yaml: not valid YAML: month must be in 1\.\.12"),
        ],
    )
    def test_what_is_no_config_says_where(self, tmp_path, text, message):
        with pytest.raises(UserError, match=message):
            self.read(tmp_path, text)

    def test_bytes_that_are_no_text(self, tmp_path):
        (tmp_path / "params.yaml").write_bytes(b"a: \xff\xfe\x00")
        with pytest.raises(UserError, match=r"params\.yaml: not valid YAML: unacceptable character"):
            config.read_yaml(tmp_path / "params.yaml")

    @pytest.mark.parametrize("name", ["missing.yaml", "."])
    def test_a_file_that_cannot_be_read_is_named(self, tmp_path, name):
        with pytest.raises(UserError, match=r": cannot be read \(.+\)"):
            config.load(tmp_path / name)


class TestArms:
    """Settings are checked by the method that takes them."""

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (
                lambda c: c["arms"]["pcl"].update(settings={"strateg": "joint"}),
                "arms.pcl.settings (in study demo): strateg: unknown key 'strateg'; did you mean 'strategy'?",
            ),
            (
                lambda c: c["arms"]["pcl"].update(settings={"strategy": "jiont"}),
                "strategy: strategies: no such 'jiont'; did you mean 'joint'?",
            ),
            (
                lambda c: c["arms"]["pcl"].update(settings={"strategy": "terms"}),
                "arms.pcl.settings (in study demo): strategy: strategies: no such 'terms'",
            ),
            (
                lambda c: c["arms"]["pcl-no-attention"].update(settings={"backbone": {"dept": 18}}),
                "backbone.dept: unknown key 'dept'; did you mean 'depth'?",
            ),
            (
                lambda c: c["arms"]["pcl"].update(settings={"backbone": {"depth": 20}}),
                "backbone.depth: Input should be 10, 18 or 34 (found 20)",
            ),
            (
                lambda c: c["arms"]["pcl"].update(settings={"query": {"epsilom": 0.1}}),
                "query.epsilom: unknown key 'epsilom'; did you mean 'epsilon'?",
            ),
            (
                lambda c: c["arms"]["pcl"].update(settings={"lr": float("inf")}),
                "lr: Input should be a finite number (found inf)",
            ),
            (
                lambda c: c["arms"]["pcl"].update(preset="papr"),
                "arms.pcl.preset: pcl has no preset 'papr'; did you mean",
            ),
            (
                lambda c: c["arms"]["kmeans"].update(preset="paper"),
                "arms.kmeans.preset: kmeans has no preset 'paper'",
            ),
            (
                lambda c: c["arms"]["pcl"].update(method="pc"),
                "arms.pcl.method: methods: no such 'pc'; did you mean 'pcl'",
            ),
            (
                lambda c: c["arms"]["kmeans"].update(settings={"lr": 1}),
                "arms.kmeans.settings (in study demo): lr: unknown",
            ),
            (
                lambda c: c["arms"]["pcl"].update(oracle={"name": "thruth"}),
                "arms.pcl.oracle: oracles: no such 'thruth'; did you mean 'truth'?",
            ),
            (
                lambda c: c["arms"]["pcl"].update(oracle={"name": "noisy", "settings": {"flip": 0.1, "flop": 0.1}}),
                "arms.pcl.oracle: oracle noisy: flop: unknown key 'flop'; did you mean 'flip'?",
            ),
            (
                lambda c: c["arms"]["pcl"].update(oracle={"name": "replay", "settings": {"log": "{place}.jsonl"}}),
                "arms.pcl.oracle.settings: 'place' is no placeholder; known: task, orientation, seed",
            ),
            (
                lambda c: c["arms"]["pcl"].update(oracle={"name": "replay", "settings": {"log": "no/{seed}.jsonl"}}),
                "no/0.jsonl: cannot be read (No such file or directory); an arm's oracle answers from it",
            ),
            (
                lambda c: c["representations"]["cc"].update(arm="dcc"),
                "representations.cc.arm: dcc has no features to give; name one that trains a network, unasked",
            ),
            (
                lambda c: c["representations"]["cc"].update(layer="instanc"),
                "representations.cc.layer: cc has no such layer 'instanc'; did you mean 'instance'?",
            ),
            (
                lambda c: c["arms"]["kmeans-cc"].update(features=["cc", "cc"]),
                "arms.kmeans-cc.features: given twice: cc; once is enough",
            ),
            (
                lambda c: c["arms"]["kmeans-cc"].update(source="cc"),
                "arms.kmeans-cc.source: kmeans takes no clusters; remove it (features: names features)",
            ),
            (
                lambda c: c["arms"]["cc-overwrite"].update(source=None),
                "arms.cc-overwrite.source: overwrite corrects another arm's clusters; name that arm",
            ),
            (
                lambda c: c["arms"]["cop-kmeans"].pop("answers"),
                "arms.cop-kmeans.answers: required by copkmeans; name an arm that asks questions",
            ),
            (
                lambda c: c["arms"]["pcl"].update(answers="dcc"),
                "arms.pcl.answers: pcl as it is set takes over no answers; remove answers",
            ),
            (
                lambda c: c["arms"]["dcc"].update(settings={"autoencoder": {"epoch": 3}}),
                "autoencoder.epoch: unknown key 'epoch'; did you mean 'epochs'?",
            ),
            (
                lambda c: c["arms"]["sdec"].update(settings={"strategy": "hub"}),
                "arms.sdec.settings (in study demo): strategy: strategies: no such 'hub'; ",
            ),
            (
                lambda c: c["arms"]["cc"].update(source="pcl"),
                "arms.cc.source: cc takes no clusters; remove it (features: names features)",
            ),
        ],
    )
    def test_an_arm_that_cannot_be_is_named(self, refused_by_plan, edit, message):
        assert message in refused_by_plan(edit)

    def test_an_arm_in_no_table_is_checked_too(self, refused_by_plan):
        message = refused_by_plan(lambda c: c["arms"]["pcl-release"].update(settings={"clipp": 1}))
        assert (
            "arms.pcl-release.settings (in study demo): clipp: unknown key 'clipp'; did you mean 'clip'?" in message
        )

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda s: s["training"].update(epoch=3), "training.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
            (
                lambda s: s["methods"]["dcc"].update(autoencoder_epochs=1),
                "methods.dcc.autoencoder_epochs: unknown key 'autoencoder_epochs'; did you mean 'autoencoder'?",
            ),
            (lambda s: s["methods"].update(dccc={}), "methods: no such 'dccc'; did you mean 'dcc'?"),
        ],
    )
    def test_settings_of_a_study_are_checked(self, refused_by_plan, edit, message):
        assert f"studies.paper.{message}" in refused_by_plan(lambda c: edit(c["studies"]["paper"]), "paper")

    def test_everything_wrong_with_a_study_is_said_at_once(self, refused_by_plan):
        def edit(content):
            demo(content)["training"]["epoch"] = 3
            content["arms"]["pcl"]["settings"] = {"strategy": "jiont"}
            content["tables"]["table2"]["orientation"] = "defualt"

        message = refused_by_plan(edit)
        for part in ("training.epoch", "'jiont'", "no orientation 'defualt'; did you mean 'default'?"):
            assert part in message

    def test_the_study_asked_for_must_exist(self, tiny_config):
        with pytest.raises(UserError, match="study: no such study 'tin'; did you mean 'tiny'"):
            Plan(tiny_config, "tin")

    def test_later_layers_win_and_mappings_are_merged_key_by_key(self, tiny_config):
        """Method's defaults < study's training < preset < study's methods < arm."""
        content = tiny_config.model_dump()
        content["studies"]["tiny"]["training"]["attention_residual"] = False
        content["studies"]["tiny"]["methods"]["pcl"]["clip"] = 5.0
        content["arms"]["pcl"]["settings"] = {"backbone": {"width": 8}, "initial_questions": 3}
        settings = Plan(config.Config.model_validate(content)).settings("pcl")
        assert settings.features == 128, "the method's own"
        assert (settings.batch_size, settings.backbone.depth) == (64, 10), "the study's training scale"
        assert settings.attention_residual, "the preset over the training scale"
        assert settings.clip == 5.0, "the study's settings of the method"
        assert (settings.backbone.width, settings.initial_questions) == (8, 3), "the arm's own"


@pytest.mark.parametrize("study", config.read_yaml(ROOT / "params.yaml")["studies"])
def test_every_study_of_params_yaml_resolves(study):
    Plan(config.load(ROOT / "params.yaml"), study).check()


def test_reading_and_checking_the_config_does_not_import_torch():
    code = (
        "import sys, pcl.config as c; from pcl.plan import Plan\n"
        "for study in c.load().studies: Plan(c.load(), study).check()\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("arm", "settings", "message"),
    [
        (
            "dcc",
            {"image_size": 18},
            "image_size: 18, but the decoder doubles up to it: 4, 5, 6 or 7 times 2, 4, 8, …",
        ),
        ("sdec", {"image_size": 4}, "image_size: 4, but the decoder doubles up to it"),
        ("dcgmm", {"image_size": 33}, "image_size: 33, but the decoder doubles up to it"),
        ("dcgmm", {"autoencoder": None}, "autoencoder: Input should be"),
        ("adc-autoencoder", {"image_size": 9}, "image_size: 9, but the decoder doubles up to it"),
        ("pcl", {"heads": 5}, "heads: 5 do not divide"),
        ("pcl", {"augmentation": {"std": [0.0]}}, "augmentation.std.0: .* greater than 0"),
        ("cc", {"augmentation": {"crop_ratio": [0, 1]}}, "augmentation.crop_ratio.0: .* greater than 0"),
        ("cc", {"augmentation": {"crop_ratio": [2, 1]}}, "augmentation.crop_ratio: .* the lower end, then the upper"),
        ("cc", {"augmentation": {"crop_area": [0.0, 1]}}, "augmentation.crop_area.0: .* greater than 0"),
        ("cc", {"augmentation": {"std": []}}, "augmentation.std: .* at least 1 item"),
        ("cc", {"epochs": True}, "epochs: Input should be a number, without quotes"),
        ("cc", {"lr": 1e-300}, "lr: Input should be 0, or between"),
        ("cc", {"image_size": 10**6}, "image_size: Input should be less than or equal to 4096"),
        ("pcl", {"clip": 0}, "clip: Input should be greater than 0"),
        ("spice", {"semi_batch": 1}, "semi_batch: Input should be greater than or equal to 2"),
    ],
)
def test_values_that_no_network_could_use_are_refused_before_training(tiny_config, arm, settings, message):
    content = tiny_config.model_dump()
    content["arms"][arm]["settings"] |= settings
    with pytest.raises(UserError, match=message):
        Plan(config.validate(config.Config, content, "params.yaml")).settings(arm)


def test_without_a_decoder_any_image_size_will_do(tiny_config):
    content = tiny_config.model_dump()
    content["arms"]["adc"]["settings"] |= {"image_size": 12}
    assert Plan(config.validate(config.Config, content, "params.yaml")).settings("adc").image_size == 12


class TestCross:
    """Every arm under every strategy: arms that params.yaml names are used, the others are derived."""

    shipped = config.load(FULL)
    catalogue = Catalogue(shipped)

    def test_rows_are_every_arm_under_every_strategy(self):
        spec, table = self.shipped.cross["cross"], self.catalogue.tables["cross"]
        assert [len(arms) for arms in table.rows.values()] == [len(spec.strategies)] * len(spec.arms)
        for base, arms in zip(spec.arms, table.rows.values(), strict=True):
            for strategy, name in zip(spec.strategies, arms, strict=True):
                arm = self.catalogue.arms[name]
                assert arm.settings == self.shipped.arms[base].settings | {"strategy": strategy}
                assert (arm.method, arm.preset) == (self.shipped.arms[base].method, self.shipped.arms[base].preset)
                assert table.titles[name] == strategy

    def test_an_arm_that_is_there_already_is_not_trained_twice(self):
        rows = self.catalogue.tables["cross"].rows
        assert rows["PCL"] == ["pcl-random", "pcl-uncertainty", "pcl-hard", "pcl", "pcl+hub_boundary"]
        assert rows["DCC"][0] == "dcc" and rows["ADC"][-1] == "adc"
        plan = Plan(self.shipped)
        runs = plan.runs("cross")
        assert len({run.key for run in runs}) * len(plan.study.seeds) == len(runs)

    def test_it_is_in_no_report_unless_named(self):
        plan = Plan(self.shipped)
        assert not {"cross", *self.shipped.on_request} & set(plan.reports)
        assert not {run.arm for run in plan.all_runs()} & {"pcl+hub_boundary", "sdec-published"}

    def test_unknown_arms_strategies_and_names_twice_are_refused(self, refused, refused_by_plan):
        assert "cross.cross: no arm 'dccc'; did you mean 'dcc'?" in refused(
            lambda c: c["cross"]["cross"]["arms"].append("dccc")
        )
        assert "'joint'" in refused_by_plan(lambda c: c["cross"]["cross"]["strategies"].append("jiont"))
        assert "unknown key 'strategy'" in refused_by_plan(lambda c: c["cross"]["cross"]["arms"].append("cc"))
        assert "on_request.table3: another table or figure has this name" in refused(
            lambda c: c["on_request"].update(table3=c["tables"]["table3"])
        )
        assert "tables.table3.titles: no arm of the table 'pcll'" in refused(
            lambda c: c["tables"]["table3"].update(titles={"pcll": "x"})
        )
