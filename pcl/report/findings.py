"""Headlines of the page: a number, whose it is, and how sure the lead is."""

from __future__ import annotations

from dataclasses import dataclass

from pcl.intervals import ENOUGH, Difference
from pcl.plan import Plan
from pcl.report.tables import FilledTable
from pcl.report.words import METRIC_NAMES, heading, signed

HEADLINE = "acc"


@dataclass(frozen=True)
class Finding:
    """One headline."""

    where: str
    anchor: str
    number: str
    whose: str
    sentence: str
    clear: bool


def of_table(plan: Plan, table: FilledTable, task: str) -> Finding | None:
    """Who leads in one table on one task."""
    lead = table.leads[task, HEADLINE]
    if lead is None:
        return None
    cell = next(row.cells[task, HEADLINE] for row in table.rows if row.arm == lead.best)
    labels = {arm: plan.config.arms[arm].title for arm in table.item.arms}
    best, second = labels[lead.best], labels[lead.runner_up]
    return Finding(
        where=f"{heading(table.name)} · {task} · {' and '.join(table.item.orientations)}",
        anchor=table.name,
        number=f"{cell.mean:.3f}",
        whose=f"{best}, {table.item.split} {METRIC_NAMES[HEADLINE]}, mean of {cell.n} "
        f"seed{'s' * (cell.n > 1)} on {table.images[table.columns[task]]:,} images",
        sentence=_against(second, lead.difference),
        clear=lead.difference.clear,
    )


def _against(runner_up: str, difference: Difference) -> str:
    """How the best stands against the next, in words."""
    ahead = f"{signed(difference.mean)} against {runner_up}"
    if difference.low is None or difference.high is None:
        return f"{ahead}; with {difference.n} seed, no interval."
    interval = f"95 % interval {signed(difference.low)} to {signed(difference.high)}"
    few = f"fewer than {ENOUGH} seeds, " if difference.n < ENOUGH else ""
    end = "." if difference.clear else f": {few}not a clear lead."
    return f"{ahead} ({interval}, {difference.n} seeds){end}"
