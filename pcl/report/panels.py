"""Test images in the clusters that runs found, a few of each, and which of them are wrong."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from pcl.config import FigureSettings
from pcl.report.figures import base

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from pcl.plan import Run

WRONG = "#d55e00"
FRAMED = (
    "framed: images that the best map of clusters to target clusters puts wrong, on the page with their true cluster "
    "under the pointer"
)


class Panel(NamedTuple):
    """Some images of every cluster: positions [K][≤ shown], the true cluster of those that are wrong, and the ACC."""

    title: str
    images: list[NDArray[np.int64]]
    wrong: list[list[str | None]]
    acc: float

    @property
    def mistakes(self) -> str:
        """How many of the shown images are wrong in each row, and where they belong."""
        said = []
        for row, names in enumerate(self.wrong, start=1):
            counts = Counter(name for name in names if name is not None)
            if counts:
                said.append(f"row {row} has {', '.join(f'{n} of {name}' for name, n in counts.items())}")
        return "; ".join(said) or "none is wrong"


class PanelsSettings(FigureSettings):
    """Settings of figures that are made of panels."""

    orientation: str
    shown: PositiveInt = Field(10, description="test images of every cluster, drawn at random")


class Panels(base.Figure):
    """A figure that is drawn from the folders of its runs, a panel each."""

    settings: PanelsSettings

    @property
    def orientations(self) -> list[str]:
        """The one of its settings."""
        return [self.settings.orientation]

    def drawing(self, source: Path) -> base.Drawing:
        """`source` is the summary of its runs, which says that they are there."""
        from pcl import stats

        stats.of_runs(stats.read(source), self.runs())
        shown = self.panels()
        return base.Drawing(lambda ink: self.draw(shown, ink), numbers(shown), dict(titles(shown)))

    @abstractmethod
    def panels(self) -> list[Panel]:
        """What is shown of every run."""

    @abstractmethod
    def draw(self, shown: list[Panel], ink: str) -> Canvas:
        """The figure, in the colour of text and lines."""

    def in_words(self) -> str:
        """How many images are right, and which of those shown are not."""
        shown = self.panels()
        right = "; ".join(f"{panel.title}: {panel.acc:.3f}" for panel in shown)
        wrong = ". ".join(f"{panel.title}: {panel.mistakes}" for panel in shown)
        return (
            f"Share of test images that are right; {right}. Of the images shown, wrong ones and their true clusters. "
            f"{wrong}."
        )


def of_run(run: Run, orientation: str, title: str, shown: int, rng: np.random.Generator) -> Panel:
    """At most `shown` test images of every cluster that a run found, drawn at random."""
    from pcl import metrics, orientations

    found = run.folder.read_assignments()["test"]
    targets = orientations.read(run.targets[orientation].path)
    target = targets.test[found.index]
    right = metrics.right(target, found.cluster)
    chosen = [
        np.sort(rng.permutation(np.flatnonzero(found.cluster == own))[:shown])
        for own in _by_target(target, found.cluster)
    ]
    names = [[None if right[at] else targets.clusters[target[at]] for at in own] for own in chosen]
    return Panel(title, [found.index[c] for c in chosen], names, float(right.mean()))


def draw(ax: Axes, at: int, panel: Panel, images: NDArray[np.uint8], columns: int, rows: int, ink: str) -> None:
    """One panel: a row for each cluster, with room for `columns` by `rows` of them; `at` is its place."""
    ax.set_title(f"{panel.title} · ACC {panel.acc:.3f}", fontsize=8, color=ink)
    for row, (index, wrong) in enumerate(zip(panel.images, panel.wrong, strict=True)):
        frames = [WRONG if name is not None else None for name in wrong]
        strip(ax, images, index, row, frames, f"wrong-{at}-{row}")
    frame(ax, columns, rows)


def strip(
    ax: Axes,
    images: NDArray[np.uint8],
    index: NDArray[np.int64],
    row: int,
    frames: list[str | None] | list[str],
    gid: str | None = None,
) -> None:
    """Images side by side in one row, some of them framed; with a `gid`, each frame has one of its own."""
    from matplotlib.patches import Rectangle

    for column, (image, colour) in enumerate(zip(index, frames, strict=True)):
        pixels = np.asarray(images[image]).transpose(1, 2, 0)
        pixels = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
        ax.imshow(pixels, extent=(column, column + 0.94, row + 0.94, row), interpolation="nearest")
        if colour is not None:
            own = f"{gid}-{column}" if gid else None
            ax.add_patch(Rectangle((column, row), 0.94, 0.94, fill=False, edgecolor=colour, linewidth=1.6, gid=own))


def frame(ax: Axes, columns: int, rows: int) -> None:
    """Room for so many images, and no axes."""
    ax.set_xlim(-0.1, columns + 0.05)
    ax.set_ylim(rows + 0.05, -0.1)
    ax.set_aspect("equal")
    ax.axis("off")


def titles(panels: list[Panel]) -> Iterator[tuple[str, str]]:
    """The gid of every frame around a wrong image -> its true cluster."""
    for at, panel in enumerate(panels):
        for row, names in enumerate(panel.wrong):
            for column, name in enumerate(names):
                if name is not None:
                    yield f"wrong-{at}-{row}-{column}", f"belongs to {name}"


def numbers(panels: list[Panel]) -> str:
    """One row per panel and cluster, as CSV: how many images are shown, how many of them wrong, and the ACC."""
    lines = ["panel,cluster,shown,wrong,acc"]
    for panel in panels:
        for own, (images, wrong) in enumerate(zip(panel.images, panel.wrong, strict=True)):
            lines.append(
                f'"{panel.title}",{own},{len(images)},{sum(name is not None for name in wrong)},{panel.acc:.6f}'
            )
    return "\n".join(lines) + "\n"


def _by_target(target: NDArray[np.int64], cluster: NDArray[np.int64]) -> list[int]:
    """The clusters in the order of the target clusters that they are mapped to, so that panels can be compared."""
    from pcl import metrics

    chosen, found = dict(metrics.mapped(target, cluster)), int(cluster.max()) + 1
    return sorted(range(found), key=lambda own: chosen.get(own, found))
