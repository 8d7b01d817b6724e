"""Scores against the number of questions (Fig. 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pcl.config import FigureSettings, Metric, Split
from pcl.engine.stage import Probability as Share
from pcl.engine.stage import most_questions
from pcl.errors import UserError, did_you_mean
from pcl.report.figures import base
from pcl.report.words import METRIC_NAMES, NOT_RUN, heading, image_counts, in_legend
from pcl.values import Name, Once, Some

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from pcl.intervals import Images
    from pcl.plan import Run
    from pcl.report.findings import Finding
    from pcl.report.style import ArmStyle


DASHES = ("--", ":", "-.")


class CurveSettings(FigureSettings):
    """Settings of a curve."""

    kind: Literal["curve"]
    orientation: str
    arms: Some[str]
    metrics: Some[Metric] = Field(["acc", "nmi"])
    splits: Some[Split] = Field(["train", "test"])
    shares: Once[Share] = Field(
        [], description="in the place of the study's numbers: of all that the first arm can ask"
    )
    published: dict[Name, str] = Field(
        {}, description="a table -> the row of the paper's own table whose number for the task is a line across"
    )

    @property
    def named(self) -> list[str]:
        """Every arm has a line of its own."""
        return self.arms

    @property
    def compared(self) -> list[str]:
        """All of them."""
        return self.arms


class Figure(base.Figure):
    """Scores against the number of questions: means, a band of ± one standard deviation, and a point per seed.

    Source: Geng et al., AAAI-25, Fig. 4.
    """

    Settings = CurveSettings
    settings: CurveSettings

    @property
    def orientations(self) -> list[str]:
        """The one of its settings."""
        return [self.settings.orientation]

    @property
    def empty(self) -> bool:
        """Without numbers of questions in the study."""
        return not (self.plan.study.curve or self.settings.shares)

    def check(self) -> None:
        """Raise UserError where a paper has no such table or row."""
        from pcl.report.tables import published

        for table, row in self.settings.published.items():
            printed = published(table).tables
            if table not in printed:
                raise UserError(f"figures.{self.name}.published: no paper's table{did_you_mean(table, printed)}")
            rows = printed[table].by_row([])
            if row not in rows:
                raise UserError(f"figures.{self.name}.published.{table}: no row{did_you_mean(row, rows)}")

    def runs(self) -> Iterator[Run]:
        """Every arm at every number of questions, with every seed."""
        for arm in self.settings.arms:
            for questions in self._askable(arm):
                yield from self._runs_at(arm, questions)

    def drawing(self, source: Path) -> base.Drawing:
        """Drawn from the summary of its runs."""
        from pcl import stats

        points = self.points(stats.read_of(source, self.runs()))
        means = stats.aggregate(points, ["arm", "questions", "split"])
        return base.Drawing(lambda ink: self._draw(points, means, ink), self._numbers(means))

    def points(self, summary: pd.DataFrame) -> pd.DataFrame:
        """The rows of the summary that it shows, with the number of questions it shows them at.

        An arm that asks nothing stands at every number of questions with the same runs.
        """
        import pandas as pd

        from pcl import stats

        summary = summary[summary["orientation"] == self.settings.orientation]
        found = [summary.head(0).assign(questions=0)]
        for arm in self.settings.arms:
            for questions in self._askable(arm):
                rows = stats.of_runs(summary, self._runs_at(arm, questions))
                found.append(rows.assign(questions=questions))
        return pd.concat(found, ignore_index=True)

    def caption(self, images: Images) -> str:
        """Where, and what lines, bands and points are."""
        task = self.plan.study.ablation
        counts = (image_counts(images.counts([task], split), split) for split in self.settings.splits)
        return (
            f"{task}, {self.settings.orientation} orientation, {' and '.join(counts)}. Lines: means over seeds; "
            "bands: ± one standard deviation (ddof = 1); points: single seeds. Questions: how many a run may ask; a "
            f"line has those that its arm can ask.{self._ends()}{self._said_of_papers()}"
        )

    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """The finding in a sentence."""
        finding = self.finding(summary, images)
        sentence = finding.sentence if finding else NOT_RUN
        return f"{self.settings.title} on {self.plan.study.ablation}. {sentence}"

    def finding(self, summary: pd.DataFrame, images: Images) -> Finding | None:
        """How the first arm stands against the others, at every number of questions."""
        from pcl import intervals
        from pcl.report.findings import Finding

        metric, split = self.settings.metrics[0], self.settings.splits[-1]
        budgets, first = self.budgets, self.settings.arms[0]
        points = self.points(summary)
        points = points[points["split"] == split]
        leads = [
            intervals.lead(group, metric, self.settings.arms, images) for _, group in points.groupby("questions")
        ]
        ahead = [lead for lead in leads if lead and lead.best == first and lead.difference.mean > 0]
        own = points[points["arm"] == first].groupby("questions")[metric].mean()
        if own.empty or not any(leads):
            return None
        clear = sum(lead.difference.clear for lead in ahead)
        label = self.plan.config.arms[first].title
        return Finding(
            where=f"{heading(self.name)} · {self.plan.study.ablation} · {self.settings.orientation}",
            anchor=self.name,
            number=f"{len(ahead)} of {len(budgets)}",
            whose=f"numbers of questions at which {label} has the best mean {split} {METRIC_NAMES[metric]}",
            sentence=(
                f"From {own.index[0]} to {own.index[-1]} questions {label} goes from {own.iloc[0]:.3f} to "
                f"{own.iloc[-1]:.3f}; its lead is clear at {clear} of {len(budgets)}."
            ),
            clear=clear > 0,
        )

    @property
    def budgets(self) -> list[int]:
        """The numbers of questions: the study's, or shares of what the first arm can ask in its batches and epochs.

        Raises:
            UserError: there are shares, and nobody knows how many images there are.
        """
        if not self.settings.shares:
            return self.plan.study.curve
        study = self.plan.study
        run = self.plan.run(study.ablation, self.settings.orientation, self.settings.arms[0], study.seeds[0])
        images = run.data.dataset.training_images()
        if images is None:
            raise UserError(f"figures.{self.name}.shares: {run.data.name} is not there to count; `pcl prepare` it")
        pairs, asked = most_questions(run.method(run.settings, run.clusters, run.budget).stages(), images)
        return [round(share * min(pairs, asked)) for share in self.settings.shares]

    def _ends(self) -> str:
        if not self.settings.shares:
            return ""
        return f" 100 % are {max(self.budgets):,} questions: all that its batches and epochs leave room for."

    def _published(self) -> dict[str, dict[str, float]]:
        """Whose it is -> metric -> what a paper prints for the task and orientation of the figure."""
        from pcl.report.tables import published

        found = {}
        for table, row in self.settings.published.items():
            printed, task = published(table).tables[table], self.plan.study.ablation
            if printed.orientation != self.settings.orientation or task not in printed.tasks:
                continue
            arm = printed.arms.get(row)
            whose = self.plan.config.arms[arm].title if arm in self.plan.config.arms else row
            scores = {metric: value for (_, metric), value in printed.by_row([task])[row].items()}
            found[f"{whose}, as published"] = scores
        return found

    def _said_of_papers(self) -> str:
        if not self._published():
            return ""
        from pcl.report.tables import published

        sources = {paper.paper: paper.note for paper in map(published, self.settings.published)}
        said = "".join(f" {paper}. {note}" for paper, note in sources.items())
        return f" Dashed: what a paper prints, for a number of questions of its own.{said}"

    def _askable(self, arm: str) -> list[int]:
        """The numbers of questions that an arm can ask."""
        study = self.plan.study
        return self.plan.askable(study.ablation, self.settings.orientation, arm, self.budgets)

    def _runs_at(self, arm: str, questions: int) -> list[Run]:
        task, orientation = self.plan.study.ablation, self.settings.orientation
        return [self.plan.run(task, orientation, arm, seed, questions) for seed in self.plan.study.seeds]

    def _draw(self, points: pd.DataFrame, means: pd.DataFrame, ink: str) -> Canvas:
        import numpy as np
        from matplotlib.figure import Figure as Canvas
        from matplotlib.lines import Line2D

        from pcl.report.style import arm_styles

        item, styles, across = self.settings, arm_styles(self.plan.config), self._published()
        shape = (len(item.metrics), len(item.splits))
        figure = Canvas(figsize=(4.2 * shape[1], 2.9 * shape[0]), layout="constrained")
        axes = figure.subplots(*shape, sharex=True, sharey="row", squeeze=False)
        for (row, column), ax in np.ndenumerate(axes):
            metric, split = item.metrics[row], item.splits[column]
            for arm in item.arms:
                line = means.query("arm == @arm and split == @split and metric == @metric")
                dots = points.query("arm == @arm and split == @split")
                _draw_arm(ax, styles[arm], line, dots["questions"], dots[metric])
            for scores, dashes in zip(across.values(), cycle(DASHES), strict=False):
                if metric in scores:
                    ax.axhline(scores[metric], color=ink, ls=dashes, lw=1.2)
            shares = self.settings.shares
            ax.set_xticks(self.budgets, [f"{share:.3g}" for share in 100 * np.array(shares)] if shares else None)
            ax.grid(color=ink, alpha=0.12)
            ax.tick_params(labelbottom=True)
            if row == 0:
                ax.set_title(f"{split} images")
            if row == shape[0] - 1:
                ax.set_xlabel("% of the questions that can be asked" if shares else "questions")
            if column == 0:
                ax.set_ylabel(METRIC_NAMES[metric])
        run = set(points["arm"])
        handles = [
            Line2D([], [], color=styles[arm].colour, marker=styles[arm].marker, lw=2, label=in_legend(label))
            for arm, label in self._labels(run).items()
        ]
        handles += [
            Line2D([], [], color=ink, ls=dashes, lw=1.2, label=in_legend(whose))
            for whose, dashes in zip(across, cycle(DASHES), strict=False)
        ]
        rows = math.ceil(len(handles) / 5)
        figure.legend(
            handles=handles, loc="outside upper center", ncols=math.ceil(len(handles) / rows), frameon=False
        )
        return figure

    def _labels(self, run: set[str]) -> dict[str, str]:
        labels = {arm: self.plan.config.arms[arm].title for arm in self.settings.arms}
        return {arm: label if arm in run else f"{label} ({NOT_RUN})" for arm, label in labels.items()}

    def _numbers(self, means: pd.DataFrame) -> str:
        """One row per number of questions; mean, standard deviation and n of every split, metric and arm."""
        import pandas as pd

        found = means.set_index(["questions", "split", "metric", "arm"])
        rows = []
        for questions in self.budgets:
            row: dict[str, Any] = {"questions": questions}
            for split in self.settings.splits:
                for metric in self.settings.metrics:
                    for arm in self.settings.arms:
                        place = (questions, split, metric, arm)
                        values = found.loc[place] if place in found.index else None
                        column = f"{split}_{metric}_{arm}"
                        row[column] = NOT_RUN if values is None else round(values["mean"], 6)
                        row[f"{column}_std"] = NOT_RUN if values is None else round(values["std"], 6)
                        row[f"{column}_n"] = 0 if values is None else int(values["n"])
            rows.append(row)
        return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n", na_rep="n/a")


def _draw_arm(ax: Axes, style: ArmStyle, line: pd.DataFrame, questions: pd.Series, scores: pd.Series) -> None:
    """A line of means, a band of ± one standard deviation, and a small point per seed."""
    spread = line["std"].fillna(0)
    ax.fill_between(
        line["questions"], line["mean"] - spread, line["mean"] + spread, color=style.colour, alpha=0.16, lw=0
    )
    ax.scatter(questions, scores, s=9, color=style.colour, alpha=0.55, lw=0)
    ax.plot(line["questions"], line["mean"], color=style.colour, marker=style.marker, lw=2, ms=6)
