"""What every method promises, whoever wrote it: one test per promise, over the registry."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from pcl import registry
from pcl.methods.base import DeepMethod
from pcl.oracles import log
from pcl.run import execute
from pcl.run.checkpoint import Checkpoint

METHODS = registry.names("pcl.methods", "Method")
ARMS = {m: m for m in METHODS} | {"copkmeans": "cop-kmeans", "overwrite": "kmeans-overwrite"}
FOLDER = Path(registry.__file__).parent / "methods"


def complete(run):
    """Train a run and whatever it starts from; its folder."""
    for other in (run.source, run.answers):
        if other is not None:
            complete(other)
    if run.pretraining is not None and not (run.pretraining.path / "spec.json").exists():
        execute.pretrain(run)
    return execute.train(run)


def files(folder):
    """Every file of a run but its provenance, which may differ between equal runs."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.name != "provenance.json"}


def test_every_method_has_an_arm_here():
    assert set(METHODS) == set(ARMS)


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def run(self, plan, method, seed=0):
        return plan.run("digits10-4", "personalized", ARMS[method], seed)

    def test_run_folder_is_complete_and_scores_are_scores(self, workspace, plan, method):
        run = self.run(plan, method)
        folder = complete(run)
        content = json.loads((folder / "metrics.json").read_text())
        assert content["spec"] == run.spec
        assert not (folder / "checkpoint").exists()
        expected = {"personalized"} if run.method.supervised else {"default", "personalized"}
        assert content["scores"].keys() == expected
        for by_split in content["scores"].values():
            for scores in by_split.values():
                assert 0.25 <= scores["acc"] <= 1
        with np.load(folder / "assignments.npz") as saved:
            for split, count in (("train", 1408), ("test", 389)):
                assert saved[f"{split}_index"].tolist() == list(range(count))
                assert set(saved[f"{split}_cluster"].tolist()) <= set(range(4))
                assert ((saved[f"{split}_probability"] >= 0.2499) & (saved[f"{split}_probability"] <= 1.0001)).all()

    def test_budget_is_spent_exactly_and_nothing_is_asked_twice(self, workspace, plan, method):
        run = self.run(plan, method)
        folder = complete(run)
        asked = json.loads((folder / "metrics.json").read_text())["questions"]["asked"]
        assert asked == (run.budget if run.method.supervised else 0)
        if run.method.supervised and run.answers is None:
            answers = log.read(folder / "answers.jsonl")
            pairs = [(a.i, a.j) for a in answers]
            assert len(answers) == len(set(pairs)) == run.budget
            assert all(i < j for i, j in pairs)

    def test_source_is_named_and_the_file_is_short(self, workspace, plan, method):
        text = (FOLDER / f"{method}.py").read_text()
        assert len(text.splitlines()) <= 200
        docstring = registry.get("pcl.methods", "Method", method).__doc__
        assert "Source:" in docstring
        modules = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
        siblings = {f"pcl.methods.{name}" for name in METHODS}
        assert not modules & siblings, "methods share functions, not each other"

    def test_another_seed_gives_other_weights_and_the_same_seed_the_same_bytes(
        self, workspace, plan, method, tmp_path_factory, monkeypatch, prepared
    ):
        first = files(complete(self.run(plan, method)))
        other = files(complete(self.run(plan, method, seed=1)))
        elsewhere = tmp_path_factory.mktemp("again")
        (elsewhere / "results").mkdir()
        for name in ("data", "tasks"):
            (elsewhere / "results" / name).symlink_to(prepared / "results" / name)
        monkeypatch.chdir(elsewhere)
        again = files(complete(self.run(plan, method)))
        assert first == again
        if "model.safetensors" in first:
            assert first["model.safetensors"] != other["model.safetensors"]


@pytest.mark.parametrize(
    "method", [m for m in METHODS if issubclass(registry.get("pcl.methods", "Method", m), DeepMethod)]
)
@pytest.mark.parametrize("at", [1, 2])
def test_interrupted_equals_uninterrupted(workspace, plan, method, at, monkeypatch, tmp_path_factory, prepared):
    """Killed after any epoch's checkpoint, a run goes on to the same bytes."""
    run = plan.run("digits10-4", "personalized", ARMS[method], 0)
    whole = files(complete(run))
    elsewhere = tmp_path_factory.mktemp("interrupted")
    (elsewhere / "results").mkdir()
    for name in ("data", "tasks"):
        (elsewhere / "results" / name).symlink_to(prepared / "results" / name)
    monkeypatch.chdir(elsewhere)
    if run.pretraining is not None:
        execute.pretrain(run)
    save, saved = Checkpoint.epoch_ended, []

    def save_and_die(*arguments):
        save(*arguments)
        saved.append(1)
        if len(saved) == at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "epoch_ended", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            execute.train(run)
    assert not (run.path / "metrics.json").exists()
    assert files(execute.train(run)) == whole
