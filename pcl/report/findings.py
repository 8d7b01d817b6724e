"""Headlines of the page: a number, whose it is, and how sure the lead is."""

from __future__ import annotations

from dataclasses import dataclass

from pcl.intervals import ENOUGH, Difference
from pcl.plan import Plan
from pcl.report.tables import FilledTable
from pcl.report.tables.filled import price
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
        where=f"{heading(table.name)} · {task} · {table.item.orientation}",
        anchor=table.name,
        number=f"{cell.mean:.3f}",
        whose=f"{best}, {table.item.split} {METRIC_NAMES[HEADLINE]}, mean of {cell.n} "
        f"seed{'s' * (cell.n > 1)} on {table.images[table.columns[task]]:,} images",
        sentence=_against(second, lead.difference),
        clear=lead.difference.clear,
    )


def of_prices(table: FilledTable) -> list[Finding]:
    """How many answers the best arm of a table needs for the ACC that is wanted, and where PCL stands beside it."""
    rows = {row.arm: row for row in table.rows if row.arm and any(cell.n for cell in row.cells.values())}
    prices = {arm: asked for arm in rows if (asked := price(table, arm)) is not None}
    if not prices:
        return []
    best = min(prices, key=lambda arm: (prices[arm], -rows[arm].cells[_at(table, prices[arm]), HEADLINE].mean))
    lead = table.leads[_at(table, prices[best]), HEADLINE]
    clear = lead is not None and lead.best == best and lead.difference.clear
    task, wanted = table.columns[table.tasks[0]], f"a mean {table.item.split} ACC of {table.item.wanted:.2f}"
    place = {"where": f"{heading(table.name)} · {task} · {table.item.orientation}", "anchor": table.name}
    others = (f"{row.title} {_cost(prices.get(arm), table)}" for arm, row in rows.items() if arm != best)
    found = [
        Finding(
            **place,
            number=str(prices[best]),
            whose=f"answers with which {rows[best].title} has {wanted}",
            sentence=f"{'; '.join(others)}." if len(rows) > 1 else "",
            clear=clear,
        )
    ]
    if "pcl" in rows and best != "pcl":
        own, first = rows["pcl"], rows[best]
        both = [
            f"with {asked} answers {own.cells[_at(table, asked), HEADLINE].mean:.3f}, where {first.title} has "
            f"{first.cells[_at(table, asked), HEADLINE].mean:.3f}"
            for asked in table.item.budgets
            if own.cells[_at(table, asked), HEADLINE].n
        ]
        found.append(
            Finding(
                **place,
                number=_cost(prices.get("pcl"), table),
                whose=f"answers that {own.title} needs for {wanted}",
                sentence=f"{own.title} has {'; '.join(both)}.",
                clear=False,
            )
        )
    return found


def _at(table: FilledTable, asked: int) -> str:
    """The column of a number of answers."""
    return table.tasks[table.item.budgets.index(asked)]


def _cost(found: int | None, table: FilledTable) -> str:
    return f"more than {max(table.item.budgets)}" if found is None else str(found)


def _against(runner_up: str, difference: Difference) -> str:
    """How the best stands against the next, in words."""
    ahead = f"{signed(difference.mean)} against {runner_up}"
    if difference.low is None or difference.high is None:
        return f"{ahead}; with {difference.n} seed, no interval."
    interval = f"95 % interval {signed(difference.low)} to {signed(difference.high)}"
    few = f"fewer than {ENOUGH} seeds, " if difference.n < ENOUGH else ""
    end = "." if difference.clear else f": {few}not a clear lead."
    return f"{ahead} ({interval}, {difference.n} seeds){end}"
