"""A filled table as CSV, Markdown and LaTeX, and its headlines as JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pcl import artifacts
from pcl.report.tables.captions import caption
from pcl.report.tables.escaping import latex, markdown
from pcl.report.tables.filled import Cell, FilledTable, Row
from pcl.report.words import METRIC_NAMES, NO_VALUE, NOT_PUBLISHED, asked_and_implied, count, interval

HEADLINES = ("acc", "nmi")
DIFFERENCE = ["difference", "low", "high"]


def to_csv(table: FilledTable) -> str:
    """One header row, one row per method, three to seven columns per score."""
    header = ["group", "method", "arm", *table.described]
    for task in table.tasks:
        for metric in table.item.metrics:
            kinds = ["mean", "std", "n"] + (["published"] if task in table.published_tasks else [])
            kinds += DIFFERENCE * table.item.differences
            header += [f"{task} {METRIC_NAMES[metric]} {kind}" for kind in kinds]
        if table.asks:
            header += [f"{task} asked", f"{task} implied", f"{task} placed"]
        if task in table.open:
            header.append(f"{task} K found")
    if table.asks:
        header.append("closure")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in table.rows:
        values: list[Any] = [row.group, row.title, row.arm or NO_VALUE, *_described(row, table)]
        for task in table.tasks:
            for metric in table.item.metrics:
                cell = row.cells[task, metric]
                values += [
                    _number(cell.mean, cell.without),
                    _number(cell.std, NO_VALUE if cell.n else cell.without),
                    cell.n,
                ]
                if task in table.published_tasks:
                    values.append(NOT_PUBLISHED if cell.published is None else cell.published)
                if table.item.differences:
                    found = cell.difference
                    ends = (None, None, None) if found is None else (found.mean, found.low, found.high)
                    values += [NO_VALUE if end is None else round(end, 6) for end in ends]
            if table.asks:
                without = row.cells[task, table.item.metrics[0]].without
                values += [_number(count, NO_VALUE) for count in row.questions.get(task, ())] or [without] * 3
            if task in table.open:
                values.append(_found(row, task, table))
        writer.writerow(values + ([row.closure] if table.asks else []))
    return text.getvalue()


def to_markdown(table: FilledTable, command: str) -> str:
    """A heading, the table and its caption."""
    header, body = _grid(table, bold=lambda text: f"**{text}**", escape=markdown)
    words = 2 + len(table.described)
    lines = [header, ["---"] * words + ["---:"] * (len(header) - words), *body]
    grid = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    below = markdown(" ".join(caption(table)))
    return f"## {markdown(table.item.title)}\n\n{grid}\n\n{below}\n\nMade by `{command}`.\n"


def to_latex(table: FilledTable, command: str) -> str:
    r"""A `table*` float, shrunk to the width of the page where it is wider.

    For a document of one column or two that loads `booktabs` and `graphicx`.
    """
    header, body = _grid(table, bold=lambda text: rf"\textbf{{{text}}}", escape=latex)
    about = len(table.described)
    first, rules, column = [""] * (2 + about), [], 3 + about
    second = ["", "method", *map(latex, table.described)]
    for task in table.tasks:
        names = _scores(table)
        names += ["questions"] * table.asks + ["K found"] * (task in table.open)
        second += names
        per_task = len(names)
        first.append(rf"\multicolumn{{{per_task}}}{{c}}{{{latex(task)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + per_task - 1}}}")
        column += per_task
    second += ["closure"] * table.asks
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
            r"% Needs \usepackage{booktabs,graphicx}.",
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{latex(' '.join([f'{table.item.title}.', *caption(table)]))}}}",
            rf"\label{{tab:{table.name}}}",
            r"\providecommand{\resizebox}[3]{#3}",
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{'l' * (2 + about)}{'r' * (len(header) - 2 - about)}}}",
            r"\toprule",
            " & ".join(first) + r" \\",
            " ".join(rules),
            " & ".join(second) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    )


def to_metrics(table: FilledTable) -> dict[str, dict[str, float]]:
    """Arm -> "task METRIC" -> mean, of what was run: one file for each, which `dvc metrics show` makes a row of."""
    found = {}
    for row in table.rows:
        made = [task for task in table.tasks if row.arm and row.cells[task, table.item.metrics[0]].n]
        if row.arm and made:
            found[row.arm] = {
                f"{task} {METRIC_NAMES[metric]}": round(row.cells[task, metric].mean, 6)
                for task in made
                for metric in HEADLINES
                if metric in table.item.metrics
            }
    return found


def contents(table: FilledTable, out: Path) -> dict[Path, str]:
    """File -> content: `out` with the endings .md, .tex and .csv, and metrics/<name>/<arm>.json beside it."""
    command = f"snakemake --cores 2 {out.as_posix()}.csv"
    folder = out.parent / "metrics" / out.name
    return {
        Path(f"{out}.md"): to_markdown(table, command),
        Path(f"{out}.tex"): to_latex(table, command),
        **{folder / f"{arm}.json": artifacts.as_json(means) for arm, means in to_metrics(table).items()},
        Path(f"{out}.csv"): to_csv(table),
    }


def write(table: FilledTable, out: Path) -> None:
    """Write `contents`, and remove what there is of arms that are not in the table any more."""
    folder, made = out.parent / "metrics" / out.name, contents(table, out)
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in made.items():
        artifacts.write(path, content)
    for old in set(folder.glob("*.json")) - made.keys():
        old.unlink()


def text(cell: Cell) -> str:
    """A score as it is read: "0.737 ± 0.012"; n is told where it is 1."""
    if not cell.n:
        return cell.without
    return f"{cell.mean:.3f} ± {cell.std:.3f}" if cell.n > 1 else f"{cell.mean:.3f} (n = 1)"


def _grid(
    table: FilledTable, bold: Callable[[str], str], escape: Callable[[str], str]
) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a table for reading."""
    header = ["", "method", *table.described]
    for task in table.tasks:
        header += [f"{task} {name}" for name in _scores(table)]
        header += [f"{task} questions"] * table.asks + [f"{task} K found"] * (task in table.open)
    body = []
    for row in table.rows:
        line = [escape(text) for text in (row.group, row.title, *_described(row, table))]
        for task in table.tasks:
            for metric in table.item.metrics:
                cell = row.cells[task, metric]
                score = bold(escape(text(cell))) if cell.clear else escape(text(cell))
                line.append(score if cell.published is None else f"{score} [{cell.published:.3f}]")
                if table.item.differences:
                    found, shown = cell.difference, escape(_difference(cell))
                    line.append(bold(shown) if found is not None and found.clear else shown)
            line += [_asked(row, task, table)] * table.asks + [_found(row, task, table)] * (task in table.open)
        body.append(line + [row.closure] * table.asks)
    return header + ["closure"] * table.asks, body


def _scores(table: FilledTable) -> list[str]:
    """The columns of scores that a task has."""
    names = (METRIC_NAMES[metric] for metric in table.item.metrics)
    return [column for name in names for column in [name] + [f"{name} difference"] * table.item.differences]


def _difference(cell: Cell) -> str:
    found = cell.difference
    return NO_VALUE if found is None else interval(found.mean, found.low, found.high)


def _described(row: Row, table: FilledTable) -> list[str]:
    return [row.described.get(column, NO_VALUE) for column in table.described]


def _asked(row: Row, task: str, table: FilledTable) -> str:
    without = row.cells[task, table.item.metrics[0]].without
    return asked_and_implied(row.questions[task]) if task in row.questions else without


def _found(row: Row, task: str, table: FilledTable) -> str:
    return count(row.found[task]) if task in row.found else row.cells[task, table.item.metrics[0]].without


def _number(value: float, otherwise: str) -> str | float:
    return otherwise if math.isnan(value) else round(value, 6)
