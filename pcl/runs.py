"""From a planned run to its folder: load, train, assign, score, write.

The labels stay here: they answer the questions that the loop asks and score what it has assigned.
"""

from __future__ import annotations

import csv
import io
import json
import resource
import shutil
import time
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, datasets, metrics, oracles, orientations, progress
from pcl import seed as seeds
from pcl.constraints import Constraints
from pcl.errors import UserError
from pcl.methods.base import DeepMethod, FrozenMethod, Stage
from pcl.oracles import log
from pcl.plan import Run

if TYPE_CHECKING:
    from torch import Tensor

    from pcl.engine.session import Session

Labels = dict[str, dict[str, NDArray[np.int64]]]


def pretrain(run: Run) -> Path:
    """Train the pretraining stages that a run starts from; a complete folder is left as it is.

    Raises:
        UserError: the arm's method has none, an input is missing, or training diverges.
    """
    pretraining = run.pretraining
    if pretraining is None:
        raise UserError(f"arm {run.arm}: its method has no pretraining")
    folder = pretraining.path
    if (folder / "spec.json").exists():
        progress.say(f"{folder}: complete, nothing to do")
        return folder
    started = time.monotonic()
    labels = _labels(run)
    method, session = _open(run)
    stages = [stage for stage in method.stages() if stage.pretraining]
    _drive(run, method, session, stages, folder, labels)
    parts = run.method.pretraining.parts if run.method.pretraining else None
    _write_weights(folder / "model.safetensors", session, parts)
    artifacts.write(folder / "answers.jsonl", log.dump(session.answers))
    artifacts.write(folder / "history.csv", _as_csv(session.history))
    artifacts.write_json(folder / "provenance.json", _provenance(run, session.device, started))
    artifacts.write_json(folder / "spec.json", pretraining.spec | {"seed": run.seed})
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return folder


def train(run: Run) -> Path:
    """Train, assign and score a run; a complete folder is left as it is.

    Raises:
        UserError: an input is missing, the budget exceeds the pairs there are, or training diverges.
    """
    folder = run.path
    if (folder / "metrics.json").exists():
        progress.say(f"{folder}: complete, nothing to do")
        return folder
    started = time.monotonic()
    labels = _labels(run)
    if issubclass(run.method, FrozenMethod):
        method, inputs = run.method(run.settings, run.clusters, run.budget), _inputs(run)
        constraints, answers = _answers_of(run.answers, len(inputs["train"]))
        probabilities = method.cluster(inputs, constraints, run.seed)
        questions, history, device = _questions(run, constraints, answers), [], "cpu"
    else:
        deep, session = _open(run)
        _check_budget(run, deep, session)
        _start_from_pretraining(run, session)
        stages = [stage for stage in deep.stages() if not stage.pretraining or run.pretraining is None]
        _drive(run, deep, session, stages, folder, labels)
        if session.remaining:
            progress.say(
                f"{folder}: asked {session.spent} of {run.budget}; the strategy found no further pair to ask"
            )
        probabilities = {split: session.sweep(deep.probabilities, split).numpy() for split in session.images}
        _check_finite(probabilities, folder)
        _write_weights(folder / "model.safetensors", session)
        artifacts.write(folder / "answers.jsonl", log.dump(session.answers))
        questions = _questions(run, session.constraints, session.spent)
        history, device = session.history, str(session.device)
    artifacts.write(folder / "history.csv", _as_csv(history))
    _write_assignments(folder / "assignments.npz", probabilities, run)
    artifacts.write_json(folder / "provenance.json", _provenance(run, device, started))
    artifacts.write_json(folder / "metrics.json", _metrics(run, labels, questions, history))
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return folder


def features(run: Run, *, trained: bool = True) -> dict[str, NDArray[np.float32]]:
    """What the heads of a run's network see of every image of each split [N, D].

    Args:
        run: a run of a deep method.
        trained: the weights that the run left; else those it began with.
    """
    method, session = _open(run)
    if trained:
        path = _needed(run.path / "model.safetensors", run, run.path / "metrics.json")
        session.network.load_state_dict(_weights(path))
    return {split: session.sweep(method.embed, split).numpy() for split in session.images}


def score(folder: Path, run: Run) -> dict[str, Any]:
    """The scores of the assignments that a run left, computed anew."""
    return _scores(_labels(run), _clusters(_needed(folder / "assignments.npz", run, folder / "metrics.json")))


def _open(run: Run) -> tuple[DeepMethod, Session]:
    """The method and a session with a fresh network, before anything is asked or trained."""
    import torch

    from pcl.engine.device import MEMORY_FORMAT, choose
    from pcl.engine.session import Session

    assert issubclass(run.method, DeepMethod)
    splits = _images(run)
    device = choose(run.device)
    images = {"train": splits.train.images, "test": splits.test.images}
    tensors = {name: torch.from_numpy(np.array(values)) for name, values in images.items()}
    if device.type != "cpu":
        tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
    _check_settings(run, splits)
    method = run.method(run.settings, run.clusters, run.budget)
    with seeds.global_torch(run.seed, "weights"):
        network = method.build(tensors["train"].shape[1])
    network = network.to(device).to(memory_format=MEMORY_FORMAT)
    closure = {name: getattr(run.settings, name) for name in ("closure", "parity") if hasattr(run.settings, name)}
    constraints = Constraints(len(tensors["train"]), **closure)
    return method, Session(run.seed, run.settings, tensors, network, device, run.budget, constraints)


def _start_from_pretraining(run: Run, session: Session) -> None:
    """Take over weights and answers."""
    if run.pretraining is None:
        return
    folder = run.pretraining.path
    session.network.load_state_dict(_weights(_needed(folder / "model.safetensors", run)), strict=False)
    _record(session, log.read(folder / "answers.jsonl"), folder / "answers.jsonl")


def _record(session: Session, answers: list[log.Answer], where: Path) -> None:
    for answer in answers:
        try:
            session.record(answer)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error


def _weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file; raises UserError where it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not readable weights ({error}); delete {path.parent} and build it again") from error


def _drive(run: Run, method: DeepMethod, session: Session, stages: list[Stage], folder: Path, labels: Labels) -> None:
    """Run the training generator: answer its questions, record its epochs, save after each."""
    from pcl.engine import device, loop

    device.configure(session.device)
    checkpoint = folder / "checkpoint" / "state.pt"
    optimizer_state, stages = _resume(checkpoint, run, session, stages)
    training = loop.train(method, session, stages, optimizer_state)
    target = labels[run.orientation]["train"] if run.method.supervised else np.zeros(0, dtype=np.int64)
    choice = run.oracle
    oracle = oracles.make(choice.name, choice.settings, labels=target, budget=session.remaining, seed=run.seed)
    name = f"{run.task} {run.orientation} {run.arm} q{run.budget} seed{run.seed}"
    reply: bool | None = None
    with progress.reporter(name, sum(stage.epochs for stage in stages), session.epoch) as report:
        while True:
            try:
                event = training.send(reply)
            except StopIteration:
                return
            except UserError as error:
                raise UserError(f"{folder}: {error}") from error
            reply = None
            if isinstance(event, loop.Question):
                reply = oracle.answer(event.i, event.j)
                continue
            row = _history_row(method, session, event, labels)
            session.history.append(row)
            _save(checkpoint, run, session, event)
            report.advance("  ".join(f"{key} {value}" for key, value in row.items() if value != ""))


def _history_row(method: DeepMethod, session: Session, event: Any, labels: Labels) -> dict[str, Any]:
    """What an epoch did: losses, questions, and the scores on the training images, for reading only."""
    row: dict[str, Any] = {"stage": event.stage, "epoch": event.number}
    row |= {f"loss_{name}": float(f"{value:.6g}") for name, value in event.losses.items()}
    row |= {"asked": session.spent, "remaining": session.remaining}
    row["implied"] = session.constraints.implied_must + session.constraints.implied_cannot
    if event.ended or event.number % session.settings.evaluate_every == 0:
        clusters = session.sweep(method.probabilities).argmax(1).numpy()
        for orientation, target in labels.items():
            found = metrics.scores(target["train"], clusters)
            row |= {f"{orientation}_{name}": found[name] for name in ("acc", "nmi")}
    return row


def _save(path: Path, run: Run, session: Session, event: Any) -> None:
    """Everything needed to go on from here, in one file that loads without trusting a pickle."""
    import torch

    state = {
        "key": run.key,
        "stage": event.stage,
        "epoch": event.number,
        "ended": event.ended,
        "network": session.network.state_dict(),
        "optimizer": session.optimizer.state_dict(),
        "method": session.state,
        "answers": log.dump(session.answers),
        "history": json.dumps(session.history),
        "pseudo_links": session.pseudo_links,
    }
    # By way of memory: writing straight to a full disk, torch.save hides the cause.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    artifacts.write(path, buffer.getvalue())


def _resume(path: Path, run: Run, session: Session, stages: list[Stage]) -> tuple[dict[str, Any] | None, list[Stage]]:
    """Bring the session to where a checkpoint stands; the optimiser's state and the stages that are left."""
    import torch

    if not path.exists():
        return None, stages
    try:
        state = torch.load(path, map_location=session.device, weights_only=True)
        names = [stage.name for stage in stages]
        here = names.index(state["stage"])
        session.network.load_state_dict(state["network"])
        answers = log.parse(state["answers"], str(path))
        session.history, session.state = json.loads(state["history"]), state["method"]
        session.pseudo_links = [(i, j) for i, j in state["pseudo_links"]]
    except (LookupError, TypeError, ValueError, RuntimeError, EOFError, OSError, UnpicklingError) as error:
        cause = next(iter(str(error).splitlines()), "cut short")
        raise UserError(
            f"{path}: not a checkpoint of this run ({cause}); delete {path.parent} to start over"
        ) from error
    _record(session, answers[len(session.answers) :], path)
    progress.say(f"{path.parent.parent}: going on after stage {state['stage']}, epoch {state['epoch']}")
    if state["ended"]:
        return None, stages[here + 1 :]
    session.epoch = state["epoch"]
    return state["optimizer"], stages[here:]


def _labels(run: Run) -> Labels:
    """Target clusters of train and test in every orientation that the run serves."""
    found = {name: orientations.read(_needed(target.path, run)) for name, target in run.targets.items()}
    return {name: {"train": targets.train, "test": targets.test} for name, targets in found.items()}


def _inputs(run: Run) -> dict[str, NDArray[np.float32]]:
    """What a frozen method clusters: its source's clusters or features, or without a source the pixels in [0, 1]."""
    assert issubclass(run.method, FrozenMethod)
    if run.source is not None and run.method.reads == "clusters":
        one_hot = np.eye(run.clusters, dtype=np.float32)
        clusters = _clusters(_needed(run.source.path / "assignments.npz", run, run.source.path / "metrics.json"))
        return {split: one_hot[found] for split, (_, found) in clusters.items()}
    if run.source is not None:
        return features(run.source)
    splits = _images(run)
    pixels = {"train": splits.train.images, "test": splits.test.images}
    flat = {name: images.reshape(len(images), -1) for name, images in pixels.items()}
    return {name: np.divide(rows, 255, dtype=np.float32) for name, rows in flat.items()}


def _answers_of(other: Run | None, images: int) -> tuple[Constraints, int]:
    """What another run's answers say about the training images, and how many there are."""
    constraints = Constraints(images)
    if other is None:
        return constraints, 0
    answers = log.read(_needed(other.path / "answers.jsonl", other, other.path / "metrics.json"))
    given = [answer for answer in answers if answer.same is not None]
    for answer in given:
        if answer.i == answer.j:  # the released baseline asks about an image and itself
            continue
        try:
            constraints.add(answer.i, answer.j, answer.same)
        except UserError as error:
            raise UserError(f"{other.path / 'answers.jsonl'}: {error}") from error
    return constraints, len(given)


def _clusters(path: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Positions and clusters of the images of each split, as a run left them."""
    try:
        with np.load(path) as saved:
            return {split: (saved[f"{split}_index"], saved[f"{split}_cluster"]) for split in ("train", "test")}
    except (BadZipFile, LookupError, ValueError, EOFError, OSError) as error:
        raise UserError(
            f"{path}: not readable assignments ({error}); delete {path.parent} and train again"
        ) from error


def _images(run: Run) -> datasets.Splits:
    _needed(run.data.path / "manifest.json", run)
    return datasets.load(run.data.path)


def _check_settings(run: Run, splits: datasets.Splits) -> None:
    """Refuse settings that do not fit the images, before anything is trained."""
    s, channels = run.settings, splits.train.images.shape[1]
    where = f"arm {run.arm} in study {run.study}"
    for name in ("mean", "std"):
        values = getattr(s.augmentation, name)
        if len(values) not in (1, channels):
            raise UserError(
                f"{where}: augmentation.{name} has {len(values)} values, but the images of {run.data.name} have "
                f"{channels} channels; give one value for each, or one for all"
            )
    smallest = min(len(splits.train.images), len(splits.test.images))
    if getattr(s, "drop_last_evaluation", False) and smallest < s.batch_size:
        raise UserError(
            f"{where}: with drop_last_evaluation, batches of {s.batch_size} leave none of {smallest} images to "
            "score; lower batch_size"
        )


def _check_finite(probabilities: dict[str, NDArray[np.float32]], folder: Path) -> None:
    """Refuse to score what the last update has broken; every earlier one is checked by its loss."""
    if not all(np.isfinite(rows).all() for rows in probabilities.values()):
        raise UserError(
            f"{folder}: after the last step the probabilities are no numbers; lower lr or set clip for this arm, and "
            f"delete {folder / 'checkpoint'}"
        )


def _check_budget(run: Run, method: DeepMethod, session: Session) -> None:
    """Refuse a budget that exceeds the pairs, or the steps, in which it can be asked."""
    from pcl.engine.session import chunks

    stages = method.stages()
    asking = [stage for stage in stages if stage.strategy is not None]
    groups, steps = [np.arange(session.size)], sum(stage.questions for stage in stages)
    for stage in asking:
        batches = list(chunks(session.fixed_order(), stage.batch_size))
        steps += stage.epochs * len(batches)
        groups = batches if stage.fixed else groups
    pairs = sum(len(group) * (len(group) - 1) // 2 for group in groups)
    where = f"budget: {run.budget} questions for arm {run.arm}, but"
    mend = f"lower studies.{run.study}.budgets.{run.task}"
    if run.budget > pairs:
        raise UserError(
            f"{where} its {session.size} training images make only {pairs} pairs that can be asked; {mend}"
        )
    if run.budget > steps:
        raise UserError(
            f"{where} it asks no more than {steps}: one in each batch of every epoch; {mend}, or train longer"
        )


def _metrics(run: Run, labels: Labels, questions: dict[str, Any], history: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of metrics.json: equal for equal runs."""
    clusters = _clusters(run.path / "assignments.npz")
    manifest = datasets.load(run.data.path).manifest
    return {
        "task": run.task,
        "orientation": run.orientation,
        "arm": run.arm,
        "seed": run.seed,
        "key": run.key,
        "spec": run.spec,
        "data": {"name": run.data.name, "sha256": {name: a.sha256 for name, a in manifest.arrays.items()}},
        "scores": _scores(labels, clusters),
        "shares": {split: metrics.shares(found, run.clusters) for split, (_, found) in clusters.items()},
        "questions": questions,
        "epochs": len(history),
    }


def _scores(labels: Labels, clusters: dict[str, tuple[NDArray[Any], NDArray[Any]]]) -> dict[str, Any]:
    return {
        orientation: {
            split: metrics.scores(target[split][index], found) for split, (index, found) in clusters.items()
        }
        for orientation, target in labels.items()
    }


def _questions(run: Run, constraints: Constraints, asked: int) -> dict[str, Any]:
    """What was asked and what followed from it, counted apart."""
    closure = getattr(run.settings, "closure", "full") if run.method.supervised else None
    return {
        "budget": run.budget,
        "asked": asked,
        "asked_must": constraints.asked_must,
        "asked_cannot": constraints.asked_cannot,
        "implied_must": constraints.implied_must,
        "implied_cannot": constraints.implied_cannot,
        "largest_component": constraints.largest_component if run.method.supervised else 0,
        "closure": closure,
    }


def _write_assignments(path: Path, probabilities: dict[str, NDArray[np.float32]], run: Run) -> None:
    """Cluster and its probability per image; the released evaluation leaves out the last partial batch."""
    arrays: dict[str, NDArray[Any]] = {}
    for split, rows in probabilities.items():
        if getattr(run.settings, "drop_last_evaluation", False):
            rows = rows[: len(rows) // run.settings.batch_size * run.settings.batch_size]
        arrays[f"{split}_index"] = np.arange(len(rows))
        arrays[f"{split}_cluster"] = rows.argmax(1)
        arrays[f"{split}_probability"] = rows.max(1).astype(np.float32)
    artifacts.write_arrays(path, **arrays)


def _write_weights(path: Path, session: Session, parts: tuple[str, ...] | None = None) -> None:
    """The network's weights, or those of some of its parts, readable without pickle."""
    from safetensors.torch import save

    weights = {
        name: value.detach().cpu().contiguous()
        for name, value in session.network.state_dict().items()
        if parts is None or name.split(".")[0] in parts
    }
    artifacts.write(path, save(weights))


def _provenance(run: Run, device: Any, started: float) -> dict[str, Any]:
    import torch

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return artifacts.provenance(
        study=run.study,
        device=str(device),
        threads=torch.get_num_threads(),
        seconds=round(time.monotonic() - started, 1),
        peak_memory_mb=round(peak),
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def _needed(path: Path, run: Run, last: Path | None = None) -> Path:
    """The path, if it exists; `last` is what the step that makes it writes last, if not the path itself."""
    if not path.exists():
        raise UserError(f"{path}: needed by arm {run.arm}, but not there; build it with `snakemake {last or path}`")
    return path


def _as_csv(rows: list[dict[str, Any]]) -> str:
    """A table whose columns are those of all rows, in the order of their first appearance."""
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
