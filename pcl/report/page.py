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

from pcl import artifacts, config, stats
from pcl.errors import UserError
from pcl.plan import Plan, Run
from pcl.report import figures, tables

TEMPLATES = Path(__file__).with_name("templates")
UNKNOWN = "unknown"
HEADLINE = "acc"


@dataclass(frozen=True)
class Finding:
    """One headline: a number, whose it is, and how sure the lead is."""

    where: str
    anchor: str
    number: str
    whose: str
    sentence: str
    clear: bool


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
        return " ".join([*(f"{name}={value}" for name, value in pairs.items()), run.label, run.key]).lower()


class Study:
    """What the page says about a study: everything is computed from the summary and the run folders."""

    def __init__(self, plan: Plan, summary: pd.DataFrame, drawn: Iterable[Path], out: Path) -> None:
        """Read the records of every run of the study."""
        self.plan, self.summary, self.out = plan, summary, out
        self.drawn = {path.stem: path for path in drawn}
        self.runs = plan.all_runs()
        self.records = {run.path: _record(run) for run in self.runs}

    @cached_property
    def filled(self) -> list[tables.Table]:
        """Every table of the study, filled."""
        shown = [name for name in self.plan.reports if name in self.plan.config.tables]
        return [tables.build(self.plan, name, self.summary) for name in shown]

    @property
    def findings(self) -> list[Finding]:
        """The headlines: who leads in each table and along each curve."""
        found = [self._lead(table, task) for table in self.filled for task in table.tasks]
        return [finding for finding in [*found, *map(self._along, self._curves())] if finding is not None]

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
                    scores = {f"{m} {s}": float(row.at[s, m]) for s in row.index for m in tables.METRICS}
                    asked, implied = row["asked"].iloc[0], (row["implied_must"] + row["implied_cannot"]).iloc[0]
                found.append(Entry(run, orientation, scores, int(asked), int(implied), link, self.records[run.path]))
        return found

    def figure(self, name: str) -> Markup:
        """The drawing of a figure, to be put into the page.

        Raises:
            UserError: the file is missing.
        """
        if name not in self.drawn:
            return Markup("<p>{}</p>").format(f"{tables.NOT_RUN}: make it with {self.command(name)}")
        try:
            svg = self.drawn[name].read_text()
        except OSError as error:
            raise UserError(
                f"{self.drawn[name]}: cannot be read ({error.strerror}); run `{self.command(name)}`"
            ) from error
        # The page has a style of its own, and a toggle that a style inside the drawing would not follow.
        svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
        label = Markup('<svg role="img" aria-label="{}" ').format(self.description(name))
        return Markup(svg.replace("<svg ", label, 1))

    def description(self, name: str) -> str:
        """What a figure shows, for who cannot see it."""
        item = self.plan.config.figures[name]
        if isinstance(item, config.Projection):
            return f"{item.title}: images of {self.plan.study.projection} as points, coloured by original class."
        finding = self._along(name)
        return f"{item.title} on {self.plan.study.ablation}. {finding.sentence if finding else tables.NOT_RUN}"

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
            "runs": f"{len(made)} of {len(runs)} made, {_duration(seconds)} of training",
            "code": _joined(record["code"] for record in made),
            "data": _joined(record["data"] for record in made),
            "versions": _joined(record["versions"] for record in made),
            "device": _joined(record["device"] for record in made),
        }

    def _curves(self) -> list[str]:
        shown = {name: self.plan.config.figures.get(name) for name in self.plan.reports}
        return [name for name, item in shown.items() if isinstance(item, config.Curve)]

    def _lead(self, table: tables.Table, task: str) -> Finding | None:
        """Who leads in one table on one task."""
        lead = table.leads[task, HEADLINE]
        if lead is None:
            return None
        cell = next(row.cells[task, HEADLINE] for row in table.rows if row.arm == lead.best)
        labels = {arm: self.plan.config.arms[arm].label for arm in table.item.arms}
        best, second = labels[lead.best], labels[lead.runner_up]
        return Finding(
            where=f"{_title(table.name)} · {task} · {table.item.orientation}",
            anchor=table.name,
            number=f"{cell.mean:.3f}",
            whose=f"{best}, {table.item.split} {tables.NAMES[HEADLINE]}, mean of {cell.n} seed{'s' * (cell.n > 1)}",
            sentence=_against(second, lead.difference),
            clear=lead.difference.clear,
        )

    def _along(self, name: str) -> Finding | None:
        """How the first arm of a curve stands against the others, at every number of questions."""
        item = self.plan.config.figures[name]
        assert isinstance(item, config.Curve)
        metric, split = item.metrics[0], item.splits[-1]
        points = figures.curve_points(self.plan, name, self.summary)
        points = points[points["split"] == split]
        budgets, first = self.plan.study.curve, item.arms[0]
        scores = {
            questions: group.pivot(index="seed", columns="arm", values=metric)
            for questions, group in points.groupby("questions")
        }
        leads = {questions: stats.lead(table) for questions, table in scores.items()}
        ahead = [lead for lead in leads.values() if lead and lead.best == first and lead.difference.mean > 0]
        own = points[points["arm"] == first].groupby("questions")[metric].mean()
        if own.empty or not any(leads.values()):
            return None
        clear = sum(lead.difference.clear for lead in ahead)
        label = self.plan.config.arms[first].label
        return Finding(
            where=f"{_title(name)} · {self.plan.study.ablation} · {item.orientation}",
            anchor=name,
            number=f"{len(ahead)} of {len(budgets)}",
            whose=f"numbers of questions at which {label} has the best mean {split} {tables.NAMES[metric]}",
            sentence=(
                f"From {own.index[0]} to {own.index[-1]} questions {label} goes from {own.iloc[0]:.3f} to "
                f"{own.iloc[-1]:.3f}; its lead is clear at {clear} of {len(budgets)}."
            ),
            clear=clear > 0,
        )


def write(plan: Plan, summary: pd.DataFrame, drawn: Iterable[Path], out: Path) -> None:
    """Write the page.

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
    environment.filters |= {"title_of": _title, "duration": _duration}
    page = environment.get_template("page.html").render(
        study=Study(plan, summary, drawn, out),
        plan=plan,
        tables=tables,
        make=_make(out),
        styles=figures.arm_styles(plan.config),
        paper=tables.published().paper,
    )
    artifacts.write(out, page)


def _record(run: Run) -> dict[str, Any]:
    """What a run's folder says about how it came to be."""
    files = [run.folder.last, run.folder.provenance]
    metrics, provenance = (artifacts.read_json(file) if file.exists() else {} for file in files)
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


def _against(runner_up: str, difference: stats.Difference) -> str:
    """How the best stands against the next, in words."""
    ahead = f"{_signed(difference.mean)} against {runner_up}"
    if difference.low is None or difference.high is None:
        return f"{ahead}; with {difference.n} seed, no interval."
    interval = f"95 % interval {_signed(difference.low)} to {_signed(difference.high)}"
    return f"{ahead} ({interval}, n = {difference.n})" + ("." if difference.clear else ": not a clear lead.")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _title(name: str) -> str:
    """`table3` as "Table 3", `fig4` as "Fig. 4"; any other name with a capital."""
    found = re.fullmatch(r"(table|fig)(\d+)", name)
    if found is None:
        return name[:1].upper() + name[1:]
    return f"{'Table' if found[1] == 'table' else 'Fig.'} {found[2]}"


def _make(path: Path) -> str:
    return f"snakemake --cores 2 {path.as_posix()}"


def _duration(seconds: float | None) -> str:
    """Seconds as they are read."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _joined(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values))) or UNKNOWN


def _natural(words: str) -> list[tuple[int, str]]:
    """Sorts 100 before 1000."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", words)]
