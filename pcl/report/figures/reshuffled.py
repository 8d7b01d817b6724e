"""What becomes of assignments when the images that are evaluated are put into other batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from pcl import artifacts, metrics
from pcl import seed as seeds
from pcl.config import FigureSettings, Split
from pcl.errors import UserError
from pcl.report.figures import base
from pcl.report.words import NOT_RUN, image_counts
from pcl.values import Some

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from pcl.intervals import Images
    from pcl.plan import Run


class ReshuffledSettings(FigureSettings):
    """Settings of assignments in other batches."""

    kind: Literal["reshuffled"]
    orientation: str
    arms: Some[str]
    orders: int = Field(10, ge=1, description="random orders of the images, beside that of the data set")
    split: Split = "test"

    @property
    def named(self) -> list[str]:
        """All of them."""
        return self.arms

    @property
    def compared(self) -> list[str]:
        """All of them."""
        return self.arms


class Figure(base.Figure):
    """The share of images that change their cluster with the batch they are evaluated in, and what ACC is then.

    Source: ours. Attention between images (Geng et al., AAAI-25, Section 3.1) makes it depend on the batch.
    """

    Settings = ReshuffledSettings
    settings: ReshuffledSettings
    precomputed = True

    @property
    def orientations(self) -> list[str]:
        """The one of its settings."""
        return [self.settings.orientation]

    def runs(self) -> Iterator[Run]:
        """Every arm with every seed."""
        for arm in self.settings.arms:
            for seed in self.plan.study.seeds:
                yield self.plan.run(self.task, self.settings.orientation, arm, seed)

    def check(self) -> None:
        """What is assigned anew is a network, and what ACC is held against is known."""
        for run in self.runs():
            if not run.method.network:
                raise UserError(f"figures.{self.name}.arms: {run.arm} trains no network; choose arms that do")
            if self.settings.orientation not in run.targets:
                raise UserError(
                    f"figures.{self.name}.orientation: nobody knows the clusters of {self.settings.orientation}"
                )

    def precompute(self, out: Path) -> None:
        """Write what each run assigns in the order of the data set and in random ones.

        The .npz holds, for every one of the `runs`, `moved` [runs, orders]: the share of images whose cluster is not
        that of the first order, which is that of the data set; and `acc` [runs, orders].

        Raises:
            UserError: an arm trains no network, or a run is missing.
        """
        from pcl import orientations
        from pcl.run import execute

        self.check()
        split, moved, acc = self.settings.split, [], []
        for run in self.runs():
            method, session = execute.restored(run)
            method.start_evaluation(session)
            target = getattr(orientations.read(run.targets[self.settings.orientation].path), split)
            found = []
            for number in range(self.settings.orders + 1):
                draw = seeds.numpy_generator(run.seed, "reshuffled", number)
                order = draw.permutation(len(target)) if number else np.arange(len(target))
                cluster = np.empty(len(target), np.int64)
                cluster[order] = session.predict(method.probabilities, split, order).argmax(1).numpy()
                found.append(cluster)
            moved.append([float((cluster != found[0]).mean()) for cluster in found])
            acc.append([metrics.accuracy(target, cluster) for cluster in found])
        artifacts.write_arrays(
            out,
            moved=np.array(moved),
            acc=np.array(acc),
            runs=np.array([run.path.as_posix() for run in self.runs()]),
        )

    def drawing(self, source: Path) -> base.Drawing:
        """Drawn from what `precompute` wrote."""
        rows = self._rows(source)
        return base.Drawing(lambda ink: self._draw(rows, ink), rows.to_csv(index=False, lineterminator="\n"))

    def caption(self, images: Images) -> str:
        """Where, and what points and lines are."""
        s = self.settings
        counts = image_counts(images.counts([self.task], s.split), s.split)
        return (
            f"{self.task}, {s.orientation} orientation, {counts}. Every trained network assigns them in the order of "
            f"the data set and in {s.orders} random ones, in batches of one size. Left: the share of images in "
            "another cluster than in the order of the data set, one point an order. Right: ACC, a line from the "
            "least to the most of a seed, with a point at the order of the data set."
        )

    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """What is on the axes."""
        arms = ", ".join(self.settings.arms) or NOT_RUN
        return f"{self.settings.title}: share of images that change their cluster, and ACC, of {arms}."

    def _rows(self, source: Path) -> pd.DataFrame:
        """One row for every run and order."""
        import pandas as pd

        arrays = artifacts.read_arrays(source)
        shown = {run.path.as_posix(): run for run in self.runs()}
        if not arrays.keys() >= {"moved", "acc", "runs"} or arrays["runs"].tolist() != list(shown):
            raise UserError(f"{source}: not of these runs; make it again with `snakemake --cores 1 {source}`")
        return pd.DataFrame(
            [
                {"arm": run.arm, "seed": run.seed, "order": order, "moved": round(moved, 6), "acc": round(acc, 6)}
                for place, run in enumerate(shown.values())
                for order, (moved, acc) in enumerate(
                    zip(arrays["moved"][place].tolist(), arrays["acc"][place].tolist(), strict=True)
                )
            ]
        )

    def _draw(self, rows: pd.DataFrame, ink: str) -> Canvas:
        from matplotlib.figure import Figure as Canvas

        from pcl.report.style import arm_styles

        arms, styles = self.settings.arms, arm_styles(self.plan.config)
        figure = Canvas(figsize=(7.2, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for x, arm in enumerate(arms):
            for nth, (_, own) in enumerate(rows[rows["arm"] == arm].groupby("seed")):
                at, colour = x + 0.12 * (nth - (len(self.plan.study.seeds) - 1) / 2), styles[arm].colour
                moved = 100 * own["moved"][own["order"] > 0]
                left.plot([at] * len(moved), moved, ls="", marker="o", ms=4, alpha=0.5, color=colour, mew=0)
                right.plot([at, at], [own["acc"].min(), own["acc"].max()], color=colour, lw=2)
                right.plot(at, own["acc"].iloc[0], marker=styles[arm].marker, color=colour, ms=5)
        for ax, label in ((left, "in another cluster, %"), (right, f"{self.settings.split} ACC")):
            titles = [self.plan.config.arms[arm].title for arm in arms]
            ax.set_xticks(range(len(arms)), titles, rotation=20 if len(arms) > 2 else 0)
            ax.set_ylabel(label)
            ax.grid(axis="y", color=ink, alpha=0.12)
        left.set_ylim(bottom=0)
        return figure
