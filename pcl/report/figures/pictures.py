"""The images themselves: in the clusters that were found, after more and more answers, and the questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from pcl import seed as seeds
from pcl.config import FigureSettings
from pcl.report.figures import base
from pcl.report.words import heading
from pcl.values import Count, Some

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from pcl.intervals import Images
    from pcl.plan import Run

WRONG, SAME, DIFFERENT = "#d55e00", "#029e73", "#d55e00"


class PicturesSettings(FigureSettings):
    """Settings of pictures: `without` is an arm that asks nothing, shown before the answers of `arm`."""

    kind: Literal["pictures"]
    orientation: str
    arm: str
    without: str | None = None
    budgets: Some[Count] = Field(description="numbers of answers, a panel each")
    shown: PositiveInt = Field(10, description="test images of every cluster, drawn at random")
    questions: PositiveInt = Field(20, description="first questions that are shown")

    @property
    def named(self) -> list[str]:
        """Both arms."""
        return [arm for arm in (self.without, self.arm) if arm is not None]


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


class Figure(base.Figure):
    """Test images in the clusters that one run found, before any answer and after some; and its first questions.

    Source: ours.
    """

    Settings = PicturesSettings
    settings: PicturesSettings

    @property
    def orientations(self) -> list[str]:
        """The one of its settings."""
        return [self.settings.orientation]

    def runs(self) -> Iterator[Run]:
        """The first seed at every number of answers that the arm can ask."""
        for arm, budget in self._shown():
            yield self._run(arm, budget)

    def drawing(self, source: Path) -> base.Drawing:
        """Drawn from the folders of its runs; `source` is their summary, which says that they are there."""
        from pcl import stats

        stats.of_runs(stats.read(source), self.runs())
        panels = [self._panel(arm, budget) for arm, budget in self._shown()]
        return base.Drawing(lambda ink: self._draw(panels, ink), _numbers(panels), dict(_titles(panels)))

    def caption(self, images: Images) -> str:
        """What is shown, and what the marks are."""
        s = self.settings
        return (
            f"{self.task}, {s.orientation} orientation, seed {self.plan.study.seeds[0]}: a row for each cluster that "
            f"was found, with {s.shown} of its test images at random; framed: images that the best map of clusters "
            f"to target clusters puts wrong, on the page with their true cluster under the pointer. Below: the first "
            f"{s.questions} questions, framed green where the answer was “same” and orange where it was “different”."
        )

    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """How many images are right after how many answers."""
        panels = [self._panel(*at) for at in self._shown()]
        right = "; ".join(f"{panel.title}: {panel.acc:.3f}" for panel in panels)
        wrong = ". ".join(f"{panel.title}: {panel.mistakes}" for panel in panels)
        return (
            f"{self.settings.title} on {self.task}. Share of test images that are right; {right}. Of the images "
            f"shown, wrong ones and their true clusters. {wrong}."
        )

    def _shown(self) -> Iterator[tuple[str, int]]:
        s = self.settings
        if s.without is not None:
            yield s.without, 0
        for budget in self.plan.askable(self.task, s.orientation, s.arm, s.budgets):
            yield s.arm, budget

    def _run(self, arm: str, budget: int) -> Run:
        seed = self.plan.study.seeds[0]
        return self.plan.run(self.task, self.settings.orientation, arm, seed, budget or None)

    def _panel(self, arm: str, budget: int) -> Panel:
        from pcl import metrics, orientations

        run = self._run(arm, budget)
        found = run.folder.read_assignments()["test"]
        targets = orientations.read(run.targets[self.settings.orientation].path)
        target = targets.test[found.index]
        right = metrics.right(target, found.cluster)
        rng = seeds.numpy_generator(run.seed, heading(self.name), arm, budget)
        chosen = [
            np.sort(rng.permutation(np.flatnonzero(found.cluster == own))[: self.settings.shown])
            for own in _by_target(target, found.cluster)
        ]
        names = [[None if right[at] else targets.clusters[target[at]] for at in own] for own in chosen]
        asked = f"{budget} answers" if budget else f"{run.title}, no answer"
        return Panel(asked, [found.index[c] for c in chosen], names, float(right.mean()))

    def _draw(self, panels: list[Panel], ink: str) -> Canvas:
        from matplotlib.figure import Figure as Canvas

        from pcl import datasets

        arm, budget = list(self._shown())[-1]
        run = self._run(arm, budget)
        splits = datasets.load(run.data.path)
        answers = [answer for answer in run.folder.read_answers() if answer.same is not None][
            : self.settings.questions
        ]
        columns = min(len(panels), 4)
        rows = -(-len(panels) // columns)
        high = max(len(panel.images) for panel in panels)
        canvas = Canvas(figsize=(2.4 * columns, (0.62 + 0.26 * high) * rows + 1.0), layout="constrained")
        grid = canvas.add_gridspec(rows + 1, columns, height_ratios=[high] * rows + [2.2])
        for at, panel in enumerate(panels):
            ax = canvas.add_subplot(grid[divmod(at, columns)])
            ax.set_title(f"{panel.title} · ACC {panel.acc:.3f}", fontsize=8, color=ink)
            for row, (images, wrong) in enumerate(zip(panel.images, panel.wrong, strict=True)):
                frames = [WRONG if name is not None else None for name in wrong]
                _strip(ax, splits.test.images, images, row, frames, f"wrong-{at}-{row}")
            _frame(ax, self.settings.shown, high)
        ax = canvas.add_subplot(grid[rows, :])
        ax.set_title(
            "first questions: an image above and one below, same (green) or different (orange)", fontsize=8, color=ink
        )
        colours = [SAME if answer.same else DIFFERENT for answer in answers]
        _strip(ax, splits.train.images, np.array([answer.i for answer in answers]), 0, colours)
        _strip(ax, splits.train.images, np.array([answer.j for answer in answers]), 1, colours)
        _frame(ax, max(len(answers), 1), 2)
        return canvas


def _strip(
    ax: Axes,
    images: NDArray[np.uint8],
    index: NDArray[np.int64],
    row: int,
    frames: list[str | None] | list[str],
    gid: str | None = None,
) -> None:
    """Images side by side in one row, some of them framed; with a `gid`, each frame has one of its own."""
    from matplotlib.patches import Rectangle

    for column, (image, frame) in enumerate(zip(index, frames, strict=True)):
        pixels = np.asarray(images[image]).transpose(1, 2, 0)
        pixels = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
        ax.imshow(pixels, extent=(column, column + 0.94, row + 0.94, row), interpolation="nearest")
        if frame is not None:
            own = f"{gid}-{column}" if gid else None
            ax.add_patch(Rectangle((column, row), 0.94, 0.94, fill=False, edgecolor=frame, linewidth=1.6, gid=own))


def _frame(ax: Axes, columns: int, rows: int) -> None:
    ax.set_xlim(-0.1, columns + 0.05)
    ax.set_ylim(rows + 0.05, -0.1)
    ax.set_aspect("equal")
    ax.axis("off")


def _titles(panels: list[Panel]) -> Iterator[tuple[str, str]]:
    """The gid of every frame around a wrong image -> its true cluster."""
    for at, panel in enumerate(panels):
        for row, names in enumerate(panel.wrong):
            for column, name in enumerate(names):
                if name is not None:
                    yield f"wrong-{at}-{row}-{column}", f"belongs to {name}"


def _by_target(target: NDArray[np.int64], cluster: NDArray[np.int64]) -> list[int]:
    """The clusters in the order of the target clusters that they are mapped to, so that panels can be compared."""
    from pcl import metrics

    chosen, found = dict(metrics.mapped(target, cluster)), int(cluster.max()) + 1
    return sorted(range(found), key=lambda own: chosen.get(own, found))


def _numbers(panels: list[Panel]) -> str:
    """One row per panel and cluster: how many images are shown, how many of them wrong, and the ACC."""
    lines = ["panel,cluster,shown,wrong,acc"]
    for panel in panels:
        for own, (images, wrong) in enumerate(zip(panel.images, panel.wrong, strict=True)):
            lines.append(
                f'"{panel.title}",{own},{len(images)},{sum(name is not None for name in wrong)},{panel.acc:.6f}'
            )
    return "\n".join(lines) + "\n"
