"""The paper's tables, filled from the summary of runs, as CSV, Markdown, LaTeX and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from pcl import artifacts, config, stats
from pcl.config import Strict
from pcl.errors import UserError
from pcl.plan import Plan

METRICS = ("nmi", "ari", "f", "acc")
"""In the order of the paper's columns."""
NAMES = {"nmi": "NMI", "ari": "ARI", "f": "F", "acc": "ACC", "pairwise_f1": "pairwise F1"}
NOT_RUN = "not run"
NOT_PUBLISHED = "not published"
NO_VALUE = "n/a"


class PublishedTable(Strict):
    """One table of the paper: group -> row -> task -> NMI, ARI, F, ACC; and row -> our arm."""

    orientation: str
    rows: dict[str, dict[str, dict[str, tuple[float, float, float, float]]]]
    arms: dict[str, str]

    @property
    def tasks(self) -> set[str]:
        """The paper's own tasks."""
        return {task for rows in self.rows.values() for values in rows.values() for task in values}

    def by_row(self, tasks: list[str]) -> dict[str, dict[tuple[str, str], float]]:
        """Row -> (task, metric) -> the value printed."""
        return {
            row: {
                (task, metric): value
                for task in tasks
                for metric, value in zip(METRICS, values.get(task, ()), strict=task in values)
            }
            for rows in self.rows.values()
            for row, values in rows.items()
        }


class Published(Strict):
    """The numbers of the paper."""

    paper: str
    note: str
    tables: dict[str, PublishedTable]

    def beside(self, name: str, item: config.Table, tasks: list[str]) -> PublishedTable:
        """What to hold our table against; empty where neither task nor orientation is the paper's own."""
        found = self.tables.get(name)
        if found is None or found.orientation != item.orientation or not found.tasks & set(tasks):
            return PublishedTable(orientation=item.orientation, rows={}, arms={})
        return found


@dataclass(frozen=True)
class Cell:
    """One score: mean and standard deviation over n seeds (none: not run), and the paper's value."""

    mean: float = math.nan
    std: float = math.nan
    n: int = 0
    published: float | None = None
    clear: bool = False
    """Whether this is the best of its column and the difference to the runner-up excludes 0."""


@dataclass(frozen=True)
class Row:
    """One method: its cells by (task, metric); per task the mean counts of asked and implied pairs."""

    group: str
    label: str
    arm: str | None
    cells: dict[tuple[str, str], Cell]
    questions: dict[str, tuple[float, float]]
    closure: str


@dataclass(frozen=True)
class Table:
    """A filled table."""

    name: str
    item: config.Table
    tasks: list[str]
    rows: list[Row]
    leads: dict[tuple[str, str], stats.Lead | None]
    published_tasks: list[str]
    seeds: list[int]
    notes: list[str]
    """What params.yaml says of the arms."""

    @property
    def asks(self) -> bool:
        """Whether any method of the table asks questions."""
        return any(asked for row in self.rows for asked, _ in row.questions.values())

    def caption(self) -> list[str]:
        """What a reader must know, in sentences."""
        sentences = [
            f"{self.item.title}.",
            self._spread(),
            "Bold: the best mean of a column, where the 95 % interval of its paired-by-seed difference to "
            "the runner-up excludes 0.",
            "F is the Fowlkes–Mallows index.",
        ]
        if self.asks:
            sentences.append("Questions: pairs asked + pairs that the answers imply, mean over seeds.")
            sentences.append("Closure: whether implied pairs are trained on.")
        sentences += self.notes
        if self.published_tasks:
            sentences += [f"In brackets: as published in {published().paper}.", published().note]
        return sentences

    def _spread(self) -> str:
        """Over what mean and standard deviation are taken."""
        counts = sorted({cell.n for row in self.rows for cell in row.cells.values() if cell.n})
        where = f"({', '.join(str(seed) for seed in self.seeds)}), {self.item.split} images."
        if not counts:
            return "No run of this table has been made yet."
        if counts == [1]:
            return f"One training seed {where} It has no standard deviation."
        n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"Mean ± standard deviation (ddof = 1) over {n} training seeds {where}"


@cache
def published() -> Published:
    """The paper's numbers."""
    path = Path(__file__).with_name("published.yaml")
    found: Published = config.validate(Published, config.read_yaml(path), str(path))
    return found


def build(plan: Plan, name: str, summary: pd.DataFrame) -> Table:
    """A table of the plan's study, filled from a summary.

    Raises:
        UserError: there is no such table.
    """
    known = plan.config.every_table
    if name not in known:
        raise UserError(f"table: no such table{config.did_you_mean(name, known)}")
    item = known[name]
    tasks = plan.tasks(item)
    frame = stats.of_runs(summary, plan.runs(name))
    frame = frame[(frame["orientation"] == item.orientation) & (frame["split"] == item.split)]
    places = [(task, metric) for task in tasks for metric in METRICS]
    leads = {(task, metric): _lead(frame[frame["task"] == task], metric, item.arms) for task, metric in places}
    paper = published().beside(name, item, tasks)
    printed, answering = paper.by_row(tasks), {arm: row for row, arm in paper.arms.items()}
    rows: list[Row] = []
    for group in dict.fromkeys([*item.rows, *paper.rows]):
        for arm in item.rows.get(group, []):
            own = frame[frame["arm"] == arm]
            cells = _cells(own, arm, leads, printed.get(answering.get(arm, ""), {}))
            label = item.labels.get(arm, plan.config.every_arm[arm].label)
            rows.append(Row(group, label, arm, cells, *_questions(own)))
        for row in paper.rows.get(group, {}):
            if paper.arms.get(row) not in item.arms:
                cells = {place: Cell(published=printed[row].get(place)) for place in places}
                rows.append(Row(group, row, None, cells, {}, NOT_RUN))
    shown = [task for task in tasks if task in paper.tasks]
    notes = dict.fromkeys(note for arm in item.arms if (note := plan.config.every_arm[arm].note))
    return Table(name, item, tasks, rows, leads, shown, sorted(frame["seed"].unique().tolist()), list(notes))


def to_csv(table: Table) -> str:
    """One header row, one row per method, three to four columns per score."""
    header = ["group", "method", "arm"]
    for task in table.tasks:
        for metric in METRICS:
            kinds = ["mean", "std", "n"] + (["published"] if task in table.published_tasks else [])
            header += [f"{task} {NAMES[metric]} {kind}" for kind in kinds]
        if table.asks:
            header += [f"{task} asked", f"{task} implied"]
    if table.asks:
        header.append("closure")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in table.rows:
        values: list[Any] = [row.group, row.label, row.arm or NO_VALUE]
        for task in table.tasks:
            for metric in METRICS:
                cell = row.cells[task, metric]
                values += [
                    _number(cell.mean, NOT_RUN),
                    _number(cell.std, NO_VALUE if cell.n else NOT_RUN),
                    cell.n,
                ]
                if task in table.published_tasks:
                    values.append(NOT_PUBLISHED if cell.published is None else cell.published)
            if table.asks:
                values += [f"{count:g}" for count in row.questions.get(task, ())] or [NOT_RUN, NOT_RUN]
        writer.writerow(values + ([row.closure] if table.asks else []))
    return text.getvalue()


def to_markdown(table: Table, command: str) -> str:
    """A heading, the table and its caption."""
    header, body = _grid(table, bold=lambda text: f"**{text}**")
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2), *body]
    grid = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    caption = " ".join(table.caption()[1:])
    return f"## {table.item.title}\n\n{grid}\n\n{caption}\n\nMade by `{command}`.\n"


def to_latex(table: Table, command: str) -> str:
    r"""A `table*` float for a document that loads `booktabs`."""
    header, body = _grid(table, bold=lambda text: rf"\textbf{{{text}}}", escape=_escape)
    per_task = (len(header) - 2 - table.asks) // len(table.tasks)
    first, rules, column = ["", ""], [], 3
    for task in table.tasks:
        first.append(rf"\multicolumn{{{per_task}}}{{c}}{{{_escape(task)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + per_task - 1}}}")
        column += per_task
    names = [*(NAMES[metric] for metric in METRICS), *(["questions"] if table.asks else [])]
    second = ["", "method", *names * len(table.tasks), *(["closure"] if table.asks else [])]
    first += [""] * table.asks
    lines: list[str] = []
    group = ""
    for line in body:
        if lines and line[0] != group:
            lines.append(r"\midrule")
        shown = "" if line[0] == group else line[0]
        group = line[0]
        lines.append(" & ".join([shown, *line[1:]]) + r" \\")
    return "\n".join(
        [
            f"% Made by: {command}",
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{_escape(' '.join(table.caption()))}}}",
            rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{ll{'r' * (len(header) - 2)}}}",
            r"\toprule",
            " & ".join(first) + r" \\",
            " ".join(rules),
            " & ".join(second) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def to_metrics(table: Table) -> dict[str, dict[str, dict[str, float]]]:
    """Task -> arm -> metric -> mean, of what was run."""
    return {
        task: {
            row.arm: {metric: round(row.cells[task, metric].mean, 6) for metric in METRICS}
            for row in table.rows
            if row.arm and row.cells[task, METRICS[0]].n
        }
        for task in table.tasks
    }


def write(table: Table, out: Path) -> None:
    """Write `out` with the endings .csv, .md, .tex and .json, each whole or not at all."""
    command = f"snakemake --cores 2 {out.as_posix()}.csv"
    artifacts.write(Path(f"{out}.md"), to_markdown(table, command))
    artifacts.write(Path(f"{out}.tex"), to_latex(table, command))
    artifacts.write_json(Path(f"{out}.json"), to_metrics(table))
    artifacts.write(Path(f"{out}.csv"), to_csv(table))


def text(cell: Cell) -> str:
    """A score as it is read: "0.737 ± 0.012"; n is told where it is 1."""
    if not cell.n:
        return NOT_RUN
    return f"{cell.mean:.3f} ± {cell.std:.3f}" if cell.n > 1 else f"{cell.mean:.3f} (n = 1)"


def asked_and_implied(questions: tuple[float, float] | None) -> str:
    """Questions as they are read: "300 + 631"."""
    if questions is None:
        return NOT_RUN
    return " + ".join(f"{count:.0f}" for count in questions) if any(questions) else "none"


def _lead(frame: pd.DataFrame, metric: str, arms: list[str]) -> stats.Lead | None:
    scores = frame.pivot(index="seed", columns="arm", values=metric)
    return stats.lead(scores.reindex(columns=list(dict.fromkeys(arms))))


def _cells(
    frame: pd.DataFrame,
    arm: str,
    leads: dict[tuple[str, str], stats.Lead | None],
    printed: dict[tuple[str, str], float],
) -> dict[tuple[str, str], Cell]:
    """The cells of one arm, given its rows of the summary."""
    found = stats.aggregate(frame, ["task"]).set_index(["task", "metric"])
    cells = {}
    for place, lead in leads.items():
        clear = lead is not None and lead.best == arm and lead.difference.clear
        mean, std, n = found.loc[place] if place in found.index else (math.nan, math.nan, 0)
        cells[place] = Cell(float(mean), float(std), int(n), printed.get(place), clear)
    return cells


def _questions(frame: pd.DataFrame) -> tuple[dict[str, tuple[float, float]], str]:
    """Per task the means of questions asked and of pairs implied, and the closure of an arm."""
    implied = frame["implied_must"] + frame["implied_cannot"]
    means = frame.assign(implied=implied).groupby("task")[["asked", "implied"]].mean()
    closures = sorted(set(frame["closure"]))
    closure = NOT_RUN if not closures else ", ".join(closures) or NO_VALUE
    return {str(task): (float(row.asked), float(row.implied)) for task, row in means.iterrows()}, closure


def _grid(
    table: Table, bold: Callable[[str], str], escape: Callable[[str], str] = str
) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a table for reading."""
    header = ["", "method"]
    for task in table.tasks:
        header += [f"{task} {NAMES[metric]}" for metric in METRICS] + [f"{task} questions"] * table.asks
    body = []
    for row in table.rows:
        line = [escape(row.group), escape(row.label)]
        for task in table.tasks:
            for metric in METRICS:
                cell = row.cells[task, metric]
                score = bold(escape(text(cell))) if cell.clear else escape(text(cell))
                line.append(score if cell.published is None else f"{score} [{cell.published:.3f}]")
            line += [asked_and_implied(row.questions.get(task))] * table.asks
        body.append(line + [row.closure] * table.asks)
    return header + ["closure"] * table.asks, body


def _number(value: float, otherwise: str) -> str | float:
    return otherwise if math.isnan(value) else round(value, 6)


LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}


def _escape(value: str) -> str:
    return "".join(LATEX.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in value)
