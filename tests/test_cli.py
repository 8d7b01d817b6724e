"""The command line: every step by hand, in the order of the data flow, quick to start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pcl import artifacts, config, registry
from pcl.cli import main
from pcl.plan import Plan

ROOT = Path(__file__).parent.parent
STEPS = ("prepare", "relabel", "pretrain", "train", "collect", "table")


@pytest.fixture
def pcl(tmp_path, tiny_config, monkeypatch):
    """A function that runs a command in a folder with the tiny study's params.yaml, and gives what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    params = tiny_config.model_dump(mode="json")
    params["studies"]["tiny"]["training"]["epochs"] = 1
    Path("params.yaml").write_text(json.dumps(params))

    def run(*arguments):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def commands():
    return main.list_commands(click.Context(main))


def test_commands_are_listed_in_the_order_of_the_data_flow():
    listed = commands()
    assert [name for name in listed if name in STEPS] == list(STEPS)
    text = CliRunner().invoke(main, ["--help"]).output
    places = [text.index(f"\n  {name} ") for name in listed]
    assert places == sorted(places)


@pytest.mark.parametrize("command", commands())
def test_every_command_says_what_it_does_and_what_its_options_are(command):
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert main.commands[command].help, "its docstring"
    for parameter in main.commands[command].params:
        if isinstance(parameter, click.Option) and parameter.name not in ("help", "seed"):
            assert parameter.help, f"{command} {parameter.opts}"


def test_every_step_by_hand_from_nothing(pcl):
    """What the rules call, called by a person."""
    pcl("prepare", "digits10")
    pcl("relabel", "digits10-2", "personalized")
    place = ("digits10-2", "personalized", "pcl")
    pretrained = Path(pcl("pretrain", *place, "--budget", 20).strip())
    assert (pretrained / "spec.json").exists()
    folder = Path(pcl("train", *place, "--budget", 20, "--seed", 0).strip())
    content = artifacts.read_json(folder / "metrics.json")
    assert (content["arm"], content["seed"], content["questions"]["asked"]) == ("pcl", 0, 20)
    assert content["key"] == folder.parent.name
    assert content["spec"]["budget"] == 20
    assert folder.parent.parent.name == "q20"


def test_the_key_that_was_planned_is_accepted(pcl, plan):
    key = plan.data("digits10-2").key
    pcl("prepare", "digits10", "--key", key)
    assert (plan.data("digits10-2").path / "manifest.json").exists()


def test_everything_registered_is_listed_with_its_source(pcl):
    listed = pcl("list")
    for kind, package, name in (
        ("data set", "pcl.datasets", "Dataset"),
        ("representation", "pcl.representations", "Representation"),
        ("method", "pcl.methods", "Method"),
        ("strategy", "pcl.strategies", "Strategy"),
        ("oracle", "pcl.oracles", "Oracle"),
    ):
        for plugin in registry.names(package, name):
            line = next(line for line in listed.splitlines() if line.startswith(f"{kind} {plugin}: "))
            first = registry.get(package, name, plugin).__doc__.partition("\n")[0]
            assert line.endswith(first)


def test_runs_are_listed_by_the_paths_that_snakemake_makes(pcl):
    plan = Plan(config.load())
    listed = pcl("runs").splitlines()
    assert [line.split()[-1] for line in listed] == [str(run.path / "metrics.json") for run in plan.all_runs()]
    some = json.loads(pcl("runs", "--report", "table5", "--json"))
    assert len(some) == len(plan.runs("table5"))


def test_pruning_keeps_whatever_a_run_in_a_table_is_made_from(pcl):
    """Pretraining, data and targets, the run whose network its features are of, and the one whose answers."""
    params = json.loads(Path("params.yaml").read_text())
    table = params["tables"]["table3"] | {"rows": {"One": ["cop-kmeans"]}}
    params |= {"tables": {"one": table}, "figures": {}, "cross": {}, "on_request": {}}
    Path("params.yaml").write_text(json.dumps(params))
    made = []
    for run in Plan(config.load()).all_runs():
        for one in (run, *run.takes_from):
            folders = [
                *(own.path for own in run.features),
                one.path,
                one.data.path,
                *([one.pretraining.path] if one.pretraining else []),
            ]
            for path in (*folders, *(target.path for target in one.targets.values())):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch() if path.suffix else path.mkdir(exist_ok=True)
                made.append(path)
    other = made[0].with_name("seed9")
    other.mkdir()
    assert pcl("prune").splitlines() == [str(other)]
    pcl("prune", "--yes")
    assert all(path.exists() for path in made) and not other.exists()


def test_every_path_may_begin_at_home(pcl, tmp_path, monkeypatch):
    """A shell leaves `--out=~/x` as it is, and a program that calls this one has no shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    given = [each for command in main.commands.values() for each in [*command.params, *main.params]]
    paths = [each for each in given if each.name in ("params", "to", "path", "out", "summary", "source", "drawn")]
    for each in (each for each in paths if each.opts != ["--from"]):
        assert each.type.convert("~/x", each, None) == tmp_path / "x", each.opts
    assert pcl("--params=~/params.yaml", "runs") == pcl("runs")


def test_pruning_follows_no_link(pcl, tmp_path):
    """What lies on another disk is not ours to delete; the link is."""
    elsewhere = tmp_path / "scratch"
    (elsewhere / "digits10-2/any/old/q0/00000000/seed0").mkdir(parents=True)
    run = Path("results/runs/digits10-3/any/old/q0/00000000/seed0")
    run.parent.mkdir(parents=True)
    run.symlink_to(elsewhere / "digits10-2/any/old/q0/00000000/seed0")
    pcl("prune", "--yes")
    assert not Path("results/runs").exists()
    Path("results/runs").symlink_to(elsewhere)
    pcl("prune", "--yes")
    assert Path("results/runs").is_symlink() and not any(elsewhere.iterdir())


@pytest.mark.parametrize(
    "arguments", [["train", "digits10-2", "default"], ["trian"], ["train", "a", "b", "c", "--sed", "1"]]
)
def test_a_wrong_call_is_a_usage_error(pcl, arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr


class TestAsAProcess:
    """What only a process of its own shows."""

    def run(self, *words, cwd=ROOT, environment=None):
        env = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=cwd, env=env)

    def test_a_mistake_is_one_message_without_a_traceback_and_status_2(self, tmp_path):
        result = self.run("-m", "pcl", "train", "digits10-2", "default", "pcl", cwd=tmp_path)
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr == "error: params.yaml: cannot be read (No such file or directory)\n"

    def test_a_log_file_has_no_control_codes_whatever_the_shell_says(self):
        code = (
            "from pcl import progress\n"
            "progress.say('begun')\n"
            "with progress.reporter('run', 2) as report:\n    report.advance('loss 1'), report.advance('loss 0')"
        )
        wishes = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm-256color"}
        result = self.run("-c", code, environment=wishes)
        assert result.stdout == "" and "\x1b" not in result.stderr
        assert [line.split("  ")[0] for line in result.stderr.splitlines()] == ["begun", "run 1/2", "run 2/2"]

    def test_help_and_lists_do_not_import_torch(self):
        code = (
            "import sys; from click.testing import CliRunner; from pcl.cli import main\n"
            "for words in (['--help'], ['train', '--help'], ['list'], ['runs']):\n"
            "    assert CliRunner().invoke(main, words).exit_code == 0, words\n"
            "sys.exit('torch' in sys.modules)"
        )
        assert self.run("-c", code).returncode == 0

    def test_the_threads_asked_for_are_those_of_torch(self):
        """OpenMP reads its variable once, so it must be set before torch is imported; numba sets it for all."""
        code = (
            "from pcl import options; options.use_threads(1); import os, torch, numba\n"
            "numba.get_num_threads()\n"
            "print(torch.get_num_threads(), os.environ['OMP_NUM_THREADS'])"
        )
        result = self.run("-c", code)
        assert result.stdout == "1 1\n"
