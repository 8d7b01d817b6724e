"""The graph before anything runs: it lints, is built quickly at the size of the paper, and says what is wrong."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pcl import config
from pcl.plan import Plan

ROOT = Path(__file__).parents[2]
FULL = Path(__file__).parents[1] / "params.full.yaml"
PARAMS = config.load(FULL)


@pytest.fixture
def checkout(source, tmp_path):
    """The project with a full params.yaml, nothing built."""
    tree = type(source)(tmp_path / "checkout")
    source.run("git", "clone", "-q", source.path, tree.path)
    shutil.copy(FULL, tree / "params.yaml")
    return tree


def counts(done):
    """Rule -> jobs, of a dry run."""
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", done.output, re.M)}


def test_snakemake_finds_nothing_to_fix(checkout):
    """But that no rule names a conda environment: a job runs in the one that planned it."""
    found = set(re.findall(r"^    \* (.*):$", checkout.attempt("snakemake", "--lint").output, re.M))
    assert found == {"Specify a conda environment or container for each rule."}


@pytest.mark.parametrize("words", [("--config", "study=paper"), ("--configfile", "params.yaml")])
def test_settings_on_the_command_line_are_refused(checkout, words):
    done = checkout.attempt("snakemake", "-n", *words)
    assert not done.ok and "edit params.yaml" in done.output and "dvc exp run -S" in done.output


def test_jobs_run_the_package_and_the_python_that_planned_them(checkout, tmp_path):
    """Whatever the working folder, PATH, Python's own switches, and the characters in the checkout's path."""
    code = checkout.path.rename(tmp_path / "a {b} c'd")
    with (code / "pcl/cli.py").open("a") as file:
        file.write("\nprint('run from', __file__)\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "params.yaml").write_text((code / "params.yaml").read_text())
    snakemake = Path(sys.executable).with_name("snakemake")
    environment = {**checkout.environment, "PATH": os.defpath, "PYTHONSAFEPATH": "1"}
    target = Plan(PARAMS).data("digits10-2").path / "manifest.json"
    done = subprocess.run(
        [snakemake, "-s", code / "workflow/Snakefile", "--cores", "1", target],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (log,) = (elsewhere / "logs/prepare").rglob("*.log")
    assert f"run from {code}/pcl/cli.py" in log.read_text()


def test_the_graph_of_the_paper_is_built_without_its_data(checkout):
    done = checkout.run("snakemake", "-n", "reports/paper/index.html")
    smallest = checkout.run("snakemake", "-n", Plan(PARAMS).data("digits10-2").path / "manifest.json")
    assert done.seconds < 8 * smallest.seconds  # it is 4: hundreds of runs cost little beside reading the rules
    runs = Plan(PARAMS, "paper").all_runs()
    assert counts(done)["train"] == len(runs)
    assert counts(done)["pretrain"] == len({run.pretraining.path for run in runs if run.pretraining})
    assert counts(done)["table"] == len(PARAMS.tables)


def test_one_table_needs_its_own_runs_only(checkout):
    done = checkout.run("snakemake", "-n", "reports/paper/table5.csv")
    runs = Plan(PARAMS, "paper").runs("table5")
    needed = {"prepare": 1, "relabel": 1, "train": len(runs), "collect": 1, "table": 1}
    assert needed.items() <= counts(done).items()


@pytest.mark.parametrize("name", ["cross", "switches", "fixed", "everything", "occ-table2", "idc-table"])
def test_a_table_on_request_is_built_when_it_is_named(checkout, name):
    done = checkout.run("snakemake", "-n", f"reports/{name}.csv")
    assert counts(done)["train"] >= len({run.path for run in Plan(PARAMS).runs(name)})
    assert counts(done)["table"] == 1


def test_a_network_on_frozen_features_waits_for_them_as_its_pretraining_does(checkout):
    content = config.read_yaml(checkout / "params.yaml")
    content["representations"]["few"] = {"kind": "pixels", "components": 8, "views": 2}
    for arm in ("dcc", "pcl"):
        content["arms"][arm]["settings"]["backbone"] = {"frozen": "few", "width": 16}
    with (checkout / "params.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(content, file)
    plan = Plan(config.load(checkout / "params.yaml"))
    runs = [plan.run("digits10-2", "personalized", arm, 0) for arm in ("dcc", "pcl")]
    done = counts(checkout.run("snakemake", "-n", runs[0].pretraining.folder.last))
    assert {"represent": 1, "pretrain": 1}.items() <= done.items() and "train" not in done
    done = counts(checkout.run("snakemake", "-n", *(run.folder.last for run in runs)))
    assert {"represent": 1, "pretrain": 2, "train": 2}.items() <= done.items()


def test_reading_the_config_imports_nothing_heavy():
    lines = [
        "import sys",
        "from pcl import config",
        "from pcl.plan import Plans",
        "[run.pretraining for run in Plans(config.load()).selected.all_runs()]",
        "print({'torch', 'pandas', 'sklearn', 'scipy', 'matplotlib'} & sys.modules.keys())",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("results/runs/digits10-2/personalized/pcll/q300/00000000/seed0/metrics.json", "did you mean 'pcl'"),
        ("results/runs/digits10-2/personalized/pcl/q300/00000000/seed0/metrics.json", "study demo has results/runs"),
        ("results/pretrain/digits10-2/personalized/pcl/00000000/seed0/spec.json", "study demo has results/pretrain"),
        ("results/figures/fig5/00000000.npz", "no study of params.yaml"),
    ],
)
def test_a_path_that_params_does_not_know_is_explained(checkout, path, hint):
    done = checkout.attempt("snakemake", "-n", path)
    assert not done.ok
    assert hint in done.output


def test_a_mistake_in_params_is_one_message(checkout):
    checkout.edit("study: demo", "studie: demo")
    done = checkout.attempt("snakemake", "-n")
    assert not done.ok
    assert "studie: unknown key" in done.output and "Traceback" not in done.output


def test_missing_data_stop_the_run_and_say_what_to_get(checkout, tmp_path):
    data = Plan(PARAMS, "paper").data("cifar10-2")
    done = checkout.attempt("env", f"PCL_DATA={tmp_path}", "snakemake", data.path / "manifest.json")
    assert not done.ok
    assert "pcl data cifar10" in done.output and str(tmp_path) in done.output


def test_a_job_refuses_settings_that_changed_after_it_was_planned(checkout):
    done = checkout.attempt("python", "-m", "pcl", "train", "digits10-2", "personalized", "pcl", "--key", "00000000")
    assert not done.ok
    assert "start snakemake again" in done.output


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c["figures"].pop("fig5"),
        lambda c: c["figures"].pop("fig4"),
        lambda c: c.update(figures={}),
        lambda c: c.update(tables={}, on_request={}, cross={}),
        lambda c: c["figures"].update(questions=c["figures"].pop("fig4")),
        lambda c: c["studies"]["demo"].pop("curve"),
    ],
)
def test_the_rest_is_built_whatever_is_taken_out_or_renamed(bare, edit):
    """By Snakemake, and by DVC: no stage names a table, a figure or an arm."""
    content = config.read_yaml(FULL)
    edit(content)
    YAML(typ="safe", pure=True).dump(content, bare / "params.yaml")
    shown = bare.plans.selected.reports
    planned = counts(bare.run("snakemake", "-n"))
    assert planned.get("table", 0) + planned.get("figure", 0) == len(shown) and planned["page"] == 1
    bare.run("dvc", "init", "-q", "--no-scm")
    (bare / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    listed = bare.run("dvc", "stage", "list", "--name-only").output.split()
    assert {f"{kind}@{name}" for kind in ("table", "figure") for name in content[f"{kind}s"]} <= set(listed)
