"""`pcl check`, `list`, `runs`, `score`, `prune` and `data`, on a tree in which everything is built."""

import json
import shutil

import pytest
from click.testing import CliRunner

from pcl import inventory, oracles, registry
from pcl.cli import main


def pcl(tree, *words, fails=False):
    """What the command prints in a tree; its messages too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tree.path)
        done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == (2 if fails else 0), done.output
    return done.output


def test_list_shows_what_is_registered_and_whence():
    rows = list(inventory.registered())
    found = {(kind, name) for kind, name, _, _ in rows}
    assert found >= {("method", name) for name in registry.names("pcl.methods", "Method")}
    assert found >= {("strategy", name) for name in registry.names("pcl.strategies", "Strategy")}
    assert found >= {("oracle", name) for name in oracles.names()}
    assert found >= {("data set", "digits10"), ("orientation", "digits10-2 personalized")}
    assert all(line.endswith((".", ")")) and source for kind, _, line, source in rows if kind != "orientation")


def test_runs_names_each_run_once_and_whether_it_is_complete(built):
    lines = [line for line in pcl(built, "runs", "--report", "table3").splitlines() if "results/" in line]
    assert len(lines) == len(set(lines)) == 14
    assert all(line.startswith("complete") for line in lines)
    assert "0 of 4 complete" in pcl(built, "runs", "--arm", "pcl-unused")
    (described,) = [run for run in json.loads(pcl(built, "runs", "--arm", "dcc", "--json")) if run["seed"] == 1]
    assert described["complete"] and described["path"].endswith(f"dcc/q20/{described['key']}/seed1")


def test_check_says_what_is_there_and_what_is_damaged(copy):
    assert "study smoke: 17 of 17 runs complete" in pcl(copy, "check")
    assert "sha256 right" in pcl(copy, "check", "--verify")
    (images,) = (copy / "results/data").rglob("train_images.npy")
    content = bytearray(images.read_bytes())
    content[-1] ^= 1
    images.chmod(0o644)
    images.write_bytes(content)
    assert "train_images.npy" in pcl(copy, "check", "--verify", fails=True)


def test_check_lists_every_mistake_at_once(copy):
    copy.edit("settings: {strategy: hard}", "settings: {stratgy: hard}")
    copy.edit("budgets: {digits10-2: 20}", "budgets: {digits10-2: 2}")
    message = pcl(copy, "check", fails=True)
    assert "stratgy" in message and "strategy" in message
    assert "2 questions" in message


def test_score_agrees_with_the_run_or_says_so(copy):
    path = copy.metrics("digits10-2", "personalized", "pcl")
    recorded = json.loads((copy / path).read_text())
    assert json.loads(pcl(copy, "score", path)) == recorded["scores"]
    recorded["scores"]["personalized"]["test"]["acc"] = 1.0
    (copy / path).unlink()
    (copy / path).write_text(json.dumps(recorded))
    assert f"{path}: damaged" in pcl(copy, "score", path.parent, fails=True)


def test_prune_deletes_what_no_report_needs_and_nothing_else(copy):
    assert "0 unused" in pcl(copy, "prune")
    kept = {path for path in (copy / "results").rglob("*") if path.is_file()}
    run = (copy / copy.metrics("digits10-2", "personalized", "pcl")).parent
    shutil.copytree(run, run.with_name("seed7"))
    shutil.copytree(run.parent, run.parents[1] / "00000000")
    listed = pcl(copy, "prune")
    assert "seed7" in listed and "00000000/seed0" in listed and (run.with_name("seed7")).exists()
    pcl(copy, "prune", "--yes")
    assert {path for path in (copy / "results").rglob("*") if path.is_file()} == kept
    assert not (run.parents[1] / "00000000").exists()


def test_data_that_cannot_be_downloaded_say_how_to_get_them(built):
    assert "nothing that this command could download" in pcl(built, "data", "digits10", fails=True)
