"""The figures: scores against the number of questions, and features in two dimensions.

Every figure is written as SVG, whose ink follows the page's or the system's theme, as white PNG, as
PDF, and as a CSV of the plotted numbers. Equal numbers give equal bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pcl import artifacts, stats
from pcl.config import Config, Curve, did_you_mean
from pcl.errors import UserError
from pcl.plan import Plan
from pcl.report.tables import NAMES, NOT_RUN

# seaborn's "colorblind" palette, the strongest colours first.
COLOURS = (
    *("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"),
    *("#ca9161", "#56b4e9", "#949494", "#ece133", "#fbafe4"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
CLUSTER_MARKERS = ("o", "^", "s", "D")
# Drawn in this colour, then replaced by the colour of the text around the figure.
INK = "#010203"
THEME = (
    "<style>:root{color-scheme:light dark;color:#1d1d1f}@media(prefers-color-scheme:dark){:root{color:#ececf1}}"
    "svg *{stroke-linejoin:round;stroke-linecap:butt}</style>"
)


class ArmStyle(NamedTuple):
    """How an arm looks in every figure."""

    colour: str
    marker: str


def arm_styles(config: Config) -> dict[str, ArmStyle]:
    """A fixed look for every arm that a figure compares with others."""
    arms = dict.fromkeys(
        arm for figure in config.figures.values() if isinstance(figure, Curve) for arm in figure.arms
    )
    return {arm: ArmStyle(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, arm in enumerate(arms)}


def curve_points(plan: Plan, name: str, summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of the summary that a curve shows, with the number of questions it shows them at.

    An arm that asks nothing stands at every number of questions with the same runs.
    """
    item = plan.config.figures[name]
    assert isinstance(item, Curve)
    summary = summary[summary["orientation"] == item.orientation]
    found = [summary.head(0).assign(questions=0)]
    for arm in item.arms:
        for questions in plan.study.curve:
            seeds = plan.study.seeds
            runs = [plan.run(plan.study.ablation, item.orientation, arm, seed, questions) for seed in seeds]
            found.append(stats.of_runs(summary, runs).assign(questions=questions))
    return pd.concat(found, ignore_index=True)


def write(plan: Plan, name: str, out: Path, *, summary: Path | None = None, projection: Path | None = None) -> None:
    """Draw a figure of the study; write `out` with the endings .svg, .png, .pdf and .csv.

    Args:
        plan: the study.
        name: a figure in params.yaml.
        out: without an ending.
        summary: what a curve is drawn from.
        projection: what a projection is drawn from.

    Raises:
        UserError: there is no such figure, or its input is missing or of other runs.
    """
    if name not in plan.config.figures:
        raise UserError(f"figure: no such figure{did_you_mean(name, plan.config.figures)}")
    item = plan.config.figures[name]
    if isinstance(item, Curve):
        points = curve_points(plan, name, stats.read(_given(summary, name, "--summary")))
        means = stats.aggregate(points, ["arm", "questions", "split"])
        numbers = _curve_table(plan, item, means)
        _write(lambda ink: _draw_curve(plan, item, points, means, ink), numbers, out)
    else:
        arrays = _read_projection(plan, name, _given(projection, name, "--projection"))
        _write(lambda ink: _draw_projection(arrays, ink), _projection_table(arrays), out)


def _given(path: Path | None, name: str, option: str) -> Path:
    if path is None:
        raise UserError(f"figure {name}: give {option}")
    return path


def _draw_curve(plan: Plan, item: Curve, points: pd.DataFrame, means: pd.DataFrame, ink: str) -> Figure:
    shape = (len(item.metrics), len(item.splits))
    figure = Figure(figsize=(4.2 * shape[1], 2.9 * shape[0]), layout="constrained")
    axes = figure.subplots(*shape, sharex=True, sharey="row", squeeze=False)
    styles = arm_styles(plan.config)
    for (row, column), ax in np.ndenumerate(axes):
        metric, split = item.metrics[row], item.splits[column]
        for arm in item.arms:
            line = means.query("arm == @arm and split == @split and metric == @metric")
            dots = points.query("arm == @arm and split == @split")
            _draw_arm(ax, styles[arm], line, dots["questions"], dots[metric])
        ax.set_xticks(plan.study.curve)
        ax.grid(color=ink, alpha=0.12)
        ax.tick_params(labelbottom=True)
        if row == 0:
            ax.set_title(f"{split} images")
        if row == shape[0] - 1:
            ax.set_xlabel("questions")
        if column == 0:
            ax.set_ylabel(NAMES[metric])
    run = set(points["arm"])
    handles = [
        Line2D([], [], color=styles[arm].colour, marker=styles[arm].marker, lw=2, label=label)
        for arm, label in _labels(plan, item.arms, run).items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5), frameon=False)
    return figure


def _draw_arm(ax: Axes, style: ArmStyle, line: pd.DataFrame, questions: pd.Series, scores: pd.Series) -> None:
    """A line of means, a band of ± one standard deviation, and a small point per seed."""
    spread = line["std"].fillna(0)
    ax.fill_between(
        line["questions"], line["mean"] - spread, line["mean"] + spread, color=style.colour, alpha=0.16, lw=0
    )
    ax.scatter(questions, scores, s=9, color=style.colour, alpha=0.55, lw=0)
    ax.plot(line["questions"], line["mean"], color=style.colour, marker=style.marker, lw=2, ms=6)


def _labels(plan: Plan, arms: list[str], run: set[str]) -> dict[str, str]:
    labels = {arm: plan.config.arms[arm].label for arm in arms}
    return {arm: label if arm in run else f"{label} ({NOT_RUN})" for arm, label in labels.items()}


def _curve_table(plan: Plan, item: Curve, means: pd.DataFrame) -> str:
    """One row per number of questions; mean, standard deviation and n of every split, metric and arm."""
    found = means.set_index(["questions", "split", "metric", "arm"])
    rows = []
    for questions in plan.study.curve:
        row: dict[str, Any] = {"questions": questions}
        for split in item.splits:
            for metric in item.metrics:
                for arm in item.arms:
                    place = (questions, split, metric, arm)
                    values = found.loc[place] if place in found.index else None
                    column = f"{split}_{metric}_{arm}"
                    row[column] = NOT_RUN if values is None else round(values["mean"], 6)
                    row[f"{column}_std"] = NOT_RUN if values is None else round(values["std"], 6)
                    row[f"{column}_n"] = 0 if values is None else int(values["n"])
        rows.append(row)
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n", na_rep="n/a")


def _read_projection(plan: Plan, name: str, path: Path) -> dict[str, np.ndarray]:
    from pcl.report.projection import read

    arrays = read(path)
    wanted, found = [run.path.as_posix() for run in plan.runs(name)], arrays["runs"].tolist()
    if wanted != found:
        raise UserError(
            f"{path}: made with {', '.join(found)}; params.yaml now says {', '.join(wanted)}; "
            f"make it again with `snakemake --cores 1 {path}`"
        )
    return arrays


def _draw_projection(arrays: dict[str, np.ndarray], ink: str) -> Figure:
    panels, ways = arrays["panels"].tolist(), arrays["ways"].tolist()
    classes, labels = arrays["classes"].tolist(), arrays["labels"]
    colours = _class_colours(len(classes))
    figure = Figure(figsize=(3.5 * len(panels), 3.3 * len(ways) + 1.1), layout="constrained")
    axes = figure.subplots(len(ways), len(panels), squeeze=False)
    for (row, column), ax in np.ndenumerate(axes):
        panel = panels[column]
        targets = arrays.get(f"targets_{panel}")
        _draw_panel(ax, arrays["xy"][row, column], np.array(colours)[labels], labels, targets, ink)
        if column == 0:
            ax.set_ylabel(ways[row])
        if row == 0:
            ax.set_title("before training" if panel == "before" else f"after training, {panel}")
        if row == len(ways) - 1 and targets is not None:
            names = arrays[f"clusters_{panel}"].tolist()
            marks = [_mark(_cluster_marker(cluster), ink, name, "none") for cluster, name in enumerate(names)]
            _legend(ax, "target clusters", marks, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2)
    marks = [_mark("o", colour, name, colour) for colour, name in zip(colours, classes, strict=True)]
    if len(marks) <= 20:
        columns = min(10, 100 // (max(map(len, classes)) + 5))
        _legend(figure, "original classes", marks, loc="outside upper center", ncols=columns)
    return figure


def _draw_panel(
    ax: Axes, xy: np.ndarray, colours: np.ndarray, labels: np.ndarray, targets: np.ndarray | None, ink: str
) -> None:
    """Points coloured by class; after training, also a large mark of its target cluster at each class's median."""
    shapes = np.zeros_like(labels) if targets is None else targets
    for cluster in np.unique(shapes):
        here = shapes == cluster
        marker = _cluster_marker(cluster)
        ax.scatter(xy[here, 0], xy[here, 1], s=16, c=colours[here], marker=marker, alpha=0.85, lw=0, rasterized=True)
    for label in np.unique(labels) if targets is not None else []:
        (cluster,) = np.unique(shapes[labels == label])
        middle = np.median(xy[labels == label], axis=0)
        ax.plot(*middle, marker=_cluster_marker(cluster), ms=11, mfc="none", mec=ink, mew=1.4)
    ax.set(xticks=[], yticks=[], xmargin=0.06, ymargin=0.06)
    ax.spines[:].set(visible=True, alpha=0.25)


def _legend(where: Figure | Axes, title: str, marks: list[Line2D], **place: Any) -> None:
    where.legend(handles=marks, title=title, frameon=False, handletextpad=0.2, columnspacing=1.2, **place)


def _class_colours(n: int) -> list[str]:
    if n <= len(COLOURS):
        return list(COLOURS[:n])
    return [matplotlib.colors.to_hex(c) for c in matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, n))]


def _cluster_marker(cluster: int) -> str:
    return CLUSTER_MARKERS[cluster % len(CLUSTER_MARKERS)]


def _mark(marker: str, colour: str, label: str, face: str) -> Line2D:
    return Line2D([], [], ls="", marker=marker, color=colour, markerfacecolor=face, ms=8, mew=1.3, label=label)


def _projection_table(arrays: dict[str, np.ndarray]) -> str:
    """One row per image: its class, its target clusters, and its place in every panel."""
    columns: dict[str, Any] = {"image": arrays["index"], "class": arrays["classes"][arrays["labels"]]}
    for panel in arrays["panels"].tolist():
        if f"clusters_{panel}" in arrays:
            columns[panel] = arrays[f"clusters_{panel}"][arrays[f"targets_{panel}"]]
    for row, way in enumerate(arrays["ways"].tolist()):
        for column, panel in enumerate(arrays["panels"].tolist()):
            for axis, letter in enumerate("xy"):
                columns[f"{way}_{panel}_{letter}"] = arrays["xy"][row, column, :, axis].round(3)
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n")


def _write(draw: Callable[[str], Figure], numbers: str, out: Path) -> None:
    """Write one drawing as SVG, PNG and PDF, and its numbers."""
    artifacts.write(Path(f"{out}.svg"), _svg(draw, out.name))
    for ending, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
        buffer = io.BytesIO()
        with matplotlib.rc_context(_style("#1d1d1f", out.name)):
            draw("#1d1d1f").savefig(buffer, format=ending, dpi=200, facecolor="white", metadata=metadata)
        artifacts.write(Path(f"{out}.{ending}"), buffer.getvalue())
    artifacts.write(Path(f"{out}.csv"), numbers)


def _svg(draw: Callable[[str], Figure], name: str) -> str:
    """A drawing whose ink is `currentColor`, with ids of its own, so that a page can hold several."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_style(INK, name)):
        draw(INK).savefig(buffer, format="svg", dpi=160, transparent=True)
    svg = buffer.getvalue()
    svg = re.sub(r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", THEME, svg, count=1, flags=re.DOTALL)
    svg = svg.replace(INK, "currentColor").replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")
    for before in (' id="', 'href="#', "url(#"):
        svg = svg.replace(before, f"{before}{name}-")
    return svg


def _style(ink: str, salt: str) -> Any:
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color")
    return {
        **dict.fromkeys(inked, ink),
        "font.family": "DejaVu Sans",
        "font.size": 11,
        "axes.titlesize": 11.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "pdf.fonttype": 42,
    }
