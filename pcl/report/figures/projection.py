"""Features of images in two dimensions, before training and after it in each orientation (Fig. 5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pcl import artifacts
from pcl.config import FigureSettings, Split
from pcl.errors import UserError
from pcl.report.embedding import WAYS, Embedding, some
from pcl.report.figures import base
from pcl.report.style import COLOURS
from pcl.report.words import image_counts, in_legend
from pcl.values import Some

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.lines import Line2D

    from pcl.intervals import Images
    from pcl.plan import Run

CLUSTER_MARKERS = ("o", "^", "s", "D")
Arrays = dict[str, NDArray[Any]]


class ProjectionSettings(FigureSettings):
    """Settings of a projection."""

    kind: Literal["projection"]
    arm: str
    orientations: Some[str]
    split: Split = "test"
    points: int = Field(2000, ge=50, description="images drawn at most")

    @property
    def named(self) -> list[str]:
        """One arm, in every orientation."""
        return [self.arm]


class Figure(base.Figure):
    """Features before and after training, brought to two dimensions by t-SNE and UMAP.

    Source: Geng et al., AAAI-25, Fig. 5.
    """

    Settings = ProjectionSettings
    settings: ProjectionSettings
    precomputed = True

    @property
    def task(self) -> str:
        """The study's task for projections."""
        return self.plan.study.projection

    @property
    def orientations(self) -> list[str]:
        """Those of its settings."""
        return self.settings.orientations

    def runs(self) -> Iterator[Run]:
        """The arm in every orientation, with the study's first seed."""
        yield from self._shown().values()

    def check(self) -> None:
        """Features are those of a network, and what is coloured is known."""
        shown, here = self._shown(), f"figures.{self.name}"
        if not next(iter(shown.values())).method.network:
            raise UserError(f"{here}.arm: {self.settings.arm} trains no network; choose an arm that does")
        unknown = [orientation for orientation, run in shown.items() if orientation not in run.targets]
        if unknown:
            raise UserError(f"{here}.orientations: nobody knows the clusters of {', '.join(unknown)}; show others")

    def precompute(self, out: Path, ways: dict[str, Embedding] = WAYS) -> None:
        """Write where images lie before training and after each of the runs.

        The .npz holds `index` [M], images of the split; `labels` [M] with `classes`; for each orientation,
        `targets_…` [M] with `clusters_…`; `ways`, `panels` ("before" and the orientations) and `xy` [ways, panels,
        M, 2]; and the folders of the `runs`.

        Raises:
            UserError: the arm trains no network, or a run is missing.
        """
        from threadpoolctl import threadpool_limits

        from pcl import datasets, orientations
        from pcl.run import execute

        self.check()
        shown = self._shown()
        first = next(iter(shown.values()))
        splits = datasets.load(first.data.path)
        images = getattr(splits, self.settings.split)
        index = some(len(images.images), self.settings.points)
        # Every run of one seed begins with the same weights.
        features = {"before": execute.layer_of(first, trained=False)[self.settings.split]}
        arrays: Arrays = {}
        for orientation, run in shown.items():
            features[orientation] = execute.layer_of(run)[self.settings.split]
            targets = orientations.read(run.targets[orientation].path)
            arrays[f"targets_{orientation}"] = getattr(targets, self.settings.split)[index]
            arrays[f"clusters_{orientation}"] = np.array(targets.clusters)
        with threadpool_limits(1):
            xy = [
                [self._placed(embed, panel, features[panel][index]) for panel in features] for embed in ways.values()
            ]
        artifacts.write_arrays(
            out,
            index=index,
            labels=images.labels[index],
            classes=np.array(splits.manifest.classes),
            panels=np.array(list(features)),
            ways=np.array(list(ways)),
            xy=np.array(xy, np.float32),
            runs=np.array([run.path.as_posix() for run in shown.values()]),
            **arrays,
        )

    def _placed(self, embed: Embedding, panel: str, features: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return embed(features)
        except UserError as error:
            raise UserError(f"figures.{self.name}, arm {self.settings.arm}, {panel}: {error}") from error

    def drawing(self, source: Path) -> base.Drawing:
        """Drawn from what `precompute` wrote."""
        arrays = artifacts.read_arrays(source)
        if not arrays.keys() >= {"index", "labels", "classes", "panels", "ways", "xy", "runs"}:
            raise UserError(
                f"{source}: no projection; make it with `snakemake --cores 1 {self.plan.precomputed(self.name)}`"
            )
        wanted, found = [run.path.as_posix() for run in self.runs()], arrays["runs"].tolist()
        if wanted != found:
            raise UserError(
                f"{source}: made with {', '.join(found)}; params.yaml now says {', '.join(wanted)}; "
                f"make it again with `snakemake --cores 1 {source}`"
            )
        return base.Drawing(lambda ink: _draw(arrays, ink), _numbers(arrays))

    def caption(self, images: Images) -> str:
        """Which images, and what colours and shapes are."""
        task, split, most = self.plan.study.projection, self.settings.split, self.settings.points
        counts = images.counts([task], split)
        fewer = f", of which {most:,} are drawn" if counts.get(task, 0) > most else ""
        return (
            f"{task}, {image_counts(counts, split)}{fewer}, "
            f"seed {self.plan.study.seeds[0]}. Colour: original class. Shape: target cluster of the panel's "
            "orientation, with a large mark at the median of each class. Distances between far groups mean little in "
            "either projection."
        )

    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """Points and their colours."""
        return f"{self.settings.title}: images of {self.plan.study.projection} as points, coloured by original class."

    def _shown(self) -> dict[str, Run]:
        """Orientation -> its run."""
        task, seed = self.plan.study.projection, self.plan.study.seeds[0]
        return {name: self.plan.run(task, name, self.settings.arm, seed) for name in self.settings.orientations}


def _draw(arrays: Arrays, ink: str) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    panels, ways = arrays["panels"].tolist(), arrays["ways"].tolist()
    classes, labels = arrays["classes"].tolist(), arrays["labels"]
    colours = _class_colours(len(classes))
    figure = Canvas(figsize=(3.5 * len(panels), 3.3 * len(ways) + 1.1), layout="constrained")
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
    ax: Axes, xy: NDArray[Any], colours: NDArray[Any], labels: NDArray[Any], targets: NDArray[Any] | None, ink: str
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


def _legend(where: Canvas | Axes, title: str, marks: list[Line2D], **place: Any) -> None:
    where.legend(handles=marks, title=title, frameon=False, handletextpad=0.2, columnspacing=1.2, **place)


def _class_colours(n: int) -> list[str]:
    import matplotlib

    if n <= len(COLOURS):
        return list(COLOURS[:n])
    return [matplotlib.colors.to_hex(c) for c in matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, n))]


def _cluster_marker(cluster: int) -> str:
    return CLUSTER_MARKERS[cluster % len(CLUSTER_MARKERS)]


def _mark(marker: str, colour: str, label: str, face: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], ls="", marker=marker, color=colour, markerfacecolor=face, ms=8, mew=1.3, label=in_legend(label)
    )


def _numbers(arrays: Arrays) -> str:
    """One row per image: its class, its target clusters, and its place in every panel."""
    import pandas as pd

    columns: dict[str, Any] = {"image": arrays["index"], "class": arrays["classes"][arrays["labels"]]}
    for panel in arrays["panels"].tolist():
        if f"clusters_{panel}" in arrays:
            columns[panel] = arrays[f"clusters_{panel}"][arrays[f"targets_{panel}"]]
    for row, way in enumerate(arrays["ways"].tolist()):
        for column, panel in enumerate(arrays["panels"].tolist()):
            for axis, letter in enumerate("xy"):
                columns[f"{way}_{panel}_{letter}"] = arrays["xy"][row, column, :, axis].round(3)
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n")
