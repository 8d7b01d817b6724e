"""What every method promises, whoever wrote it: one test per promise, over the registry."""

import ast
import csv
import json
import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from pcl import artifacts, config, registry
from pcl.oracles import log
from pcl.plan import Plan
from pcl.run import execute
from pcl.seals import SEAL

METHODS = {name: registry.get("pcl.methods", "Method", name) for name in registry.names("pcl.methods", "Method")}
FOLDER = Path(registry.__file__).parent / "methods"
PLACE = ("digits10-4", "personalized")


def complete(run):
    """Train a run and whatever it starts from; its folder."""
    for other in run.takes_from:
        complete(other)
    for features in run.features:
        execute.represent(features)
    if run.pretraining is not None and not (run.pretraining.path / "spec.json").exists():
        execute.pretrain(run)
    return execute.train(run)


def files(folder):
    """Every file of a run but its provenance, which may differ between equal runs."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.name != "provenance.json"}


@pytest.fixture(scope="module")
def trained(empty, tiny_config):
    """A function of method and seed: the run and its folder, trained once for the tests here, which only read it."""
    plan, shared = Plan(tiny_config), empty("shared")

    def folder(method, seed=0):
        run = plan.run(*PLACE, method, seed)
        with chdir(shared):
            return run, complete(run).resolve()

    return folder


@pytest.fixture(scope="module")
def again(trained, empty):
    """A function of a method: its run made anew elsewhere, killed after every checkpoint, or after every answer where
    there are none; its folder, and how often it was killed.
    """
    made = {}

    def anew(method):
        if method not in made:
            run, folder = trained(method)
            with chdir(empty("again")), pytest.MonkeyPatch.context() as patch:
                take_over(run, folder)
                kills = []
                if run.method.network:
                    patch.setattr(artifacts, "write", dying(artifacts.write, "state.pt", kills))
                else:
                    patch.setattr(artifacts, "append", dying(artifacts.append, "answers.jsonl", kills))
                made[method] = insist(run).resolve(), len(kills)
        return made[method]

    return anew


def dying(write, name, kills):
    """How files are written by a process that is killed after each that has this name."""

    def write_and_die(path, content):
        write(path, content)
        if path.name == name:
            kills.append(path)
            raise KeyboardInterrupt

    return write_and_die


def insist(run):
    """Make a run however often it is killed; its folder."""
    while True:
        try:
            return complete(run)
        except KeyboardInterrupt:
            assert not (run.path / "metrics.json").exists()


def epochs_of(run, folder):
    """The epochs that made a run, those of its pretraining among them."""
    here = folder.parents[len(run.path.parts) - 1]
    parts = [run.path] + ([run.pretraining.path] if run.pretraining else [])
    return sum(len(learned(here / part)) for part in parts)


def take_over(run, folder):
    """What a run takes from others, as they left it in another working folder."""
    for other in run.takes_from:
        if not other.path.exists():
            here = folder.parents[len(run.path.parts) - 1]
            shutil.copytree(here / other.path, other.path)


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_run_folder_is_complete_and_scores_are_those_of_its_clusters(self, trained, best_match, method):
        run, folder = trained(method)
        content = json.loads((folder / "metrics.json").read_text())
        assert content["spec"] == run.spec
        assert not (folder / "checkpoint").exists()
        expected = {"personalized"} if run.method.supervised else {"default", "personalized"}
        assert content["scores"].keys() == run.targets.keys() == expected
        with np.load(folder / "assignments.npz") as saved:
            found = dict(saved)
        for split, count in (("train", 1408), ("test", 389)):
            clusters, probability = found[f"{split}_cluster"], found[f"{split}_probability"]
            assert found[f"{split}_index"].tolist() == list(range(count))
            assert set(clusters.tolist()) <= set(range(4))
            assert ((probability >= 0.2499) & (probability <= 1.0001)).all()
            for orientation, scores in content["scores"].items():
                with np.load(folder.parents[len(run.path.parts) - 1] / run.targets[orientation].path) as targets:
                    assert scores[split]["acc"] == pytest.approx(best_match(clusters, targets[split]), abs=1e-6)

    def test_budget_is_spent_exactly_and_nothing_is_asked_twice(self, trained, method):
        run, folder = trained(method)
        asked = json.loads((folder / "metrics.json").read_text())["questions"]["asked"]
        assert asked == (run.budget if run.method.supervised else 0)
        if run.method.supervised and run.answers is None:
            answers = log.read(folder / "answers.jsonl")
            pairs = [(a.i, a.j) for a in answers]
            assert len(answers) == len(set(pairs)) == run.budget
            assert all(a.i < a.j for a in answers if not isinstance(a, log.Assigned))

    def test_source_is_named_and_the_file_is_short(self, method):
        text = (FOLDER / f"{method}.py").read_text()
        assert len(text.splitlines()) <= 200
        docstring = METHODS[method].__doc__
        assert "Source:" in docstring
        modules = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
        siblings = {f"pcl.methods.{name}" for name in METHODS}
        assert not modules & siblings, "methods share functions, not each other"

    def test_another_seed_gives_other_weights_and_the_same_seed_the_same_bytes(self, trained, again, method):
        first = files(trained(method)[1])
        if "model.safetensors" in first:
            assert first["model.safetensors"] != files(trained(method, seed=1)[1])["model.safetensors"]
        assert files(again(method)[0]) == first

    def test_interrupted_equals_uninterrupted(self, trained, again, method):
        """Killed after every epoch, or after every answer, a run goes on to the same bytes."""
        (folder, kills), (run, other) = again(method), trained(method)
        assert files(folder) == files(other)
        asked = run.budget if run.asks else 0
        assert kills == (epochs_of(run, other) if run.method.network else asked)
        assert kills > 1 or not (run.method.network or run.asks)

    def test_no_label_reaches_what_is_learned(self, trained, empty, tiny_config, method):
        """Trained again on the same answers, read from the log, where every target cluster is noise: the same bytes
        but for the scores. Keeping the epoch, or the head, of the best score would show here.
        """
        run, folder = trained(method)
        content = tiny_config.model_dump()
        if (folder / "answers.jsonl").exists() and run.method.supervised:
            replay = {"name": "replay", "settings": {"log": str(folder / "answers.jsonl")}}
            content["arms"][method]["oracle"] = replay
        blind = Plan(config.validate(config.Config, content, "params.yaml")).run(*PLACE, method, 0)
        with chdir(empty("blind")):
            scramble(blind)
            take_over(blind, folder)
            again = complete(blind).resolve()
        assert (
            json.loads((again / "metrics.json").read_text())["scores"]
            != (json.loads((folder / "metrics.json").read_text())["scores"])
        )
        one, other = files(folder), files(again)
        assert one.keys() == other.keys()
        for name in {"model.safetensors", "assignments.npz", "answers.jsonl"} & one.keys():
            assert one[name] == other[name], name
        assert learned(folder) == learned(again)


def scramble(run):
    """Replace the target clusters of a run, in this working folder, by noise."""
    shutil.copytree(Path("results/tasks").resolve(), "copy")
    Path("results/tasks").unlink()
    Path("copy").rename("results/tasks")
    rng = np.random.default_rng(0)
    for target in run.targets.values():
        with np.load(target.path) as saved:
            content = {name: array for name, array in saved.items() if name != SEAL}
        noise = {split: rng.integers(run.clusters, size=len(content[split])) for split in ("train", "test")}
        np.savez(target.path, **(content | noise))


def learned(folder):
    """The history of a run, less the scores."""
    with (folder / "history.csv").open() as file:
        return [{k: v for k, v in row.items() if not k.endswith(("_acc", "_nmi"))} for row in csv.DictReader(file)]
