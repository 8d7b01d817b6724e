"""What an arm is, beside its scores: what it must be told, what it asks, whose code was read, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from pcl.folder import Folder
from pcl.plan import Plan, Run
from pcl.report.words import NO_VALUE, NOT_RUN
from pcl.sources import code_read

COLUMNS = ("needs K", "asks", "labels select", "licence of the code read", "representation", "seconds")
SELECTS = "no"
"""Of every method: only oracles and scores are handed labels (tests/methods/test_contract.py takes them away)."""
EXPLAINED = (
    "Needs K: must be told how many clusters there are. Asks: the strategy that chooses the pairs. Labels select: "
    "whether true labels choose an epoch, a head or a run. Licence: of the code that was read for its facts; none "
    "where it has no licence file, n/a where none was read. Seconds: of a run with what it starts from or takes over "
    "from others, on the machine and beside the load of the day; mean over the runs of the row."
)


def description(plan: Plan, table: str, arm: str) -> dict[str, str]:
    """Column of `COLUMNS` -> what is so of an arm of a table."""
    runs = [run for run in plan.runs(table) if run.arm == arm]
    one = runs[0]
    licences = dict.fromkeys(code_read(one.method).values())
    values = (
        "no" if one.method.finds_clusters else "yes",
        _asks(one),
        SELECTS,
        ", ".join(licences) or NO_VALUE,
        _representation(one),
        _seconds(runs),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _asks(run: Run) -> str:
    if run.answers is not None:
        return f"as {run.answers.arm}"
    chosen = run.method.strategy(run.settings)
    return chosen.name if chosen else "nothing"


def _representation(run: Run) -> str:
    if run.method.network:
        return "its own" if run.frozen is None else f"its own on {run.frozen.name}"
    return f"clusters of {run.source.arm}" if run.source else ", ".join(own.name for own in run.features)


def _seconds(runs: list[Run]) -> str:
    """Mean over those runs of which every part is still there."""
    parts = [list(_parts(run)) for run in runs]
    taken = [
        sum(float(part.read_provenance()["seconds"]) for part in needed)
        for needed in parts
        if all(part.provenance.exists() for part in needed)
    ]
    return f"{fmean(taken):.1f}" if taken else NOT_RUN


def _parts(run: Run) -> Iterator[Folder]:
    """The folders of a run, of its pretraining, and of the runs that it takes from."""
    yield run.folder
    if run.pretraining:
        yield run.pretraining.folder
    for other in run.takes_from:
        yield from _parts(other)
