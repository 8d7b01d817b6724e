"""The images themselves: in the clusters that were found, after more and more answers, and the questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, PositiveInt

from pcl import seed as seeds
from pcl.report import panels
from pcl.report.panels import Panel, Panels, PanelsSettings
from pcl.report.words import heading
from pcl.values import Count, Some

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from pcl.intervals import Images
    from pcl.plan import Run

SAME, DIFFERENT = "#029e73", "#d55e00"


class PicturesSettings(PanelsSettings):
    """Settings of pictures: `without` is an arm that asks nothing, shown before the answers of `arm`."""

    kind: Literal["pictures"]
    arm: str
    without: str | None = None
    budgets: Some[Count] = Field(description="numbers of answers, a panel each")
    questions: PositiveInt = Field(20, description="first questions that are shown")

    @property
    def named(self) -> list[str]:
        """Both arms."""
        return [arm for arm in (self.without, self.arm) if arm is not None]


class Figure(Panels):
    """Test images in the clusters that one run found, before any answer and after some; and its first questions.

    Source: ours.
    """

    Settings = PicturesSettings
    settings: PicturesSettings

    def runs(self) -> Iterator[Run]:
        """The first seed at every number of answers that the arm can ask."""
        for arm, budget in self._shown():
            yield self._run(arm, budget)

    def caption(self, images: Images) -> str:
        """What is shown, and what the marks are."""
        s = self.settings
        return (
            f"{self.task}, {s.orientation} orientation, seed {self.plan.study.seeds[0]}: a row for each cluster that "
            f"was found, with {s.shown} of its test images at random; {panels.FRAMED}. Below: the first "
            f"{s.questions} questions, framed green where the answer was “same” and orange where it was “different”."
        )

    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """How many images are right after how many answers."""
        return f"{self.settings.title} on {self.task}. {self.in_words()}"

    def panels(self) -> list[Panel]:
        """Before any answer, and after some."""
        return [self._panel(arm, budget) for arm, budget in self._shown()]

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
        run = self._run(arm, budget)
        rng = seeds.numpy_generator(run.seed, heading(self.name), arm, budget)
        asked = f"{budget} answers" if budget else f"{run.title}, no answer"
        return panels.of_run(run, self.settings.orientation, asked, self.settings.shown, rng)

    def draw(self, shown: list[Panel], ink: str) -> Canvas:
        """Panels, and the first questions below."""
        from matplotlib.figure import Figure as Canvas

        from pcl import datasets

        arm, budget = list(self._shown())[-1]
        run = self._run(arm, budget)
        splits = datasets.load(run.data.path)
        answers = [answer for answer in run.folder.read_answers() if answer.same is not None][
            : self.settings.questions
        ]
        columns = min(len(shown), 4)
        rows = -(-len(shown) // columns)
        high = max(len(panel.images) for panel in shown)
        canvas = Canvas(figsize=(2.4 * columns, (0.62 + 0.26 * high) * rows + 1.0), layout="constrained")
        grid = canvas.add_gridspec(rows + 1, columns, height_ratios=[high] * rows + [2.2])
        for at, panel in enumerate(shown):
            ax = canvas.add_subplot(grid[divmod(at, columns)])
            panels.draw(ax, at, panel, splits.test.images, self.settings.shown, high, ink)
        ax = canvas.add_subplot(grid[rows, :])
        ax.set_title(
            "first questions: an image above and one below, same (green) or different (orange)", fontsize=8, color=ink
        )
        colours = [SAME if answer.same else DIFFERENT for answer in answers]
        panels.strip(ax, splits.train.images, np.array([answer.i for answer in answers]), 0, colours)
        panels.strip(ax, splits.train.images, np.array([answer.j for answer in answers]), 1, colours)
        panels.frame(ax, max(len(answers), 1), 2)
        return canvas
