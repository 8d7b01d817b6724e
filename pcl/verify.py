"""Whether every file is as it was written, and every number follows from what it is said to be made from.

Digests find what has changed by accident. What was changed on purpose, its digest too, is found by computing it anew:
scores from assignments and target clusters, counts of questions from the answers, summaries from the scores, tables,
figures and the page from the summaries. Nothing is trained, and the images are not needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pcl import artifacts, datasets, layout, orientations, seals, stats
from pcl.datasets.store import read_manifest
from pcl.errors import UserError, gathered
from pcl.plan import Plan, Plans, Run
from pcl.representations import store
from pcl.run import inputs, scores

REPORTS = Path("reports")
LATER = {"clusters"}
"""What metrics.json did not have in an earlier version, with keys that are still those of now."""


@dataclass(frozen=True)
class Step:
    """What one step of the pipeline has written."""

    last: Path
    """The file that it writes last."""
    place: Path
    """Its folder; of a report, the files' name without an ending."""
    hold: Callable[[], Any]
    """Raises UserError with a line for each file that is not right."""
    runs: tuple[Run, ...] = ()
    """What a report shows."""

    def at(self, path: Path) -> bool:
        """Whether it has written the file, or into the folder, at a path."""
        return self.last.is_relative_to(path) or path.is_relative_to(self.place) or path.with_suffix("") == self.place


def of_study(plan: Plan) -> list[Step]:
    """All that there is of a study: its runs with all that they are made from, and its reports."""
    return _there(chain(_behind(plan.all_runs()), _reports(plan)))


def at(plans: Plans, path: Path) -> list[Step]:
    """What there is at a path or below it; of a report also the runs that it shows, and what they are made from.

    Raises:
        UserError: nothing that a step writes.
    """
    path = Path(os.path.relpath(path))
    if layout.RUN.words(path) is not None:
        found = _there([_of_run(plans.run_at(path))])
    else:
        known = (step for plan in plans.studies.values() for step in chain(_behind(plan.all_runs()), _reports(plan)))
        chosen = _there(step for step in known if step.at(path))
        found = _there(chain(_behind(run for step in chosen for run in step.runs), chosen))
    if not found:
        raise UserError(f"{path}: nothing is there that could be verified; `pcl runs` lists the runs and their paths")
    return found


def problems(steps: Iterable[Step]) -> list[str]:
    """A line for each file that is not right."""
    return gathered(step.hold for step in steps)


def _there(steps: Iterable[Step]) -> list[Step]:
    """Those whose file exists, each once."""
    return list({step.last: step for step in steps if step.last.exists()}.values())


def _behind(runs: Iterable[Run]) -> Iterator[Step]:
    """Some runs, those that they take from, and the data, targets, features and pretraining of all."""
    for run in runs:
        yield from _behind(run.takes_from)
        data = run.data.path / "manifest.json"
        yield Step(data, data.parent, partial(datasets.load, data.parent))
        for target in run.targets.values():
            yield Step(target.path, target.path, partial(orientations.read, target.path))
        for features in run.representations:
            yield Step(features.last, features.path, partial(store.read, features.path, views=True))
        if run.pretraining is not None:
            folder = run.pretraining.folder
            yield Step(folder.last, folder.path, partial(_pretraining, run))
        yield _of_run(run)


def _of_run(run: Run) -> Step:
    return Step(run.folder.last, run.path, partial(_run, run))


def _pretraining(run: Run) -> None:
    """Hold a pretraining against its digests and against params.yaml."""
    assert run.pretraining is not None, "it is one's pretraining that is held"
    run.pretraining.folder.check()
    _same(run.pretraining.folder.last, run.pretraining.spec | {"seed": run.seed}, run.pretraining.folder.read_last())


def _run(run: Run) -> None:
    """Hold a run against its digests, and its scores and counts against what they follow from."""
    run.folder.check()
    labels, recorded = inputs.labels(run), run.folder.read_last()
    if (run.data.path / "manifest.json").exists() or not labels:
        manifest = read_manifest(run.data.path)
        wanted = scores.content(run, labels, manifest.n["train"], manifest)
    else:  # who has none of the images may have the target clusters, which are as many
        count = len(next(iter(labels.values()))["train"])
        wanted, recorded = scores.content(run, labels, count, None), recorded | {"data": None}
    _same(run.folder.last, wanted, recorded)


def _same(path: Path, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise UserError with the entries that are not what they should be."""
    names = (wanted.keys() | found.keys()) - (LATER - found.keys())
    wrong = sorted(name for name in names if wanted.get(name) != found.get(name))
    if wrong:
        raise UserError(f"{path}: not what follows from its files: {', '.join(wrong)}; {seals.remake(path)}")


def _reports(plan: Plan) -> Iterator[Step]:
    """Summaries, tables, figures and the page of a study, in its own folder and, of the selected one, in reports/."""
    for within in ([""] if plan.name == plan.config.study else []) + [plan.name]:
        for name in plan.every_report:
            runs, out = plan.runs(name), REPORTS / within / name
            summary = layout.RESULTS / "summary" / within / f"{name}.csv"
            yield _made(summary, partial(_summary, summary, runs), runs)
            if name in plan.catalogue.tables:
                yield _made(Path(f"{out}.csv"), partial(_table, plan, name, out), runs)
                continue
            own = plan.precomputed(name)
            if own is not None:
                yield Step(own, own, partial(artifacts.read_arrays, own), tuple(runs))
            yield _made(Path(f"{out}.csv"), partial(_figure, plan, name, own, out), runs)
        runs, summary = plan.all_runs(), layout.RESULTS / within / "summary.csv"
        yield _made(summary, partial(_summary, summary, runs), runs)
        page = REPORTS / within / "index.html"
        yield _made(page, partial(_page, plan, page), runs)


def _made(last: Path, content: Callable[[], Mapping[Path, bytes | str]], runs: Iterable[Run]) -> Step:
    """A step that writes nothing but what follows from its runs."""
    return Step(last, last.with_suffix(""), lambda: _equal(last, content()), tuple(runs))


def _summary(path: Path, runs: Iterable[Run]) -> dict[Path, str]:
    return {path: stats.content(stats.collect(runs))}


def _table(plan: Plan, name: str, out: Path) -> dict[Path, str]:
    from pcl.intervals import Images
    from pcl.report import tables

    runs = plan.runs(name)
    return tables.contents(tables.build(plan, name, stats.collect(runs), Images(runs)), out)


def _figure(plan: Plan, name: str, own: Path | None, out: Path) -> dict[Path, bytes | str]:
    """From its own file where it has one, else from a summary made anew."""
    from pcl.report import drawing

    with TemporaryDirectory() as folder:
        source = own or Path(folder, "summary.csv")
        if own is None:
            stats.write(stats.collect(plan.runs(name)), source)
        return drawing.contents(plan.figure(name).drawing(source), out)


def _page(plan: Plan, out: Path) -> dict[Path, str]:
    from pcl.report import page

    drawn = [out.with_name(f"{name}.svg") for name in plan.reports if name in plan.config.figures]
    return {out: page.content(plan, stats.collect(plan.all_runs()), drawn, out)}


def _equal(last: Path, wanted: Mapping[Path, bytes | str]) -> None:
    """Raise UserError with a line for each file that is missing, or has another byte than it should."""
    lines, remedy = [], seals.remake(last, str(last))
    for path, content in wanted.items():
        whole = content.encode() if isinstance(content, str) else content
        with seals.refusing(path, remedy):
            found = path.read_bytes()
        if found != whole:
            place = next((n for n, pair in enumerate(zip(found, whole, strict=False)) if len(set(pair)) > 1), None)
            where = f"byte {min(len(found), len(whole)) if place is None else place}"
            lines.append(f"{path}: not what its runs give, from {where} on; {remedy}")
    if lines:
        raise UserError("\n".join(lines))
