"""Which cells of the tables have moved against other ones: by more than their spread over seeds, or by less.

The spread of a cell is the larger of its two standard deviations. One seed has none, so there every change counts:
equal code gives equal numbers.
"""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pcl.errors import UserError
from pcl.report.tables.escaping import markdown

Place = tuple[str, str, str]
"""Table, arm, and task with metric."""


@dataclass(frozen=True)
class Score:
    """A cell: its mean, and its standard deviation where it has one and the file says it."""

    mean: float
    std: float | None = None

    def __str__(self) -> str:
        return f"{self.mean:.3f}" if self.std is None else f"{self.mean:.3f} ± {self.std:.3f}"


@dataclass(frozen=True)
class Move:
    """A cell before and now."""

    table: str
    arm: str
    cell: str
    before: Score
    now: Score

    @property
    def change(self) -> float:
        """How far the mean has moved."""
        return self.now.mean - self.before.mean

    @property
    def spread(self) -> float:
        """The larger standard deviation."""
        return max(self.before.std or 0.0, self.now.std or 0.0)

    @property
    def clear(self) -> bool:
        """Whether it has moved by more than its spread."""
        return abs(self.change) > self.spread


@dataclass(frozen=True)
class Comparison:
    """What has moved between two sets of tables."""

    base: str
    same: int
    moves: list[Move]
    added: list[Place]
    gone: list[Place]


def compare(base: str, reports: Path) -> Comparison:
    """The tables in a folder against those of a base.

    Args:
        base: a folder of tables, as reports/ is, or a revision of git: there, the means that reports/metrics/ had.
        reports: the tables as they are now.

    Raises:
        UserError: there are no tables, or the base is neither.
    """
    now, folder = _of_folder(reports), Path(base).is_dir()
    before = _of_folder(Path(base)) if folder else _of_revision(base, reports / "metrics")
    if not folder:  # which knows ACC and NMI only
        metrics = {place[2].rpartition(" ")[2] for place in before}
        now = {place: score for place, score in now.items() if place[2].rpartition(" ")[2] in metrics}
    moves = [Move(*place, before[place], now[place]) for place in now if place in before]
    moved = sorted((move for move in moves if move.change), key=lambda move: -abs(move.change))
    added, gone = ([place for place in one if place not in other] for one, other in ((now, before), (before, now)))
    return Comparison(base, len(moves) - len(moved), moved, added, gone)


def as_markdown(found: Comparison) -> str:
    """What to put into the description of a change."""
    clear, small = [move for move in found.moves if move.clear], [move for move in found.moves if not move.clear]
    lines = [
        f"Tables against `{found.base}`: {len(clear)} cells moved by more than their spread over seeds, {len(small)} "
        f"by less, {found.same} are the same; {len(found.added)} are new, {len(found.gone)} are gone."
    ]
    if clear:
        lines += ["", "| table | arm | cell | before | now | change | spread |", "|---|---|---|---:|---:|---:|---:|"]
    for move in clear:
        words = " | ".join(markdown(word) for word in (move.table, move.arm, move.cell))
        lines.append(f"| {words} | {move.before} | {move.now} | {move.change:+.3f} | {move.spread:.3f} |")
    for name, places in (("New", found.added), ("Gone", found.gone)):
        arms = dict.fromkeys(f"{table} {arm}" for table, arm, _ in places)
        lines += ["", f"{name}: {', '.join(map(markdown, arms))}."] if arms else []
    return "\n".join(lines)


def as_json(found: Comparison) -> dict[str, Any]:
    """The same with every cell that has moved."""
    moves = [
        asdict(move) | {"change": move.change, "spread": move.spread, "clear": move.clear} for move in found.moves
    ]
    return {"base": found.base, "same": found.same, "moved": moves, "new": found.added, "gone": found.gone}


def _of_folder(folder: Path) -> dict[Place, Score]:
    """Every cell of the tables in a folder; figures have a CSV there too, with other columns."""
    found: dict[Place, Score] = {}
    for path in sorted(folder.glob("*.csv")):
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        if (rows.fieldnames or [])[:3] != ["group", "method", "arm"]:
            continue
        for row in rows:
            for column in (name for name in row if name.endswith(" mean")):
                mean, std = _number(row[column]), _number(row[f"{column.removesuffix('mean')}std"])
                if mean is not None:
                    found[path.stem, row["arm"], column.removesuffix(" mean")] = Score(mean, std)
    if not found:
        raise UserError(f"{folder}: has no table with a number in it; make them with `snakemake`")
    return found


def _of_revision(revision: str, folder: Path) -> dict[Place, Score]:
    """The means that a commit has in reports/metrics/<table>/<arm>.json."""
    try:
        listed = _git("ls-tree", "-r", "--name-only", "--end-of-options", revision, f"{folder.as_posix()}/")
    except UserError as error:
        raise UserError(f"{revision}: neither a folder nor a revision of git ({error})") from error
    found = {}
    for name in listed.splitlines():
        path = Path(name)
        for cell, mean in json.loads(_git("show", "--end-of-options", f"{revision}:./{name}")).items():
            found[path.parent.name, path.stem, cell] = Score(mean)
    if not found:
        raise UserError(f"{revision}: has no {folder}/; commit it where tables are made, or name a folder of tables")
    return found


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise UserError("git: not installed") from error
    except subprocess.CalledProcessError as error:
        raise UserError(" ".join(error.stderr.split()).removeprefix("fatal: ")) from error
    return done.stdout


def _number(text: str) -> float | None:
    """A number of a table; None for what stands there where there is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
