"""Put the studies' numbers into README.md and docs/: copy tables to docs/results/STUDY/, fill in what is from them.

What is filled in stands below or inside a comment that names a study, and tables in its folder without their ending:

    <!-- demo: table2, table3 -->                    the Markdown table below; a row names task, orientation and arm
    <!-- demo: cross dcc+hard digits10-4 implied -->7,363<!-- /demo -->          one number: table, arm and column

In a Markdown table, the column `ours` is filled, or each column whose head is an arm, or a row of the group that the
column `method` names: with mean ± standard deviation of ACC, or with "not run".

Of docs/results/seeds/seeds.csv a comment names arm, task and column, and what of it over seeds:

    <!-- seeds: adc digits10-2 test_acc spread -->0.935 ± 0.020<!-- /seeds -->             or mean, or least

Of docs/results/switches/switches.csv, the Markdown table below is made whole:

    <!-- switches -->
"""

from __future__ import annotations

import csv
import re
import shutil
from functools import cache
from pathlib import Path
from statistics import fmean, stdev

from pcl import config
from pcl.config import Table
from pcl.intervals import ENOUGH
from pcl.plan.catalogue import Catalogue
from pcl.report.words import NO_VALUE, NOT_RUN, interval, signed

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
STUDY = "demo"
STUDIES = "|".join(config.read_yaml(ROOT / "params.yaml")["studies"])
MARKED_TABLE = re.compile(rf"<!-- ({STUDIES}): ([\w, -]+) -->\n\n((?:\|.*\n)+)")
MARKED_NUMBER = re.compile(rf"(<!-- ({STUDIES}): (\S+) (\S+) ([^>]+?) -->)[^<]*(<!-- /\2 -->)")
MARKED_SEEDS = re.compile(r"(<!-- seeds: (\S+) (\S+) (\w+) (spread|mean|least) -->)[^<]*(<!-- /seeds -->)")
MARKED_SWITCHES = re.compile(r"(<!-- switches -->\n\n)(?:\|.*\n)+")

Cells = dict[str, str]


def fill(page: str) -> str:
    """The page with what is from the demo's tables put in anew."""
    page = MARKED_TABLE.sub(lambda found: f"<!-- {found[1]}: {found[2]} -->\n\n{_table(*found.groups())}", page)
    page = MARKED_NUMBER.sub(lambda found: f"{found[1]}{_number(*found.groups()[1:5])}{found[6]}", page)
    page = MARKED_SWITCHES.sub(lambda found: found[1] + _switches(), page)
    return MARKED_SEEDS.sub(lambda found: f"{found[1]}{_over_seeds(*found.groups()[1:5])}{found[6]}", page)


def _table(study: str, names: str, text: str) -> str:
    head, rule, *body = text.splitlines()
    columns = _cells(head)
    lines = [head, rule]
    for line in body:
        row = dict(zip(columns, _cells(line), strict=True))
        filled = {
            column: _score(study, names.split(", "), row, column) for column in columns if _is_filled(column, columns)
        }
        lines.append("| " + " | ".join((row | filled).values()) + " |")
    return "\n".join(lines) + "\n"


def _is_filled(column: str, columns: list[str]) -> bool:
    return column == "ours" if "ours" in columns else column.startswith("`")


def _score(study: str, names: list[str], row: Cells, column: str) -> str:
    """Mean and standard deviation of ACC in the first table that has the cell."""
    words = {name: text.strip("`") for name, text in row.items()}
    head = column.strip("`")
    wanted = {"group": words["method"], "method": head} if "method" in words else {"arm": words.get("arm", head)}
    for name in names:
        spec = _spec(name)
        orientation = words.get("orientation", spec.orientation)
        if orientation not in spec.orientations:
            continue
        for found in _read(f"{study}/{name}"):
            task = words["task"] if "task" in words else _only_task(found)
            task = task if spec.beside is None else f"{task}, {orientation}"
            if all(found[key] == value for key, value in wanted.items()) and f"{task} ACC mean" in found:
                mean, std = found[f"{task} ACC mean"], found[f"{task} ACC std"]
                if std in (NOT_RUN, NO_VALUE):
                    return NOT_RUN if mean == NOT_RUN else f"{float(mean):.3f} (n = 1)"
                return f"{float(mean):.3f} ± {float(std):.3f}"
    return NOT_RUN


def _number(study: str, name: str, arm: str, column: str) -> str:
    """One number of a table: counts as counts, shares with three digits."""
    place = f"{name}/{name}" if (RESULTS / name).is_dir() else f"{study}/{name}"
    found = next((row for row in _read(place) if row["arm"] == arm), {})
    if column not in found:
        raise SystemExit(f"docs/results/{place}.csv: has no {column!r} of the arm {arm!r}")
    value = float(found[column])
    if column.endswith((" difference", " low", " high")):
        return signed(value)
    return f"{value:.3f}" if value < 1 else f"{value:,.0f}"


def _over_seeds(arm: str, task: str, column: str, what: str) -> str:
    """What a column of seeds.csv holds over the seeds of one arm on one task."""
    found = [float(row[column]) for row in _read("seeds/seeds") if (row["arm"], row["task"]) == (arm, task)]
    if not found:
        raise SystemExit(f"docs/results/seeds/seeds.csv: has no row of the arm {arm!r} on {task!r}")
    if what == "spread":
        return f"{fmean(found):.3f} ± {stdev(found):.3f}"
    return f"{fmean(found) if what == 'mean' else min(found):.3f}"


def _switches() -> str:
    """What the second arm's value of every setting is worth among the settings of the first, and among its own."""
    rows = {row["arm"]: row for row in _read("switches/switches")}
    first, second = (arm for arm in rows if "+" not in arm)
    lines = [
        "| setting | as printed → as released | the rest as printed | the rest as released |",
        "|---|---|---:|---:|",
    ]
    for arm, row in rows.items():
        base, _, switch = arm.partition("+")
        if switch and base == first:
            words, _, change = row["method"].rpartition(": ")
            worth = _worth(row, 1), _worth(rows[f"{second}+{switch}"], -1)
            lines.append(f"| {words} | {change} | {' | '.join(worth)} |")
    lines.append(f"| all of them | | {_worth(rows[second], 1)} | |")
    return "\n".join(lines) + "\n"


def _worth(row: Cells, sign: int) -> str:
    """A difference of ACC or its opposite, in bold where it is clear."""
    column = f"{_only_task(row)} ACC"
    if not row[f"{column} difference"][-1:].isdigit():
        return NOT_RUN
    mean, *ends = (sign * float(row[f"{column} {end}"]) for end in ("difference", "low", "high"))
    low, high = sorted(ends)
    text = interval(mean, low, high)
    return f"**{text}**" if int(row[f"{column} n"]) >= ENOUGH and not low <= 0 <= high else text


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip()[1:-1].split("|")]


def _only_task(row: Cells) -> str:
    """The task of a table that has one."""
    (task,) = {column.removesuffix(" ACC mean") for column in row if column.endswith(" ACC mean")}
    return task


@cache
def _read(name: str) -> list[Cells]:
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def _spec(name: str) -> Table:
    return Catalogue(config.load(ROOT / "params.yaml")).tables[name]


def main() -> None:
    """Copy the tables that have been made, and fill in every page."""
    found = config.load(ROOT / "params.yaml")
    if found.study != STUDY:
        raise SystemExit(f"params.yaml: study is {found.study}, but these pages show {STUDY}; select it")
    reports = ROOT / "reports"
    tables = Catalogue(found).tables.keys() - found.switches.keys()  # of switches, which have a folder of their own
    shown = {STUDY: reports} | {name: reports / name for name in found.studies.keys() - {STUDY}}
    made = {study: [path for path in folder.glob("*.csv") if path.stem in tables] for study, folder in shown.items()}
    if not any(made.values()):
        raise SystemExit("reports/: has no table yet; make them with `make reports`")
    for study, paths in made.items():
        for path in paths:
            (RESULTS / study).mkdir(exist_ok=True)
            shutil.copy(path, RESULTS / study / path.name)
    for page in PAGES:
        page.write_text(fill(page.read_text()))


if __name__ == "__main__":
    main()
