"""What a study takes: runs, hours and disk by method, as far as runs on disk say what one image costs.

What a step on one image costs depends on the method, the network, the image size and the batches; for what clusters
features, on the data set. The median of the runs that agree in these is the measure, whatever their study: a number
from another network or another size would be a guess. A run that was killed counts from its last start only.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pcl.errors import UserError
from pcl.folder import Folder, PretrainingFolder, RunFolder
from pcl.layout import PRETRAINING, RUN
from pcl.plan import Plan, Plans, Run

COSTLY = ("image_size", "backbone", "batch_size")
Kind = tuple[str, ...]
"""What agrees in what an image costs: the method, and settings or data set."""


@dataclass
class Measured:
    """What runs of one kind have cost: by device the seconds an image, each time it is passed through, and bytes."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    size: list[int] = field(default_factory=list)


@dataclass
class Line:
    """What the runs of one method take in a study, and of how many of them that is not known."""

    method: str
    runs: int = 0
    images: int = 0
    uncounted: int = 0
    """Runs on data of which nobody knows yet how many images there are."""
    hours: dict[str, float] = field(default_factory=dict)
    unmeasured: int = 0
    size: int = 0
    unsized: int = 0

    def add(self, images: int | None, measured: Measured) -> None:
        """One more run, that passes so many images through."""
        self.runs += 1
        self.images += images or 0
        self.uncounted += images is None
        self.size += round(median(measured.size)) if measured.size else 0
        self.unsized += not measured.size
        if images is None or not measured.seconds:
            self.unmeasured += 1
            return
        # Of several devices that on which most was measured.
        device, seconds = max(measured.seconds.items(), key=lambda found: len(found[1]))
        self.hours[device] = self.hours.get(device, 0.0) + median(seconds) * images / 3600


@dataclass(frozen=True)
class Cost:
    """A study's lines, pretraining first, and what several runs share."""

    study: str
    lines: list[Line]
    runs: int
    complete: int
    shared: dict[str, int]


def of_study(plan: Plan, plans: Plans) -> Cost:
    """What a study takes, measured by the runs of any study that are on disk."""
    runs, found = plan.all_runs(), _measured(plans)
    lines: dict[str, Line] = {}

    def add(name: str, settings: dict[str, Any], run: Run, passes: int | None) -> None:
        lines.setdefault(name, Line(name)).add(passes, found[_kind(name, settings, run.data.name)])

    pretrainings = {run.pretraining.path: (run.pretraining, run) for run in runs if run.pretraining is not None}
    for pretraining, run in pretrainings.values():
        name = f"pretraining of {pretraining.name}"
        add(name, pretraining.spec["settings"], run, _passes(run, pretraining=True))
    for run in runs:
        add(run.method_name, run.settings.model_dump(mode="json"), run, _passes(run))
    taken = {other.path for run in runs for other in run.takes_from}
    shared = {
        "pretrainings": len(pretrainings),
        "runs that start from them": sum(run.pretraining is not None for run in runs),
        "features": len({own.path for run in runs for own in run.representations}),
        "runs that look at them": sum(bool(run.representations) for run in runs),
        "runs that others take from": len(taken),
        "runs scored in several orientations": sum(len(run.targets) > 1 for run in runs),
    }
    return Cost(plan.name, list(lines.values()), len(runs), sum(run.folder.complete for run in runs), shared)


def _kind(method: str, settings: dict[str, Any], data: str) -> Kind:
    if "backbone" not in settings:
        return method, data
    return method, json.dumps({name: settings.get(name) for name in COSTLY}, sort_keys=True)


def _passes(run: Run, *, pretraining: bool = False) -> int | None:
    """Images times epochs, at most; None where nobody knows how many images there are."""
    images = run.data.dataset.training_images()
    if images is None or not run.method.network:
        return images
    stages = run.method(run.settings, run.clusters, run.budget).stages()
    kept = [stage for stage in stages if run.pretraining is None or stage.pretraining is pretraining]
    return images * sum(stage.epochs for stage in kept)


def _measured(plans: Plans) -> dict[Kind, Measured]:
    found: dict[Kind, Measured] = defaultdict(Measured)
    for folder, name, settings, data, images in _on_disk(plans):
        try:
            made, epochs = folder.read_provenance(), folder.epochs() if folder.history.exists() else 0
        except UserError:
            continue  # damaged: `pcl verify` says so
        measured = found[_kind(name, settings, data)]
        measured.size.append(sum(path.stat().st_size for path in folder.path.iterdir() if path.is_file()))
        if images and "seconds" in made:
            measured.seconds[made["device"]].append(made["seconds"] / (images * max(1, epochs)))
    return found


def _on_disk(plans: Plans) -> Iterator[tuple[Folder, str, dict[str, Any], str, int | None]]:
    """Every complete run and pretraining: folder, method, settings, data set, and how many images that has."""
    sizes = {}
    for task in plans.config.tasks:
        data = plans.selected.data(task)
        sizes[task] = sizes[data.name] = (data.name, data.dataset.training_images())
    for path in RUN.found():
        yield from _one(RunFolder(path), path.parts[2], sizes)
    for path in PRETRAINING.found():
        yield from _one(PretrainingFolder(path), path.parts[2], sizes)


def _one(
    folder: Folder, scope: str, sizes: dict[str, tuple[str, int | None]]
) -> Iterable[tuple[Folder, str, dict[str, Any], str, int | None]]:
    if scope not in sizes or not folder.complete:
        return
    content = folder.read_last()
    spec = content.get("spec", content)
    name = f"pretraining of {spec['pretraining']}" if spec is content else spec["method"]
    yield folder, name, spec["settings"], *sizes[scope]


def words(cost: Cost) -> Iterator[str]:
    """The cost, line by line; "+" stands where some of the runs are not in the number."""
    yield f"study {cost.study}: {cost.runs} runs, {cost.complete} of them complete"
    yield f"{'method':<28}{'runs':>6}{'images passed':>16}{'hours':>12}{'disk, MB':>12}  measured on"
    for line in cost.lines:
        images = _number(f"{line.images:,}", line.uncounted, line.runs, "unknown")
        hours = _number(f"{sum(line.hours.values()):.2f}", line.unmeasured, line.runs, "unmeasured")
        size = _number(f"{line.size / 1e6:.1f}", line.unsized, line.runs, "unmeasured")
        yield f"{line.method:<28}{line.runs:>6}{images:>16}{hours:>12}{size:>12}  {', '.join(line.hours)}".rstrip()
    known: dict[str, float] = defaultdict(float)
    for line in cost.lines:
        for device, hours_on in line.hours.items():
            known[device] += hours_on
    total = ", ".join(f"{hours_on:.2f} hours on {device}" for device, hours_on in known.items()) or "nothing measured"
    unmeasured, steps = (sum(getattr(line, name) for line in cost.lines) for name in ("unmeasured", "runs"))
    yield f"in all: {total}" + (
        f"; {unmeasured} of {steps} runs and pretrainings are unmeasured" if unmeasured else ""
    )
    yield "shared: " + ", ".join(f"{n} {name}" for name, n in cost.shared.items() if n)


def _number(text: str, missing: int, runs: int, otherwise: str) -> str:
    return otherwise if missing == runs else text + "+" * (missing > 0)
