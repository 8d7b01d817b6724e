"""Whatever byte of whatever file is turned: its reader names the file, or everything is as before."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pcl import config, datasets, orientations, stats
from pcl.cli import main
from pcl.errors import UserError
from pcl.plan import Plan
from pcl.representations import store
from pcl.run import execute, inputs, network, scores
from pcl.seals import remake

TURNS = 12  # of each file
KILLS = int(os.environ.get("PCL_KILLS", "3"))
SIZES = {"train": 1408, "test": 389}


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_config):
    """The smallest study with one of everything, built: data, targets, a pretraining, and three runs."""
    content = tiny_config.model_dump(mode="json")
    rows = {"Three": ["kmeans", "pcl", "kmeans-overwrite"]}
    table = content["tables"]["table3"] | {"rows": rows, "tasks": "ablation"}
    content["arms"]["kmeans-overwrite"]["answers"] = "pcl"
    content |= {"tables": {"table3": table}, "figures": {}, "cross": {}, "on_request": {}}
    content["studies"]["tiny"] |= {"seeds": [0], "tasks": ["digits10-2"], "budgets": {"digits10-2": 30}}
    content["studies"]["tiny"]["training"]["epochs"] = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("study"))
        Path("params.yaml").write_text(json.dumps(content))
        plan = Plan(config.load())
        data = plan.data("digits10-2")
        datasets.prepare(data.dataset, data.path)
        for target in plan.targets("digits10-2").values():
            orientations.write(target.map, datasets.load(data.path), target.path)
        for run in plan.all_runs():
            if run.pretraining:
                execute.pretrain(run)
            for features in run.features:
                execute.represent(features)
            execute.train(run)
        yield plan


@pytest.fixture(autouse=True)
def there(study, monkeypatch, tmp_path_factory):
    """The study's folder."""
    monkeypatch.chdir(next(tmp_path_factory.getbasetemp().glob("study*")))


def command(*words):
    """A command of the study."""
    return CliRunner().invoke(main, [str(word) for word in words])


def read(plan):
    """All that later steps read of what the study has written, each by its own reader."""
    found = [stats.collect(plan.all_runs()).to_csv()]
    for run in plan.all_runs():
        splits, labels = inputs.images(run), inputs.labels(run)
        found += [splits.manifest, *(array.tobytes() for split in (splits.train, splits.test) for array in split[:2])]
        found += [array.tobytes() for each in labels.values() for array in each.values()]
        found += [
            scores.scores(labels, run.folder.read_assignments()),
            run.folder.read_provenance(),
            run.folder.epochs(),
        ]
        found += [rows.tobytes() for features in run.features for rows in store.read(features.path).values()]
        for folder in (run.folder, run.pretraining.folder) if run.pretraining else ():
            weights = folder.read_weights()
            found += [folder.read_answers(), [(name, weights[name].numpy().tobytes()) for name in sorted(weights)]]
            found += [folder.read_last(), folder.read_provenance(), folder.epochs()]
    return found


FILES = {
    "data": ["manifest.json", "test_images.npy", "test_labels.npy", "train_images.npy", "train_labels.npy"],
    "tasks": ["default/*.npz", "personalized/*.npz"],
    "features": ["manifest.json", "test.npy", "train.npy"],
    "pretrain": ["answers.jsonl", "history.csv", "model.safetensors", "provenance.json", "spec.json"],
    "runs": ["assignments.npz", "history.csv", "metrics.json", "provenance.json"],
    "runs/digits10-2/*/pcl": ["answers.jsonl", "model.safetensors"],
}


def test_no_file_of_a_study_is_left_out(study):
    turned = {
        path
        for below, names in FILES.items()
        for name in names
        for path in Path("results").glob(f"{below}/**/{name}")
    }
    assert turned == {path for path in Path("results").rglob("*") if path.is_file()}


@pytest.mark.parametrize(("below", "name"), [(below, name) for below, names in FILES.items() for name in names])
def test_a_turned_byte_is_refused_by_name_or_changes_nothing(study, below, name):
    draw, whole = np.random.default_rng([TURNS, *name.encode()]), read(study)
    path = sorted(Path("results").glob(f"{below}/**/{name}"))[-1]
    content = path.read_bytes()
    try:
        for place in draw.integers(len(content), size=TURNS):
            turned = bytearray(content)
            turned[place] ^= draw.integers(1, 256)
            path.write_bytes(turned)
            try:
                assert read(study) == whole, f"byte {place} of {path} is used in silence"
            except UserError as error:
                (line,) = str(error).splitlines()
                assert line.startswith(f"{path}: ") and "snakemake --cores 2 results/" in line
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(("below", "name"), [("runs/**/pcl", "history.csv"), ("pretrain", "model.safetensors")])
def test_verify_names_what_no_step_may_read(study, below, name):
    path = next(Path("results").glob(f"{below}/**/{name}"))
    content = path.read_bytes()
    assert command("verify").output.rstrip().endswith("are right")
    path.write_bytes(content[:-1])
    found = command("verify")
    path.write_bytes(content)
    last = next(path.with_name(each) for each in ("metrics.json", "spec.json") if path.with_name(each).exists())
    assert found.exit_code == 2
    assert f"{path}: not as it was written; {remake(last)}" in found.output


def test_verify_finds_what_was_changed_on_purpose(study):
    """With the digests that belong to it: a better score, a better cluster for every image, and an answer less."""
    run = next(run for run in study.all_runs() if run.arm == "pcl")
    before = {path: path.read_bytes() for path in run.path.iterdir()}
    recorded, made = run.folder.read_last(), run.folder.read_provenance()

    def forged(content):
        run.folder.write_last(content, made)
        found = command("verify", run.path)
        for path, whole in before.items():
            path.write_bytes(whole)
        return found.output.partition("not what follows from its files: ")[2].partition(";")[0]

    test = {"test": recorded["scores"]["personalized"]["test"] | {"acc": 1.0}}
    assert forged(recorded | {"scores": {"personalized": recorded["scores"]["personalized"] | test}}) == "scores"
    run.folder.write_assignments({split: np.eye(2, dtype=np.float32)[[0] * n] for split, n in SIZES.items()})
    assert forged(recorded) == "clusters, scores, shares"
    run.folder.write_answers(run.folder.read_answers()[:-1])
    assert forged(recorded) == "questions"
    assert forged(recorded | {"spec": recorded["spec"] | {"version": 0}}) == "spec"
    assert f"right: {run.folder.last}" in command("verify", run.folder.answers).output


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", None])
def test_a_run_is_complete_when_its_scores_are_whole(study, content):
    last = study.all_runs()[0].folder.last
    whole = last.read_bytes()
    assert "3 of 3 runs complete" in command("check").output
    last.write_bytes(whole[:100] if content is None else content)
    assert "2 of 3 runs complete" in command("check").output
    assert command("collect", "--out", "x.csv").output.endswith(f"{remake(last)}\n")
    last.write_bytes(whole)


@pytest.mark.parametrize("arm", ["kmeans", "pcl", "kmeans-overwrite"])
def test_a_kill_after_the_scores_trains_nothing_again(study, arm, monkeypatch):
    """Snakemake then takes the scores for unfinished and deletes them; so may damage that a person deletes."""
    (run,) = (run for run in study.all_runs() if run.arm == arm)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.path.iterdir()}
    scores, _ = before.pop(run.folder.last)
    run.folder.last.unlink()
    with monkeypatch.context() as patch:
        for place, name in ((network, "train"), (execute, "_cluster")):
            patch.setattr(place, name, lambda *given: pytest.fail("it is trained"))
        execute.train(run)
    assert run.folder.last.read_bytes() == scores
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before


def test_the_same_of_a_pretraining(study, monkeypatch):
    (run,) = (run for run in study.all_runs() if run.arm == "pcl")
    last = run.pretraining.folder.last
    before = last.read_bytes()
    last.unlink()
    monkeypatch.setattr(network, "opened", lambda run: pytest.fail("it is trained"))
    execute.pretrain(run)
    assert last.read_bytes() == before


def test_without_scores_a_damaged_run_is_trained_again(study, tmp_path):
    """And what a kill amid a write has left is swept up."""
    (run,) = (run for run in study.all_runs() if run.arm == "kmeans")
    shutil.copytree(run.path, tmp_path / "whole")
    left = run.path / f".model.safetensors.{2**22 + os.getpid()}"
    left.write_text("half")
    run.folder.last.unlink()
    run.folder.assignments.write_bytes(run.folder.assignments.read_bytes()[:-1])
    execute.train(run)
    for path in run.path.iterdir():
        if path != run.folder.provenance:
            assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()
    assert not left.exists()


def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bytes(study, tmp_path):
    """With all its children, at once or by what a scheduler sends first, while it starts and while it trains.

    So many epochs that kills meet checkpoints: between two, and while one is written. PCL_KILLS=20 is for by hand.
    """
    content = json.loads(Path("params.yaml").read_text())
    content["studies"]["tiny"]["training"] |= {"epochs": 20 + 5 * KILLS, "batch_size": 704, "evaluate_every": 20}
    folder, draw = tmp_path / "long", np.random.default_rng(TURNS)
    shutil.copytree("results", folder / "results", ignore=shutil.ignore_patterns("runs", "pretrain"))
    (folder / "params.yaml").write_text(json.dumps(content))
    shutil.copytree(folder, tmp_path / "calm")
    words = [sys.executable, "-m", "pcl", "train", "digits10-2", "any", "cc"]
    environment = {**os.environ, "PYTHONPATH": str(Path(execute.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    calm = subprocess.Popen(words, cwd=tmp_path / "calm", env=environment, stderr=subprocess.DEVNULL)
    run = Plan(config.load(folder / "params.yaml")).run("digits10-2", "any", "cc", 0)
    kills, dated = 0, 0.0
    while kills < KILLS and not (folder / run.folder.last).exists():
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        )
        saved, starting = folder / run.folder.checkpoint, kills % 3 == 2
        while process.poll() is None and not (starting or (saved.exists() and saved.stat().st_mtime > dated)):
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 2 if starting else 0.1))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, (signal.SIGKILL, signal.SIGTERM)[kills % 2])
        assert process.wait(timeout=30) != 0, "within the time that a scheduler grants"
        kills, dated = kills + 1, saved.stat().st_mtime if saved.exists() else dated
    assert kills == KILLS, "it was complete before"
    assert subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=False).returncode == 0
    assert calm.wait() == 0
    files = {path.name for path in (folder / run.path).iterdir()} - {"provenance.json"}
    assert files == {path.name for path in (tmp_path / "calm" / run.path).iterdir()} - {"provenance.json"}
    for name in files:
        assert (folder / run.path / name).read_bytes() == (tmp_path / "calm" / run.path / name).read_bytes()


def test_two_trainings_of_one_run_at_once_end_in_the_bytes_of_one(study, tmp_path):
    """As where a driver was killed and its jobs live on: the second waits, and finds all done."""
    (run,) = (run for run in study.all_runs() if run.arm == "pcl")
    for name in ("alone", "both"):
        shutil.copytree("results", tmp_path / name / "results", ignore=shutil.ignore_patterns("runs"))
        shutil.copy("params.yaml", tmp_path / name)
    words = [sys.executable, "-m", "pcl", "train", "digits10-2", "personalized", "pcl"]
    environment = {**os.environ, "PYTHONPATH": str(Path(execute.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    alone, *both = (
        subprocess.Popen(words, cwd=tmp_path / name, env=environment, stderr=subprocess.PIPE, text=True)
        for name in ("alone", "both", "both")
    )
    said = sorted((process.communicate()[1] for process in both), key=len)
    assert [process.returncode for process in both] == [0, 0], said
    assert f"{run.path}: another process is at work in it; waiting" in said[0]
    assert f"{run.path}: complete, nothing to do" in said[0] and "epoch" not in said[0]
    assert "epoch" in alone.communicate()[1] and alone.returncode == 0
    one, two = (tmp_path / name / run.path for name in ("alone", "both"))
    files = {path.name for path in one.iterdir()}
    assert {path.name for path in two.iterdir()} == files
    for name in files - {"provenance.json"}:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
