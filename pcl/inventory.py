"""What is registered, what is planned and there, and what nothing uses any more; without importing torch."""

from __future__ import annotations

import ast
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pcl import datasets, orientations
from pcl.datasets.fingerprint import ABSENT
from pcl.errors import gathered
from pcl.layout import DATA, FEATURES, FIGURE, PRETRAINING, RESULTS, RUN, TARGET
from pcl.plan import Plan, Plans, Run


def registered() -> Iterator[tuple[str, str, str, str]]:
    """(kind, name, first line, source) of everything that params.yaml can name."""
    yield from _documented("data set", "datasets", "Dataset")
    for task, names in orientations.available().items():
        for name in names:
            yield "orientation", f"{task} {name}", " | ".join(orientations.load(task, name).clusters), ""
    yield from _documented("representation", "representations", "Representation")
    yield from _documented("method", "methods", "Method")
    yield from _documented("strategy", "strategies", "Strategy")
    yield from _documented("oracle", "oracles", "Oracle")
    yield from _documented("figure", "report/figures", "Figure")


def _documented(kind: str, package: str, class_name: str) -> Iterator[tuple[str, str, str, str]]:
    """The plug-ins of a package with their docstrings, read and not imported: what they import may be heavy."""
    for path in sorted((Path(__file__).parent / package).glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name == class_name and path.stem != "base":
                text = ast.get_docstring(node) or ""
                source = re.search(r"^Source:(.*?)(?=\n\S+:|\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
                yield kind, path.stem, text.partition("\n")[0], " ".join(source[1].split()) if source else ""


def runs(plan: Plan, report: str | None = None, arm: str | None = None, task: str | None = None) -> list[Run]:
    """The runs behind a table or figure, or behind all of them; those of an arm even if no report shows it."""
    found = plan.runs(report) if report else plan.all_runs()
    if arm is not None:
        shown = [run for run in found if run.arm == arm]
        found = shown or [run for seed in plan.study.seeds for run in plan.possible([arm], seed)]
    return [run for run in found if task in (None, run.task)]


def lacking(plan: Plan, arm: str | None = None) -> Iterator[str]:
    """A line for every task whose K nobody knows: the arms of the study's tables, or that one, that need it."""
    shown = [plan.catalogue.tables[name] for name in plan.every_report if name in plan.catalogue.tables]
    named = [arm] if arm else [own for item in shown for own in item.arms]
    for task in plan.study.tasks:
        if arms := sorted({own for own in named if plan.needs_clusters(task, own)}):
            yield f"task {task}: clusters is null; these arms need K and are left out: {', '.join(arms)}"


def state_of_data(plan: Plan) -> Iterator[tuple[str, str]]:
    """(data set, what there is of it) for the tasks of a study; how to get it where there is nothing.

    Raises:
        UserError: prepared arrays are not what their manifest says.
    """
    for name, data in {data.name: data for data in map(plan.data, plan.study.tasks)}.items():
        if (data.path / "manifest.json").exists():
            manifest = datasets.load(data.path).manifest
            counts = ", ".join(f"{n:,} {split}" for split, n in manifest.n.items())
            yield name, f"prepared in {data.path}: {counts} images, sha256 right"
        elif (found := data.dataset.state()) is not None:
            yield name, f"{found}; prepared when a run needs them"
        else:
            yield name, f"no files found.\n{data.dataset.guide()}"


def unused(plans: Plans) -> list[Path]:
    """Folders of runs, pretrainings, features and data, targets and precomputed figures that no report needs.

    Pictures that are not here now, perhaps on a disk that is not plugged in, may come back: what was made from them
    is not unused.
    """
    needed: set[Path] = set()
    absent: set[str] = set()
    for task in plans.config.tasks:
        data = plans.selected.data(task)
        if data.dataset.fingerprint() == ABSENT:
            absent |= {task, data.name}
    for plan in plans.studies.values():
        for report in plan.every_report:
            if report in plan.config.every_figure and (path := plan.precomputed(report)):
                needed.add(path)
            for run in plan.runs(report):
                needed |= _needs(run)
    kinds = (DATA, TARGET, FEATURES, PRETRAINING, RUN, *([] if absent else [FIGURE]))
    there = (path for kind in kinds for path in kind.found())
    return sorted(path for path in there if path not in needed and path.parts[2] not in absent)


def _behind(run: Run) -> Iterator[Run]:
    """A run and those that it takes from."""
    yield run
    for other in run.takes_from:
        yield from _behind(other)


def _needs(run: Run) -> set[Path]:
    """What a run writes and everything it is made from."""
    paths: set[Path] = set()
    for each in _behind(run):
        paths |= {each.path, each.data.path, *(target.path for target in each.targets.values())}
        paths.update(own.path for own in each.representations)
        if each.pretraining is not None:
            paths.add(each.pretraining.path)
    return paths


def date_back(folders: Iterable[str | Path], files: Iterable[str]) -> None:
    """Give the present date to what is dated ahead among some files and all that some folders hold.

    What is made from it would be older than it, which Snakemake takes for damage and deletes. No content depends on
    dates: they come from a clock that was ahead, or from another machine's.
    """
    now = time.time()
    walks = chain.from_iterable(os.walk(folder, followlinks=True) for folder in folders)
    held = (Path(place, name) for place, _, names in walks for name in names)
    for path in chain(held, map(Path, files)):
        with suppress(OSError):  # gone meanwhile, or another owner's
            if path.stat().st_mtime > now:
                os.utime(path)


def delete(path: Path) -> None:
    """Remove a file or folder under results/, and the folders that it leaves empty; of a link, the link alone."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for folder in path.parents:
        if folder == RESULTS or folder.is_symlink() or any(folder.iterdir()):
            return
        folder.rmdir()


def described(run: Run) -> dict[str, Any]:
    """A run in plain values."""
    words = {name: getattr(run, name) for name in ("task", "orientation", "arm", "budget", "seed", "key")}
    return {**words, "study": run.study, "path": str(run.path), "complete": run.folder.complete}


def problems(plans: Plans) -> list[str]:
    """Everything in params.yaml that cannot be resolved, each once: in every study, arm and orientation."""
    steps: list[Callable[[], Any]] = [plan.check for plan in plans.studies.values()]
    steps += [partial(plans.selected.data_set, name) for name in plans.config.datasets]
    steps += [partial(plans.selected.targets, task) for task in plans.config.tasks]
    return gathered(steps)
