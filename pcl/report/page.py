"""One self-contained page: findings, tables, figures, every run, and what each number was made from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pcl import artifacts
from pcl.errors import UserError
from pcl.intervals import ENOUGH, Images
from pcl.plan import Plan, Run
from pcl.report import findings, tables, words
from pcl.report.findings import Finding
from pcl.report.style import arm_styles
from pcl.report.words import NOT_RUN, UNKNOWN

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Entry:
    """One run as the page lists it: once for every orientation that it is scored in."""

    run: Run
    orientation: str
    scores: dict[str, float]
    asked: int
    implied: int
    link: str
    record: dict[str, Any]

    @property
    def command(self) -> str:
        """What makes the run again."""
        return _make(self.run.folder.last)

    @property
    def words(self) -> str:
        """What the list of runs is filtered by."""
        run = self.run
        pairs = {"task": run.task, "orientation": self.orientation, "arm": run.arm, "seed": run.seed, "q": run.budget}
        return " ".join([*(f"{name}={value}" for name, value in pairs.items()), run.title, run.key]).lower()


class Page:
    """What the page says about a study: everything is computed from the summary and the run folders."""

    def __init__(self, plan: Plan, summary: pd.DataFrame, drawn: Iterable[Path], out: Path) -> None:
        """Read the records of every run of the study."""
        self.plan, self.summary, self.out = plan, summary, out
        self.drawn = {path.stem: path for path in drawn}
        self.runs = plan.all_runs()
        self.images = Images(self.runs)
        self.records = {run.path: _record(run) for run in self.runs}

    @cached_property
    def filled(self) -> list[tables.FilledTable]:
        """Every table of the study, filled."""
        shown = [name for name in self.plan.reports if name in self.plan.config.tables]
        return [tables.build(self.plan, name, self.summary, self.images) for name in shown]

    @property
    def findings(self) -> list[Finding]:
        """The headlines: what answers buy, then who leads in each table and along each curve."""
        priced = [table for table in self.filled if table.item.wanted is not None]
        others = [table for table in self.filled if table.item.wanted is None]
        found: list[Finding | None] = [finding for table in priced for finding in findings.of_prices(table)]
        found += [findings.of_table(self.plan, table, task) for table in others for task in table.tasks]
        shown = [name for name in self.plan.reports if name in self.plan.config.figures]
        found += [self.plan.figure(name).finding(self.summary, self.images) for name in shown]
        return [finding for finding in found if finding is not None]

    @property
    def entries(self) -> list[Entry]:
        """Every run in every orientation that it is scored in."""
        rows = {place: group.set_index("split") for place, group in self.summary.groupby(["run", "orientation"])}
        found = []
        for run in self.runs:
            link = Path(os.path.relpath(run.path, self.out.parent)).as_posix() + "/"
            for orientation in run.targets:
                row = rows.get((run.path.as_posix(), orientation))
                scores, asked, implied = {}, 0, 0
                if row is not None:
                    scores = {f"{m} {s}": float(row.at[s, m]) for s in row.index for m in tables.PAPER_METRICS}
                    asked, implied = row["asked"].iloc[0], (row["implied_must"] + row["implied_cannot"]).iloc[0]
                found.append(Entry(run, orientation, scores, int(asked), int(implied), link, self.records[run.path]))
        return found

    def figure(self, name: str) -> Markup:
        """The drawing of a figure, to be put into the page.

        Raises:
            UserError: the file is missing.
        """
        if name not in self.drawn:
            return Markup("<p>{}</p>").format(f"{NOT_RUN}: make it with {self.command(name)}")
        try:
            svg = self.drawn[name].read_text()
        except OSError as error:
            raise UserError(
                f"{self.drawn[name]}: cannot be read ({error.strerror}); run `{self.command(name)}`"
            ) from error
        # The page has a style of its own, and a toggle that a style inside the drawing would not follow.
        svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
        description = self.plan.figure(name).description(self.summary, self.images)
        label = Markup('<svg role="img" aria-label="{}" ').format(description)
        return Markup(svg.replace("<svg ", label, 1))

    def command(self, name: str) -> str:
        """What makes a table or figure again."""
        ending = "csv" if name in self.plan.config.tables else "svg"
        return _make(self.out.parent / f"{name}.{ending}")

    def origin(self, name: str | None = None) -> dict[str, str]:
        """What a table, a figure or the whole page was made from, as terms and their descriptions."""
        runs = self.plan.runs(name) if name else self.runs
        records = [self.records[run.path] for run in runs]
        made = [record for record in records if record["made"]]
        budgets = {f"{run.budget} on {run.task}" for run in runs if run.budget}
        seconds = sum(record["seconds"] or 0 for record in made)
        place = f"study {self.plan.name}"
        if name:
            place = f"{'tables' if name in self.plan.config.tables else 'figures'}.{name}, {place}"
        return {
            "params.yaml": place,
            "arms": ", ".join(dict.fromkeys(run.arm for run in runs)),
            "seeds": ", ".join(str(seed) for seed in sorted({run.seed for run in runs})),
            "questions": ", ".join(sorted(budgets, key=_natural)) or "none",
            "runs": f"{len(made)} of {len(runs)} made, {words.duration(seconds)} of training",
            "code": _joined(record["code"] for record in made),
            "data": _joined(record["data"] for record in made),
            "versions": _joined(record["versions"] for record in made),
            "device": _joined(record["device"] for record in made),
        }


def content(plan: Plan, summary: pd.DataFrame, drawn: Iterable[Path], out: Path) -> str:
    """The page.

    Args:
        plan: the study.
        summary: its runs, as `stats.collect` returns them.
        drawn: the SVG files of its figures; a figure is named as its file.
        out: the page; links to run folders, tables and figures are relative to it.

    Raises:
        UserError: a drawing is missing.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"heading": words.heading, "duration": words.duration}
    return environment.get_template("page.html").render(
        page=Page(plan, summary, drawn, out),
        plan=plan,
        caption=tables.caption,
        metrics=tables.PAPER_METRICS,
        words=words,
        enough=ENOUGH,
        make=_make(out),
        styles=arm_styles(plan.config),
        paper=tables.published().paper,
    )


def write(plan: Plan, summary: pd.DataFrame, drawn: Iterable[Path], out: Path) -> None:
    """Write `content`."""
    artifacts.write(out, content(plan, summary, drawn, out))


def _record(run: Run) -> dict[str, Any]:
    """What a run's folder says about how it came to be."""
    metrics = run.folder.read_last() if run.folder.last.exists() else {}
    provenance = run.folder.read_provenance() if run.folder.provenance.exists() else {}
    arrays = metrics.get("data", {}).get("sha256", {})
    data = ", ".join(f"{name.removesuffix('.npy')} {sha256[:12]}" for name, sha256 in sorted(arrays.items()))
    versions = {"Python": provenance.get("python"), **provenance.get("versions", {})}
    return {
        "made": bool(metrics),
        "data": f"{run.data.name} (sha256: {data})" if data else UNKNOWN,
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version) or UNKNOWN,
        "code": provenance.get("code", UNKNOWN),
        "device": provenance.get("device", UNKNOWN),
        "seconds": provenance.get("seconds"),
        "finished": provenance.get("finished", UNKNOWN),
        "memory": provenance.get("peak_memory_mb"),
    }


def _make(path: Path) -> str:
    return f"snakemake --cores 2 {path.as_posix()}"


def _joined(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values))) or UNKNOWN


def _natural(words: str) -> list[tuple[int, str]]:
    """Sorts 100 before 1000."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", words)]
