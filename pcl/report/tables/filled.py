"""The paper's tables, filled from the summary of runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from pcl import config, intervals, stats
from pcl.errors import UserError, did_you_mean
from pcl.plan import Plan
from pcl.report.tables.described import COLUMNS, description
from pcl.report.tables.paper import Published, published
from pcl.report.words import NEEDS_CLUSTERS, NO_VALUE, NOT_RUN


@dataclass(frozen=True)
class Cell:
    """One score: mean and standard deviation over n seeds (none: not run), and the paper's value."""

    mean: float = math.nan
    std: float = math.nan
    n: int = 0
    published: float | None = None
    clear: bool = False
    """Whether this is the best of its column and its lead is clear."""
    without: str = NOT_RUN
    """Why there is none, where n is 0."""
    difference: intervals.Difference | None = None
    """From the arm that it is held against, where the table has such a column and both have run."""


class Questions(NamedTuple):
    """Means over seeds: pairs asked, pairs implied, and images with a known neighbourhood (NaN: none can be told)."""

    asked: float
    implied: float
    placed: float


@dataclass(frozen=True)
class Row:
    """One method: its cells by (task, metric); per task its questions, and how many clusters it found on average."""

    group: str
    title: str
    arm: str | None
    cells: dict[tuple[str, str], Cell]
    questions: dict[str, Questions]
    found: dict[str, float]
    closure: str
    described: dict[str, str]
    """What it is, by column, where the table says so."""


@dataclass(frozen=True)
class FilledTable:
    """A filled table."""

    name: str
    item: config.Table
    tasks: list[str]
    """Its columns, less the metrics: tasks, or with `budgets` a task and a number of answers each."""
    columns: dict[str, str]
    """Each of them -> its task."""
    rows: list[Row]
    leads: dict[tuple[str, str], intervals.Lead | None]
    published_tasks: list[str]
    source: Published
    """The paper that these are of."""
    seeds: list[int]
    images: dict[str, int]
    """Task -> images scored, of the tasks that have a run."""
    chance: dict[str, float]
    """Task -> the highest ACC that is not above chance, of the same tasks."""
    at_chance: dict[tuple[str, str], list[int]]
    """(Arm, task) -> the seeds that ended at chance, where one did."""
    notes: list[str]
    """What params.yaml says of the arms."""
    open: set[str]
    """The tasks of which nobody knows how many clusters there are."""
    refused: dict[str, str]
    """The title of an arm with one setting changed that cannot run -> why."""

    @property
    def described(self) -> tuple[str, ...]:
        """The columns that say what each method is, if any."""
        return COLUMNS if self.item.described else ()

    @property
    def asks(self) -> bool:
        """Whether any method of the table asks questions, and the columns do not say how many."""
        return not self.item.budgets and any(own.asked for row in self.rows for own in row.questions.values())


def build(plan: Plan, name: str, summary: pd.DataFrame, images: intervals.Images) -> FilledTable:
    """A table of the plan's study.

    Args:
        plan: the study.
        name: a table of params.yaml.
        summary: what it is filled from.
        images: those of its runs.

    Raises:
        UserError: there is no such table, or the folder of a run is incomplete.
    """
    known = plan.catalogue.tables
    if name not in known:
        raise UserError(f"table: no such table{did_you_mean(name, known)}")
    item = known[name]
    columns = {task: task for task in plan.tasks(item)}
    seen = dict.fromkeys(columns, item.orientation)
    frame = stats.of_runs(summary, plan.runs(name))
    frame = frame[frame["orientation"].isin(item.orientations) & (frame["split"] == item.split)]
    if item.beside is not None:
        seen = {f"{task}, {orientation}": orientation for task in columns for orientation in item.orientations}
        columns = {f"{task}, {orientation}": task for task in columns for orientation in item.orientations}
        frame = frame.assign(task=frame["task"] + ", " + frame["orientation"])
    if item.budgets:
        seen = {f"{column}, {asked} answers": seen[column] for column in columns for asked in item.budgets}
        columns = {f"{column}, {asked} answers": task for column, task in columns.items() for asked in item.budgets}
        asked = frame["budget"].map(lambda own: [own] if own else item.budgets)  # none: it stands at every number
        frame = frame.assign(answers=asked).explode("answers", ignore_index=True)
        frame = frame.assign(task=frame["task"] + ", " + frame["answers"].astype(str) + " answers")
    tasks = list(columns)
    places: list[tuple[str, str]] = [(task, metric) for task in tasks for metric in item.metrics]
    leads = {
        (task, metric): intervals.lead(frame[frame["task"] == task], metric, item.arms, images)
        for task, metric in places
    }
    source = published(name)
    paper = source.beside(name, item, tasks)
    printed, answering = paper.by_row(tasks), {arm: row for row, arm in paper.arms.items()}
    lacking = {(arm, column) for column, task in columns.items() for arm, of in plan.lacking(item) if of == task}
    rows: list[Row] = []
    for group in dict.fromkeys([*item.rows, *paper.rows]):
        for arm in item.rows.get(group, []):
            own = frame[frame["arm"] == arm]
            cells = _cells(own, arm, leads, printed.get(answering.get(arm, ""), {}), lacking)
            if item.differences:
                cells = {
                    place: replace(cell, clear=False, difference=_difference(frame, place, arm, item, images))
                    for place, cell in cells.items()
                }
            title = item.titles.get(arm) or plan.title(arm)
            found = own.groupby("task")["found"].mean().to_dict()
            what = description(plan, name, arm) if item.described else {}
            rows.append(Row(group, title, arm, cells, _questions(own), found, _closure(own), what))
        for row in paper.rows.get(group, {}):
            if paper.arms.get(row) not in item.arms:
                cells = {place: Cell(published=printed[row].get(place)) for place in places}
                rows.append(Row(group, row, None, cells, {}, {}, NOT_RUN, {}))
    if item.differences:
        rows = _by_size(rows, places[0])
    shown = [task for task in tasks if task in paper.tasks]
    notes = dict.fromkeys(note for arm in item.arms if (note := plan.catalogue.arms[arm].note))
    made = [task for task in tasks if task in set(frame["task"])]
    chance = {task: images.chance(columns[task], seen[task], item.split) for task in made}
    return FilledTable(
        name=name,
        item=item,
        tasks=tasks,
        columns=columns,
        rows=rows,
        leads=leads,
        published_tasks=shown,
        source=source,
        seeds=sorted(frame["seed"].unique().tolist()),
        images=images.counts(dict.fromkeys(columns[task] for task in made), item.split),
        chance=chance,
        at_chance=_at_chance(frame, chance),
        notes=[*notes, *plan.remarks(name)],
        open={column for column, task in columns.items() if plan.config.tasks[task].clusters is None},
        refused={plan.title(arm): reason for (arm, _), reason in plan.refused(item).items()},
    )


def _by_size(rows: list[Row], place: tuple[str, str]) -> list[Row]:
    """The rows of each group by the size of their difference at one place, the group's first row above them."""
    heads = {row.group: row for row in reversed(rows)}
    groups = list(dict.fromkeys(row.group for row in rows))

    def order(row: Row) -> tuple[int, bool, float]:
        found = row.cells[place].difference
        return groups.index(row.group), row is not heads[row.group], -abs(found.mean) if found else math.inf

    return sorted(rows, key=order)


def price(table: FilledTable, arm: str) -> int | None:
    """The fewest answers of the table with which an arm's mean ACC is what is wanted; None where none are enough."""
    cells = next(row.cells for row in table.rows if row.arm == arm)
    enough = (
        asked
        for asked, task in zip(table.item.budgets, table.tasks, strict=False)
        if cells[task, "acc"].mean >= (table.item.wanted or 0)
    )
    return min(enough, default=None)


def _at_chance(frame: pd.DataFrame, chance: dict[str, float]) -> dict[tuple[str, str], list[int]]:
    """(Arm, task) -> the seeds whose ACC is not above chance."""
    low = frame[frame["acc"] <= frame["task"].map(chance)]
    return {place: sorted(group["seed"]) for place, group in low.groupby(["arm", "task"], sort=False)}


def _cells(
    frame: pd.DataFrame,
    arm: str,
    leads: dict[tuple[str, str], intervals.Lead | None],
    printed: dict[tuple[str, str], float],
    lacking: set[tuple[str, str]],
) -> dict[tuple[str, str], Cell]:
    """The cells of one arm, given its rows of the summary."""
    found = stats.aggregate(frame, ["task"]).set_index(["task", "metric"])
    cells = {}
    for place, lead in leads.items():
        clear = lead is not None and lead.best == arm and lead.difference.clear
        mean, std, n = found.loc[place] if place in found.index else (math.nan, math.nan, 0)
        without = NEEDS_CLUSTERS if (arm, place[0]) in lacking else NOT_RUN
        cells[place] = Cell(float(mean), float(std), int(n), printed.get(place), clear, without)
    return cells


def _difference(
    frame: pd.DataFrame, place: tuple[str, str], arm: str, item: config.Table, images: intervals.Images
) -> intervals.Difference | None:
    """Of an arm from the one that the table holds it against, at one place."""
    task, metric = place
    if arm not in item.against:
        return None
    return intervals.between(frame[frame["task"] == task], metric, arm, item.against[arm], images)


def _questions(frame: pd.DataFrame) -> dict[str, Questions]:
    """What an arm asked, per task."""
    implied = frame["implied_must"] + frame["implied_cannot"]
    means = frame.assign(implied=implied).groupby("task")[list(Questions._fields)].mean()
    return {str(task): Questions(*map(float, row)) for task, row in means.iterrows()}


def _closure(frame: pd.DataFrame) -> str:
    """Whether an arm trains on implied pairs."""
    closures = sorted(set(frame["closure"]))
    return NOT_RUN if not closures else ", ".join(closures) or NO_VALUE
