"""The same images, sorted in several ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from pcl import seed as seeds
from pcl.report import panels
from pcl.report.panels import Panel, Panels, PanelsSettings
from pcl.report.words import heading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from pcl.intervals import Images
    from pcl.plan import Run

ACROSS = 2  # panels side by side


class WaysSettings(PanelsSettings):
    """Settings of ways: each is a task of the study, in `orientation`, and the arm that sorts it."""

    kind: Literal["ways"]
    ways: dict[str, str] = Field(
        min_length=1, description="task -> arm, a panel each; those of other studies are left out"
    )
    clusters: PositiveInt = Field(4, description="of each task, at most so many")

    @property
    def named(self) -> list[str]:
        """The arms."""
        return list(self.ways.values())

    @property
    def of_tasks(self) -> list[str]:
        """The tasks."""
        return list(self.ways)


class Figure(Panels):
    """Test images in the clusters that one run found, for several tasks on the same pictures.

    Source: ours.
    """

    Settings = WaysSettings
    settings: WaysSettings

    @property
    def empty(self) -> bool:
        """Whether none of its tasks is the study's."""
        return not self._tasks

    def runs(self) -> Iterator[Run]:
        """The first seed of each way, with as many answers as the study has for it."""
        for task in self._tasks:
            yield self._run(task)

    def caption(self, images: Images) -> str:
        """What is shown, and what the marks are."""
        s = self.settings
        return (
            f"Seed {self.plan.study.seeds[0]} of each task: a row for each cluster that was found, {s.clusters} at "
            f"most, with {s.shown} of its test images at random; {panels.FRAMED}."
        )

    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """How many images are right."""
        return f"{self.settings.title}. {self.in_words()}"

    @property
    def _tasks(self) -> list[str]:
        return [task for task in self.settings.ways if task in self.plan.study.tasks]

    def _run(self, task: str) -> Run:
        s = self.settings
        return self.plan.run(task, s.orientation, s.ways[task], self.plan.study.seeds[0])

    def panels(self) -> list[Panel]:
        """One for each way."""
        s, found = self.settings, []
        for task, run in zip(self._tasks, self.runs(), strict=True):
            asked = f"{run.budget} answers" if run.budget else "no answer"
            rng = seeds.numpy_generator(run.seed, heading(self.name), task, run.budget)
            panel = panels.of_run(run, s.orientation, f"{task}, {run.title}, {asked}", s.shown, rng)
            found.append(panel._replace(images=panel.images[: s.clusters], wrong=panel.wrong[: s.clusters]))
        return found

    def draw(self, shown: list[Panel], ink: str) -> Canvas:
        """Panels, two side by side."""
        from matplotlib.figure import Figure as Canvas

        from pcl import datasets

        across = min(ACROSS, len(shown))
        high = [max(len(panel.images) for panel in shown[at : at + across]) for at in range(0, len(shown), across)]
        wide = self.settings.shown
        canvas = Canvas(figsize=(0.36 * wide * across, 0.36 * sum(high) + 0.3 * len(high)), layout="constrained")
        grid = canvas.add_gridspec(len(high), across, height_ratios=high)
        for at, (panel, run) in enumerate(zip(shown, self.runs(), strict=True)):
            row, column = divmod(at, across)
            ax = canvas.add_subplot(grid[row, column])
            panels.draw(ax, at, panel, datasets.load(run.data.path).test.images, wide, high[row], ink)
        return canvas
