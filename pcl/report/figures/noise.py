"""Scores against the share of wrong answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Interval
from pydantic import Field

from pcl.config import FigureSettings, Metric, Split
from pcl.report.figures import base
from pcl.report.words import METRIC_NAMES, NOT_RUN, image_counts, in_legend
from pcl.values import Count, Some

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from pcl.intervals import Images
    from pcl.plan import Run

Percent = Annotated[int, Interval(ge=0, le=100)]


class NoiseSettings(FigureSettings):
    """Settings of scores against wrong answers."""

    kind: Literal["noise"]
    orientation: str
    lines: dict[str, dict[Percent, str]] = Field(min_length=1, description="line -> % of wrong answers -> arm")
    budgets: Some[Count] = Field(description="numbers of questions, a panel each")
    metric: Metric = "acc"
    split: Split = "test"

    @property
    def named(self) -> list[str]:
        """The arms of all lines."""
        return [arm for line in self.lines.values() for arm in line.values()]

    @property
    def compared(self) -> list[str]:
        """The first arm of each line, whose colour and marker the line has."""
        return [next(iter(line.values())) for line in self.lines.values()]


class Figure(base.Figure):
    """Means over seeds against the share of wrong answers, with a band of ± one standard deviation.

    Source: ours; the noise of Mazumdar and Saha, "Clustering with noisy queries", NeurIPS 2017: every answer is wrong
    with one probability.
    """

    Settings = NoiseSettings
    settings: NoiseSettings

    @property
    def orientations(self) -> list[str]:
        """The one of its settings."""
        return [self.settings.orientation]

    def runs(self) -> Iterator[Run]:
        """Every arm at every number of questions that it can ask, with every seed."""
        for arm in dict.fromkeys(self.settings.named):
            for budget in self.plan.askable(self.task, self.settings.orientation, arm, self.settings.budgets):
                for seed in self.plan.study.seeds:
                    yield self.plan.run(self.task, self.settings.orientation, arm, seed, budget)

    def drawing(self, source: Path) -> base.Drawing:
        """Drawn from the summary of its runs."""
        from pcl import stats

        means = self._means(stats.read_of(source, self.runs()))
        numbers = means.to_csv(index=False, lineterminator="\n", na_rep="n/a")
        return base.Drawing(lambda ink: self._draw(means, ink), numbers)

    def caption(self, images: Images) -> str:
        """Where, and what lines and bands are."""
        s = self.settings
        counts = image_counts(images.counts([self.task], s.split), s.split)
        return (
            f"{self.task}, {s.orientation} orientation, {counts}. Each answer is wrong with the same probability. "
            "Lines: means over seeds; bands: ± one standard deviation (ddof = 1)."
        )

    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """Every line in numbers."""
        means = self._means(summary)
        said = [
            f"{line}, {budget} questions: "
            + ", ".join(f"{mean:.3f} at {wrong} %" for wrong, mean in zip(rows["wrong"], rows["mean"], strict=True))
            for (line, budget), rows in means.groupby(["line", "questions"], sort=False)
        ]
        return f"{self.settings.title} on {self.task}. {'; '.join(said) or NOT_RUN}."

    def _means(self, summary: pd.DataFrame) -> pd.DataFrame:
        """Mean, standard deviation and n of every line, number of questions and share of wrong answers."""
        import pandas as pd

        from pcl import stats

        s = self.settings
        rows = stats.of_runs(summary, self.runs())
        rows = rows[(rows["orientation"] == s.orientation) & (rows["split"] == s.split)]
        found = stats.aggregate(rows, ["arm", "budget"])
        found = found[found["metric"] == s.metric].set_index(["arm", "budget"])
        lines = [
            {"line": line, "questions": budget, "wrong": wrong, **found.loc[(arm, budget), ["mean", "std", "n"]]}
            for line, arms in s.lines.items()
            for budget in s.budgets
            for wrong, arm in sorted(arms.items())
            if (arm, budget) in found.index
        ]
        return pd.DataFrame(lines, columns=["line", "questions", "wrong", "mean", "std", "n"]).astype({"n": int})

    def _draw(self, means: pd.DataFrame, ink: str) -> Canvas:
        from matplotlib.figure import Figure as Canvas

        from pcl.report.style import arm_styles

        s, styles = self.settings, arm_styles(self.plan.config)
        figure = Canvas(figsize=(3.6 * len(s.budgets), 3.2), layout="constrained")
        axes = figure.subplots(1, len(s.budgets), sharey=True, squeeze=False)[0]
        for ax, budget in zip(axes, s.budgets, strict=True):
            for line, arm in zip(s.lines, s.compared, strict=True):
                own = means[(means["line"] == line) & (means["questions"] == budget)]
                colour, spread = styles[arm].colour, own["std"].fillna(0)
                low, high = own["mean"] - spread, own["mean"] + spread
                ax.fill_between(own["wrong"], low, high, color=colour, alpha=0.16, lw=0)
                label = in_legend(line) if ax is axes[0] else None
                ax.plot(own["wrong"], own["mean"], color=colour, marker=styles[arm].marker, lw=2, label=label)
            ax.set_title(f"{budget} questions")
            ax.set_xlabel("wrong answers, %")
            ax.grid(color=ink, alpha=0.12)
        axes[0].set_ylabel(f"{s.split} {METRIC_NAMES[s.metric]}")
        figure.legend(loc="outside upper center", ncols=len(s.lines), frameon=False)
        return figure
