"""Whatever is wrong: one message that says what to do, exit status 2, and nothing lost."""

import errno
import io
import itertools
import json
import os
import shutil
import subprocess
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from pcl import artifacts, config, seals
from pcl.cli import main
from pcl.errors import UserError
from pcl.methods import cc
from pcl.methods import pcl as method
from pcl.oracles import log
from pcl.oracles.log import Answer
from pcl.plan import Plan
from pcl.run import execute, inputs, network, scores
from pcl.run.checkpoint import Checkpoint
from pcl.seals import remake

PLACE = ("digits10-2", "personalized", "pcl")
DAMAGED = "damaged, or not the file that was written here"


def link_inputs(folder, prepared):
    """Data and target clusters in an empty folder."""
    (folder / "results").mkdir()
    for name in ("data", "tasks"):
        (folder / "results" / name).symlink_to(prepared / "results" / name)


def files(folder):
    """What equal runs have in common."""
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file() and p.name != "provenance.json"}


@pytest.fixture(scope="module")
def stages(tmp_path_factory, prepared, tiny_config):
    """Three folders of one run: only pretrained, killed after its first epoch, and complete."""
    save = Checkpoint.epoch_ended

    def save_and_die(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    folders = {}
    with pytest.MonkeyPatch.context() as patch:
        here = tmp_path_factory.mktemp("stages")
        link_inputs(here, prepared)
        patch.chdir(here)
        run = Plan(tiny_config).run(*PLACE, 0)
        execute.pretrain(run)
        for name in ("pretrained", "killed", "complete"):
            if name == "killed":
                with patch.context() as inner, pytest.raises(KeyboardInterrupt):
                    inner.setattr(Checkpoint, "epoch_ended", save_and_die)
                    execute.train(run)
            elif name == "complete":
                execute.train(run)
            folders[name] = tmp_path_factory.mktemp(name) / "results"
            shutil.copytree(here / "results", folders[name], symlinks=True)
    return folders


@pytest.fixture
def at(stages, tmp_path, monkeypatch):
    """A function that makes a copy of one of the stages the working folder."""

    def copy(name):
        shutil.copytree(stages[name], tmp_path / "results", symlinks=True)
        monkeypatch.chdir(tmp_path)

    return copy


@pytest.fixture
def run(plan):
    """The run of the stages."""
    return plan.run(*PLACE, 0)


@pytest.fixture
def params(tiny_config):
    """params.yaml, to be edited."""
    return tiny_config.model_dump(mode="json")


@pytest.fixture
def refused(params, monkeypatch):
    """The message of a command that must fail as promised."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def message(*arguments, edit=lambda c: None):
        changed = deepcopy(params)
        edit(changed)
        Path("params.yaml").write_text(json.dumps(changed))
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.count("error: ") == 1
        assert "Traceback" not in result.stderr
        return result.stderr[result.stderr.index("error: ") + 7 :].strip()

    return message


def arm(name, **changes):
    """An edit of one arm."""
    return lambda content: content["arms"][name].update(changes)


class TestWords:
    """What is asked for does not exist."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("train", "digits10-3", "default", "pcl"), "task: no such task 'digits10-3'; did you mean"),
            (("train", "digits10-2", "defualt", "pcl"), "no orientation 'defualt'; did you mean 'default'?"),
            (("train", "digits10-2", "any", "pcl"), "no orientation 'any'; known: default, personalized"),
            (("train", "digits10-2", "default", "plc"), "arm: no such arm 'plc'; did you mean 'pcl"),
            (("train", *PLACE, "--study", "tin"), "study: no such study 'tin'; did you mean 'tiny'?"),
            (("train", *PLACE, "--budget", 3), "budget: 3 questions for arm pcl on digits10-2, but it asks 8 before"),
            (("pretrain", "digits10-2", "default", "cc"), "arm cc: its method has no pretraining"),
            (("pretrain", "digits10-2", "default", "cop-kmeans"), "arm cop-kmeans: its method has no pretraining"),
            (("prepare", "digits10-2"), "datasets: no such 'digits10-2'; did you mean 'digits10'"),
            (("relabel", "digits10-2", "personal"), "no orientation 'personal'; did you mean 'personalized'?"),
            (
                ("collect", "--report", "tabel2", "--out", "x.csv"),
                "no such table or figure 'tabel2'; did you mean 'table2'?",
            ),
        ],
    )
    def test_the_nearest_word_is_offered(self, workspace, refused, arguments, message):
        assert message in refused(*arguments)
        assert not Path("results/runs").exists()

    def test_a_missing_or_broken_config_is_named(self, workspace, refused):
        assert (
            refused("--params", "no.yaml", "train", *PLACE) == "no.yaml: cannot be read (No such file or directory)"
        )
        message = refused("train", *PLACE, edit=lambda c: c.update(studdy=1))
        assert message == "params.yaml: studdy: unknown key 'studdy'; did you mean 'study'?"

    @pytest.mark.parametrize("step", ["prepare digits10", "relabel digits10-2 default", "pretrain", "train"])
    def test_a_config_edited_since_the_job_was_planned(self, workspace, refused, step):
        words = step.split() if " " in step else [step, *PLACE]
        message = refused(*words, "--key", "00000000")
        assert "made with key 00000000, but params.yaml now says" in message
        assert message.endswith("edited after this job was planned, so start snakemake again")
        assert not Path("results/runs").exists()
        assert not Path("results/pretrain").exists()


class TestBudgets:
    @pytest.mark.parametrize(("name", "pairs"), [("pcl", 22 * 64 * 63 // 2), ("dcc", 1408 * 1407 // 2)])
    def test_more_questions_than_pairs(self, workspace, refused, name, pairs):
        """PCL asks within fixed batches, 22 of 64 images; DCC about any two of the 1,408."""
        message = refused("train", "digits10-2", "personalized", name, "--budget", pairs + 1)
        assert message == (
            f"budget: {pairs + 1} questions for arm {name}, but its 1408 training images make only {pairs} pairs "
            "that can be asked; lower studies.tiny.budgets.digits10-2 (or curve)"
        )

    @pytest.mark.parametrize(
        ("name", "settings", "most"),
        [("pcl", {"strategy": "joint"}, 8 + 2 * 22), ("dcc", {"strategy": "joint"}, 2 * 22)],
    )
    def test_more_questions_than_steps_to_ask_them_in(self, workspace, refused, name, settings, most):
        """One in each of 22 batches in each of two epochs; PCL asks eight before."""
        place, edit = ("train", "digits10-2", "personalized", name, "--budget"), arm(name, settings=settings)
        assert refused(*place, most + 1, edit=edit) == (
            f"budget: {most + 1} questions for arm {name}, but it asks no more than {most}: one in each batch of "
            "every epoch; lower studies.tiny.budgets.digits10-2 (or curve), or train longer"
        )
        assert "needed by arm" in refused(*place, most, edit=edit), "what is missing is the pretraining only"


class TestSettingsThatCountImages:
    """Held against the training images before anything is trained; where a report shows the arm, by `pcl check`."""

    @pytest.mark.parametrize(
        ("step", "name", "setting", "most"),
        [
            ("train", "mice", "queue", 1407),
            ("pretrain", "spice", "moco_queue", 1407),
            ("pretrain", "spice", "neighbours", 1408),
            ("check", "adc", "rounds", 704),
        ],
    )
    def test_more_than_there_are(self, workspace, refused, step, name, setting, most):
        def edit(content):
            content["studies"]["tiny"]["methods"][name][setting] = most + 1

        message = refused(step, *(["digits10-2", "any", name] if step != "check" else []), edit=edit)
        assert f"arm {name} in study tiny on digits10: {setting}: {most + 1} " in message
        assert f" only 1408 training images; lower {setting} to {most} at most" in message
        assert not Path("results/runs").exists() and not Path("results/pretrain").exists()


class TestMissingInput:
    def names(self, message, path, last=None):
        """Whether a message names a file and the command that makes it."""
        return message.startswith(f"{path}: needed by arm ") and message.endswith(f"`snakemake {last or path}`")

    def test_pretraining(self, workspace, refused, run):
        folder = run.pretraining.path
        assert self.names(refused("train", *PLACE), folder / "model.safetensors", folder / "spec.json")

    @pytest.mark.parametrize("step", ["train", "pretrain"])
    def test_targets(self, workspace, refused, run, step):
        Path("results/tasks").unlink()
        assert self.names(refused(step, *PLACE), run.targets["personalized"].path)

    @pytest.mark.parametrize(
        "words", [("train", *PLACE), ("pretrain", *PLACE), ("represent", "digits10-2", "pixels")]
    )
    def test_data(self, workspace, refused, run, words):
        Path("results/data").unlink()
        shutil.rmtree("results/features")
        assert self.names(refused(*words), run.data.path / "manifest.json")

    def test_data_for_relabelling(self, workspace, refused, run):
        Path("results/data").unlink()
        message = refused("relabel", "digits10-2", "default")
        path = run.data.path / "manifest.json"
        assert message.startswith(f"{path}: cannot be read (No such file or directory); {remake(path)}")

    def test_the_features_that_are_clustered(self, workspace, refused, plan):
        features = plan.features("digits10-2", "cc", 0)
        message = refused("train", "digits10-2", "any", "kmeans-cc")
        assert self.names(message, features.last, features.last)

    def test_the_network_whose_features_are_made(self, workspace, refused, plan):
        source = plan.run("digits10-2", "any", "cc", 0)
        message = refused("represent", "digits10-2", "cc").removeprefix("representations.cc: ")
        assert self.names(message, source.path / "model.safetensors", source.path / "metrics.json")

    def test_the_run_whose_clusters_are_corrected(self, workspace, refused, plan):
        source = plan.run("digits10-2", "any", "kmeans", 0)
        message = refused("train", "digits10-2", "personalized", "kmeans-overwrite")
        assert self.names(message, source.path / "assignments.npz", source.path / "metrics.json")

    def test_the_run_whose_answers_are_taken_over(self, workspace, refused, plan):
        execute.train(plan.run("digits10-2", "any", "kmeans", 0))
        other = plan.run("digits10-2", "personalized", "dcc", 0)
        message = refused("train", "digits10-2", "personalized", "kmeans-overwrite")
        assert self.names(message, other.path / "answers.jsonl", other.path / "metrics.json")

    def test_runs_to_collect(self, workspace, refused, plan):
        message = refused("collect", "--report", "table5", "--out", "x.csv")
        assert message.startswith(f"{plan.runs('table5')[0].path / 'metrics.json'}: ")
        assert "snakemake" in message
        assert not Path("x.csv").exists()


def damage(path, content=None):
    """Replace a file, perhaps behind a link, by half of it or by other content."""
    whole = path.read_bytes()
    folder = path.parent
    for parent in reversed([*path.parents][:-1]):
        if parent.is_symlink():
            real = parent.resolve()
            parent.unlink()
            shutil.copytree(real, parent)
    (folder / path.name).write_bytes(whole[: len(whole) // 2] if content is None else content)


def without_digests(made):
    """What is left of a folder that an earlier version has written."""
    content = made.folder.read_provenance()
    del content["files"]
    artifacts.write_json(made.folder.provenance, content)


class TestDamagedInput:
    @pytest.mark.parametrize("name", ["train_images.npy", "test_labels.npy", "manifest.json"])
    def test_arrays(self, workspace, refused, run, name):
        damage(run.data.path / name)
        message = refused("pretrain", *PLACE)
        assert message == f"{run.data.path / name}: {DAMAGED}; {remake(run.data.path / 'manifest.json')}"

    @pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04nonsense"])
    def test_targets(self, workspace, refused, run, content):
        path = run.targets["personalized"].path
        damage(path, content)
        message = refused("pretrain", *PLACE)
        assert message == f"{path}: {DAMAGED}; {remake(path, 'it')}"

    @pytest.mark.parametrize("content", [None, b"", b"\x08" + bytes(7) + b"not json"])
    def test_pretrained_weights(self, at, refused, run, content):
        at("pretrained")
        path = run.pretraining.path / "model.safetensors"
        damage(path, content)
        message = refused("train", *PLACE)
        assert message == f"{path}: {DAMAGED}; {remake(run.pretraining.folder.last)}"

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda text: text[: len(text) - 20], "answers.jsonl:8: the last line is half-written"),
            (lambda text: text.replace('"same": true', '"same": "yes"'), "same cannot be 'yes'"),
            (lambda text: text.partition("\n")[2], "answers.jsonl:1: answer 2 stands where answer 1 belongs"),
        ],
    )
    def test_answers_of_the_pretraining(self, at, refused, run, damage, message):
        at("pretrained")
        path = run.pretraining.path / "answers.jsonl"
        path.write_text(damage(path.read_text()))
        assert refused("train", *PLACE) == f"{path}: {DAMAGED}; {remake(run.pretraining.folder.last)}"
        without_digests(run.pretraining)
        assert message in refused("train", *PLACE)
        assert not run.path.exists()

    def test_an_answer_less_in_the_pretraining(self, at, refused, run):
        """A log that is cut at the end of a line is a whole log of fewer answers."""
        at("pretrained")
        path = run.pretraining.folder.answers
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
        assert refused("train", *PLACE) == f"{path}: {DAMAGED}; {remake(run.pretraining.folder.last)}"

    def test_the_pretraining_of_another_seed(self, at, refused, run, plan):
        """Whole, and with the digests that belong to it."""
        at("pretrained")
        other = plan.run(*PLACE, 1)
        shutil.copytree(run.pretraining.path, other.pretraining.path)
        message = refused("train", *PLACE, "--seed", 1)
        assert message == f"{other.pretraining.folder.provenance}: {DAMAGED}; {remake(other.pretraining.folder.last)}"

    def test_contradictory_answers_of_the_pretraining(self, at, refused, run):
        at("pretrained")
        without_digests(run.pretraining)
        path = run.pretraining.path / "answers.jsonl"
        answers = [(4, 7, True), (7, 9, True), (9, 4, False)]
        path.write_text(log.dump(Answer(n, *said, 0, 0, "pretrain", {}) for n, said in enumerate(answers, 1)))
        assert refused("train", *PLACE) == (
            f"{path}: answer 3: 9 and 4 are in different clusters, but 9 = 7 (answer 2), 7 = 4 (answer 1) imply that "
            "they are in the same one; change one of these answers, or withdraw it (unsure)"
        )


class TestDamagedRunsOfOthers:
    """What kmeans-overwrite takes: the clusters of one run and the answers of another."""

    PLACE = ("train", "digits10-2", "personalized", "kmeans-overwrite")

    @pytest.fixture
    def clusters(self, workspace, plan):
        """The clusters of k-means."""
        return execute.train(plan.run("digits10-2", "any", "kmeans", 0)) / "assignments.npz"

    @pytest.fixture
    def answers(self, clusters, plan):
        """A function that writes the answers of DCC."""
        folder = plan.run("digits10-2", "personalized", "dcc", 0).folder
        folder.path.mkdir(parents=True)

        def write(*said):
            folder.last.write_text("{}")
            path = folder.answers
            path.write_text(log.dump(Answer(n, *answer, 0, 0, "cluster", {}) for n, answer in enumerate(said, 1)))
            return path

        return write

    @pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04nonsense"])
    def test_clusters(self, refused, answers, clusters, content):
        answers((4, 7, True))
        damage(clusters, content)
        assert refused(*self.PLACE).startswith(f"{clusters}: ")

    def test_answers(self, refused, answers):
        path = answers((4, 7, True), (8, 9, None))
        path.write_text(path.read_text()[:-20])
        assert f"{path.name}:2: the last line is half-written" in refused(*self.PLACE)

    def test_answers_that_contradict_each_other(self, refused, answers):
        """Possible where the arm that asked closes nothing, and its oracle errs."""
        path = answers((4, 7, True), (7, 9, True), (9, 4, False))
        message = refused(*self.PLACE)
        assert message.startswith(f"{path}: answer 3: 9 and 4 are in different clusters, but 9 = 7")

    def test_answers_about_one_image_twice_say_nothing(self, answers, plan):
        """The released random baseline pays for such questions."""
        answers((4, 4, True), (4, 7, True), (8, 9, None))
        folder = execute.train(plan.run("digits10-2", "personalized", "kmeans-overwrite", 0))
        assert json.loads((folder / "metrics.json").read_text())["questions"]["asked"] == 2


class TestSettingsThatDoNotFitTheImages:
    def test_three_means_for_one_channel(self, workspace, refused):
        def edit(content):
            del content["studies"]["tiny"]["training"]["augmentation"]["mean"]

        message = refused("train", "digits10-2", "any", "cc", edit=edit)
        assert message == (
            "arm cc in study tiny on digits10: augmentation.mean: 3 values, but the images have 1 channels; give one "
            "value for each, or one for all"
        )

    @pytest.mark.parametrize("name", ["dcc", "sdec", "dcgmm"])
    def test_a_size_that_the_decoder_cannot_reach(self, workspace, refused, name):
        message = refused("pretrain", "digits10-2", "any", name, edit=arm(name, settings={"image_size": 18}))
        assert message.startswith(f"arms.{name}.settings (in study tiny): ")
        assert "image_size: 18, but the decoder doubles up to it: 4, 5, 6 or 7 times 2, 4, 8, …" in message

    def test_an_evaluation_that_leaves_nothing(self, workspace, refused):
        settings = {"drop_last_evaluation": True, "batch_size": 512}
        message = refused("train", *PLACE, edit=arm("pcl", settings=settings))
        assert "batches of 512 leave none of 389 images to score; lower batch_size" in message


class TestArmsThatTakeFromOthers:
    @pytest.mark.parametrize(
        ("name", "changes", "message"),
        [
            (
                "cop-kmeans",
                {"answers": None},
                "answers: required by copkmeans; name an arm that asks questions, or set "
                "arms.cop-kmeans.settings.strategy",
            ),
            ("cop-kmeans", {"answers": "cc"}, "answers: cc asks no questions; name an arm that does"),
            ("cop-kmeans", {"answers": "dccc"}, "answers: no arm 'dccc'; did you mean 'dcc'?"),
            ("kmeans-overwrite", {"source": "ccc"}, "source: no arm 'ccc'; did you mean 'cc'?"),
            (
                "kmeans-overwrite",
                {"source": None},
                "source: overwrite corrects another arm's clusters; name that arm",
            ),
            (
                "kmeans-overwrite",
                {"source": "dcc"},
                "source: dcc has no clusters that can be taken; give an arm that asks no questions",
            ),
            ("pcl", {"answers": "dcc"}, "answers: pcl as it is set takes over no answers; remove answers"),
        ],
    )
    def test_the_wrong_one_or_none(self, workspace, refused, name, changes, message):
        found = refused("train", "digits10-2", "personalized", name, edit=arm(name, **changes))
        assert found.removeprefix("params.yaml: ") == f"arms.{name}.{message}"
        assert not Path("results/runs").exists()


class TestCheckpoints:
    def path(self, run):
        return run.path / "checkpoint" / "state.pt"

    def message(self, run):
        return f"{self.path(run)}: {DAMAGED}; delete {run.path / 'checkpoint'} to start over"

    def changed(self, run, edit):
        """Write another state, whole and with its digest."""
        state, buffer = torch.load(self.path(run), weights_only=True), io.BytesIO()
        edit(state)
        torch.save(state, buffer)
        self.path(run).write_bytes(buffer.getvalue() + seals.digest(buffer.getvalue()).encode())

    @pytest.mark.parametrize("keep", [0, 1, -1, *np.random.default_rng(5).integers(2, 200_000, 5)])
    def test_cut_short(self, at, refused, run, keep):
        at("killed")
        whole = self.path(run).read_bytes()
        self.path(run).write_bytes(whole[:keep])
        assert refused("train", *PLACE) == self.message(run)

    @pytest.mark.parametrize(
        "content", [b"nonsense", b"\x80\x02}q\x00.", b"\x80\x02]q\x00.", bytes(300), b"\xff" * 300]
    )
    def test_something_else(self, at, refused, run, content):
        at("killed")
        self.path(run).write_bytes(content)
        assert refused("train", *PLACE) == self.message(run)

    @pytest.mark.parametrize(
        "edit",
        [
            lambda state: state.update(place="results/runs/of/another"),
            lambda state: state.update(stage="pretrain"),
            lambda state: state.pop("network"),
            lambda state: state["network"].popitem(),
            lambda state: state.update(history="[1,"),
            lambda state: state.update(pseudo_links=[3]),
            lambda state: state["optimizer"]["param_groups"][0].pop("lr"),
            lambda state: state["optimizer"]["param_groups"][0]["params"].pop(),
            lambda state: state["optimizer"]["state"][0].pop("exp_avg"),
            lambda state: state["optimizer"]["state"][0].update(exp_avg_sq=torch.ones(3)),
            lambda state: state.update(optimizer=None),
        ],
    )
    def test_of_something_else(self, at, refused, run, edit):
        at("killed")
        self.changed(run, edit)
        assert refused("train", *PLACE) == self.message(run)


@pytest.fixture
def small_disk(run, monkeypatch):
    """A function that gives the run's folder a disk of so many kilobytes, or makes that another size."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    mounted = []

    def mount(options):
        run.path.mkdir(parents=True, exist_ok=True)
        words = ["remount," + options] if mounted else [options]
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", *words, "tmpfs", str(run.path.absolute())], check=False)
        if done.returncode != 0:
            pytest.skip("no file system can be mounted here")
        mounted.append(run.path.absolute())

    yield mount
    if mounted:
        subprocess.run(["umount", "--lazy", mounted[0]], check=True)


class TestHalfWrittenRuns:
    def test_whatever_lies_there_is_completed(self, at, stages, run):
        """Everything but metrics.json, which is written last: damaged, or left by a kill."""
        at("pretrained")
        run.path.mkdir(parents=True)
        for name in ("history.csv", "assignments.npz", "model.safetensors", "answers.jsonl", "provenance.json"):
            (run.path / name).write_text("half")
        assert files(execute.train(run)) == files(stages["complete"].parent / run.path)

    def test_a_killed_run_goes_on(self, at, stages, run):
        at("killed")
        assert {path.name for path in run.path.iterdir()} == {"answers.jsonl", "checkpoint"}
        assert files(execute.train(run)) == files(stages["complete"].parent / run.path)

    def test_a_clock_that_jumps_changes_no_byte(self, at, stages, run, monkeypatch):
        at("killed")
        os.utime(run.folder.checkpoint, (2**33, 2**33))
        jumps = itertools.cycle([2e9, 0.0, 1e9])
        monkeypatch.setattr(time, "time", lambda: next(jumps))
        assert files(execute.train(run)) == files(stages["complete"].parent / run.path)

    def test_a_complete_run_is_left_alone(self, at, run, monkeypatch):
        at("complete")
        monkeypatch.setattr(network, "opened", lambda run: pytest.fail("nothing is to be done"))
        before = {path: path.stat().st_mtime_ns for path in run.path.iterdir()}
        execute.train(run)
        execute.pretrain(run)
        assert {path: path.stat().st_mtime_ns for path in run.path.iterdir()} == before

    def test_a_half_written_pretraining_is_completed(self, at, run):
        at("pretrained")
        before = files(run.pretraining.path)
        (run.pretraining.path / "spec.json").unlink()
        (run.pretraining.path / "model.safetensors").write_text("half")
        assert files(execute.pretrain(run)) == before


class TestUnwritableResults:
    @pytest.mark.parametrize("step", ["pretrain", "train"])
    def test_a_file_where_a_folder_should_be(self, at, refused, step):
        """Root may write anywhere, but not through a file."""
        at("pretrained")
        in_the_way = Path({"pretrain": "results/pretrain", "train": "results/runs"}[step])
        shutil.rmtree(in_the_way, ignore_errors=True)
        in_the_way.write_text("in the way")
        message = refused(step, *PLACE)
        assert f"{in_the_way}/" in message
        assert "cannot be written (Not a directory); nothing was lost" in message
        assert in_the_way.read_text() == "in the way"

    @pytest.mark.parametrize("write", [1, 2, 24, 25, 31])
    def test_a_disk_that_is_full_at_any_write_costs_at_most_an_epoch(
        self, at, stages, refused, run, monkeypatch, write
    ):
        """The log of 8 answers, 22 more, two checkpoints, and the seven files of a run: the disk fills up at some."""
        at("pretrained")
        calls, fsync = [], os.fsync

        def full(number):
            calls.append(number)
            if len(calls) >= write:
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(number)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            message = refused("train", *PLACE)
        assert f"{run.path}/" in message
        assert "cannot be written (No space left on device); nothing was lost, free the disk" in message
        assert not (run.path / "metrics.json").exists()
        assert not list(run.path.rglob(".*")), "no temporary file is left"
        assert (run.path / "checkpoint" / "state.pt").exists() is (write > 24)
        assert files(execute.train(run)) == files(stages["complete"].parent / run.path)

    def test_a_disk_that_is_full_or_read_only(self, at, stages, refused, run, small_disk):
        """A real one: it takes half a line of the answers, or half a checkpoint, and then more."""
        at("pretrained")
        for options, problem in (
            ("size=4k", "No space left on device"),
            ("size=64k", "No space left on device"),
            ("size=64k,ro", "Read-only file system"),
        ):
            small_disk(options)
            message = refused("train", *PLACE)
            assert (
                message.startswith(f"{run.path}/") and f"cannot be written ({problem}); nothing was lost" in message
            )
            assert not run.folder.last.exists()
        small_disk("size=64m,rw")
        assert files(execute.train(run)) == files(stages["complete"].parent / run.path)


class TestDivergence:
    def break_at(self, monkeypatch, step, value=float("nan")):
        """A loss that is no number from a step on."""
        loss, calls = method.Method.loss, []

        def broken(self, outputs, batch, session):
            calls.append(1)
            terms = loss(self, outputs, batch, session)
            return terms | {"column": terms["column"] * value} if len(calls) >= step else terms

        monkeypatch.setattr(method.Method, "loss", broken)

    def test_names_run_epoch_and_step_and_keeps_the_last_checkpoint(self, at, stages, refused, run, monkeypatch):
        at("pretrained")
        with monkeypatch.context() as patch:
            self.break_at(patch, 22 + 4)
            message = refused("train", *PLACE)
        assert message.startswith(f"{run.path}: stage train, epoch 2, step 4: the loss is not a number (instance ")
        assert "column nan" in message
        assert message.endswith("The last checkpoint is kept")
        state = torch.load(run.path / "checkpoint" / "state.pt", weights_only=True)
        assert (state["stage"], state["epoch"]) == ("train", 1)
        assert all(tensor.isfinite().all() for tensor in state["network"].values())
        assert files(execute.train(run)) == files(stages["complete"].parent / run.path)

    def test_in_the_pretraining(self, workspace, refused, run, monkeypatch):
        self.break_at(monkeypatch, 1)
        assert refused("pretrain", *PLACE).startswith(f"{run.pretraining.path}: stage pretrain, epoch 1, step 1: ")
        assert [path.name for path in run.pretraining.path.iterdir()] == ["answers.jsonl"], (
            "what was answered is kept"
        )

    def test_after_the_last_step_it_is_not_scored(self, workspace, refused, plan, monkeypatch):
        """The last update makes the weights no numbers, and no loss looks at them any more."""
        step, calls = torch.optim.Adam.step, []

        def last(self, *arguments):
            calls.append(1)
            step(self, *arguments)
            if len(calls) == 44:
                with torch.no_grad():
                    self.param_groups[0]["params"][0].fill_(float("nan"))

        monkeypatch.setattr(torch.optim.Adam, "step", last)
        run = plan.run("digits10-2", "any", "cc", 0)
        message = refused("train", "digits10-2", "any", "cc")
        assert message.startswith(f"{run.path}: after the last step the probabilities are no numbers; lower lr")
        assert not (run.path / "metrics.json").exists()
        assert cc.Method.version == run.spec["version"]


class TestLearning:
    """Methods that place images, and cannot."""

    def train(self, refused, *words, edit=lambda c: None):
        """The message of a run of `nearest` that must fail, and leave nothing that looks complete."""
        message = refused("train", *PLACE[:2], "nearest", *words, edit=edit)
        assert not list(Path().glob("results/runs/*/*/nearest/*/*/*/metrics.json"))
        return message

    def test_a_budget_below_k_less_one(self, workspace, refused):
        message = refused("train", "digits10-4", "personalized", "nearest", "--budget", "2")
        assert message == (
            "budget: 2 questions for arm nearest, but 4 clusters take 3 at least; raise "
            "studies.tiny.budgets.digits10-4 (or curve)"
        )

    def test_more_clusters_than_images(self, workspace, refused):
        def edit(content):
            content["tasks"]["digits10-2"].update(clusters=2000)

        message = self.train(refused, edit=edit)
        assert "2000" in message

    def test_nothing_but_not_sure(self, workspace, refused, monkeypatch):
        """Nobody knows about any pair, so that no image has a neighbourhood to learn from."""
        monkeypatch.setattr("pcl.oracles.truth.Oracle.reply", lambda *_: None)
        message = self.train(refused)
        assert "no image has a known cluster; a budget of K - 1 questions or more is needed" in message

    def test_contradictory_placements(self, workspace, refused, tmp_path):
        said = [(4, 7, True), (7, 9, True), (9, 4, False)]
        (tmp_path / "log.jsonl").write_text(
            log.dump([Answer(n, *pair, 0, 0, "rounds", {}) for n, pair in enumerate(said, 1)])
        )
        oracle = {"name": "replay", "settings": {"log": str(tmp_path / "log.jsonl")}}
        message = self.train(refused, edit=arm("nearest", oracle=oracle))
        assert message.startswith(f"{tmp_path / 'log.jsonl'}: answer 3: 9 and 4 are in different clusters, but 9 = 7")

    @pytest.mark.parametrize("name", ["pcl", "kmeans", "copy-of-another"])
    def test_an_arm_that_needs_k_where_nobody_knows_it(self, workspace, refused, name):
        def edit(content):
            content["tasks"]["open"] = {
                "dataset": "digits10",
                "clusters": None,
                "orientations": {"odd": {"odd": [1, 3, 5, 7, 9], "even": [0, 2, 4, 6, 8]}},
            }
            content["arms"]["copy-of-another"] = {
                "method": "nearest",
                "title": "n",
                "features": ["cc"],
                "settings": {"strategy": "explore"},
            }

        message = refused("train", "open", "odd", name, "--budget", "20", edit=edit)
        needing = "cc" if name == "copy-of-another" else name
        assert message.startswith(
            f"arm {needing} on open: needs K, but tasks.open.clusters is null; give a number there"
        )


class TestReplay:
    """An arm that takes its answers from a log."""

    def edit(self, path):
        return arm(
            "pcl-random", preset="ours", settings={}, oracle={"name": "replay", "settings": {"log": str(path)}}
        )

    def record(self, path, answers):
        path.write_text(log.dump(answers))

    def replaying(self, params, path):
        changed = deepcopy(params)
        self.edit(path)(changed)
        return Plan(config.validate(config.Config, changed, "params.yaml")).run(*PLACE[:2], "pcl-random", 0)

    def test_gives_the_recorded_run_again(self, at, run, params, tmp_path):
        at("complete")
        again = self.replaying(params, run.path / "answers.jsonl")
        assert again.key != run.key
        execute.pretrain(again)
        folder = execute.train(again)
        for name in ("answers.jsonl", "assignments.npz", "model.safetensors", "history.csv"):
            assert (folder / name).read_bytes() == (run.path / name).read_bytes()

    def test_a_missing_log(self, workspace, refused):
        message = refused("pretrain", *PLACE[:2], "pcl-random", edit=self.edit("said/{seed}.jsonl"))
        assert message == "said/0.jsonl: cannot be read (No such file or directory); an arm's oracle answers from it"

    def test_a_log_that_lacks_a_pair(self, at, refused, run, params, tmp_path):
        at("complete")
        answers, cut = log.read(run.path / "answers.jsonl"), tmp_path / "cut.jsonl"
        self.record(cut, answers[:20])
        execute.pretrain(self.replaying(params, cut))
        message = refused("train", *PLACE[:2], "pcl-random", edit=self.edit(cut))
        missing = answers[20]
        assert message.startswith(f"{cut}: images {missing.i} and {missing.j} were never asked about")
        assert not (self.replaying(params, cut).path / "metrics.json").exists()

    def test_a_log_that_contradicts_itself(self, workspace, refused, tmp_path):
        said = [(4, 7, True), (7, 9, True), (9, 4, False)]
        self.record(tmp_path / "log.jsonl", [Answer(n, *pair, 0, 0, "train", {}) for n, pair in enumerate(said, 1)])
        message = refused("pretrain", *PLACE[:2], "pcl-random", edit=self.edit(tmp_path / "log.jsonl"))
        assert message.startswith(f"{tmp_path / 'log.jsonl'}: answer 3: 9 and 4 are in different clusters, but 9 = 7")

    def test_a_log_of_other_images(self, workspace, refused, tmp_path):
        self.record(tmp_path / "log.jsonl", [Answer(1, 3, 1408, True, 0, 0, "train", {})])
        message = refused("pretrain", *PLACE[:2], "pcl-random", edit=self.edit(tmp_path / "log.jsonl"))
        assert message.startswith(f"{tmp_path / 'log.jsonl'}: images 3 and 1408: the images are numbered 0 to 1407")


def test_the_message_of_a_user_error_is_all_that_a_caller_needs(workspace, run):
    """The same as an exception, for who uses the package."""
    with pytest.raises(UserError, match="needed by arm pcl"):
        execute.train(run)


def test_scores_can_be_computed_anew_and_are_the_same(at, run):
    at("complete")
    recorded = json.loads((run.path / "metrics.json").read_text())["scores"]
    assert scores.scores(inputs.labels(run), run.folder.read_assignments()) == recorded
    with np.load(run.path / "assignments.npz") as saved:
        assert saved["train_cluster"].shape == (1408,)
