"""Who leads by how much, and how sure that is: over training seeds and over the images that are scored.

A difference of two arms is resampled over both, with the same seeds and the same images for both arms, independently
of each other ("pigeonhole bootstrap"). With few seeds the usual percentile interval is too narrow; the levels of the
expanded one make up for it: where only the seeds vary it is nearly that of the paired t-test, and where only the
images do it is wider than need be.

Source: Owen 2007, "The pigeonhole bootstrap"; Hesterberg 2015, "What teachers should know about the bootstrap", 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from pcl import metrics, orientations
from pcl import seed as seeds
from pcl.plan import Run

LEVEL = 0.95
RESAMPLES = 2000
"""Resamples of the images."""
DRAWS = 20_000
"""Draws of seeds, each with one of the resamples of the images."""
ENOUGH = 5
"""Seeds below which no lead is called clear."""


@dataclass(frozen=True)
class Difference:
    """The mean difference of n seeds and its 95 % interval, which takes at least two."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def clear(self) -> bool:
        """Whether there are enough seeds and the interval excludes 0."""
        if self.low is None or self.high is None or self.n < ENOUGH:
            return False
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Lead:
    """The arm with the highest mean, the next one, and the first minus the second, paired by seed and image."""

    best: str
    runner_up: str
    difference: Difference


class Images:
    """The images behind the scores of runs: their target clusters and the clusters they were given.

    Nothing is read before it is asked for, and then once.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        """The images of these runs."""
        self._runs = {run.path.as_posix(): run for run in runs}
        self._targets = {(run.task, name): t.path for run in self._runs.values() for name, t in run.targets.items()}
        self.scores = cache(self._scores)
        self.targets = cache(self._read_targets)

    def counts(self, tasks: Iterable[str], split: str) -> dict[str, int]:
        """Task -> how many images are scored in a split, of the tasks whose target clusters are there."""
        there = {task: orientation for (task, orientation), path in self._targets.items() if path.exists()}
        return {task: len(self.targets(task, there[task], split)) for task in tasks if task in there}

    def chance(self, task: str, orientation: str, split: str) -> float:
        """The highest ACC that is not above chance.

        Chance is the share of the largest target cluster, which is what one cluster for all images gets; above it is
        what exceeds it by more than the 95 % margin of a share of so many images.
        """
        counts = np.bincount(self.targets(task, orientation, split))
        share = counts.max() / counts.sum()
        return float(share + norm.ppf((1 + LEVEL) / 2) * math.sqrt(share * (1 - share) / counts.sum()))

    def _scores(self, path: str, orientation: str, split: str) -> dict[str, NDArray[np.float64]]:
        """The scores [RESAMPLES] of a run on resamples of its images, the same ones for every run of the task."""
        run = self._runs[path]
        target = self.targets(run.task, orientation, split)
        given = run.folder.read_assignments()[split]
        times = resamples(len(target))[:, given.index]
        return metrics.resampled(target[given.index], given.cluster, times)

    def _read_targets(self, task: str, orientation: str, split: str) -> NDArray[np.int64]:
        """The target cluster of every image."""
        found: NDArray[np.int64] = getattr(orientations.read(self._targets[task, orientation]), split)
        return found


@cache
def resamples(n: int) -> NDArray[np.uint8]:
    """How often each resample of n images has every one of them [RESAMPLES, n]."""
    draw = seeds.numpy_generator(0, "images", n)
    rows = (np.bincount(draw.integers(n, size=n), minlength=n).astype(np.uint8) for _ in range(RESAMPLES))
    return np.stack(list(rows))


def lead(rows: pd.DataFrame, metric: str, arms: Iterable[str], images: Images) -> Lead | None:
    """Who leads by how much; None if there are not two arms to compare.

    Args:
        rows: those of the summary in one task, orientation and split, at one number of questions for each arm.
        metric: what is compared.
        arms: those that are compared; of equal ones, the first leads.
        images: those of the runs.
    """
    scores = rows.pivot(index="seed", columns="arm", values=metric).reindex(columns=list(dict.fromkeys(arms)))
    means = scores.mean().dropna().sort_values(ascending=False, kind="stable")
    if len(means) < 2:
        return None
    best, runner_up = str(means.index[0]), str(means.index[1])
    found = between(rows, metric, best, runner_up, images)
    return None if found is None else Lead(best, runner_up, found)


def between(rows: pd.DataFrame, metric: str, first: str, second: str, images: Images) -> Difference | None:
    """The first arm minus the second, paired by seed and image; None where no seed has both.

    Args:
        rows: as of `lead`.
        metric: what is compared.
        first: an arm.
        second: another.
        images: those of the runs.
    """
    pair = [first, second]
    scores, folders = (
        rows.pivot(index="seed", columns="arm", values=name).reindex(columns=pair) for name in (metric, "run")
    )
    differences = (scores[first] - scores[second]).dropna()
    if differences.empty:
        return None
    (place,) = set(rows[["orientation", "split"]].itertuples(index=False, name=None))
    resampled = [
        np.subtract(*(images.scores(folders.at[seed, arm], *place)[metric] for arm in pair))
        for seed in differences.index
    ]
    return difference(differences.to_numpy(), np.array(resampled))


def difference(observed: NDArray[np.float64], resampled: NDArray[np.float64]) -> Difference:
    """The mean of a difference over seeds, with its expanded percentile interval over seeds and images.

    Args:
        observed: for every seed [n].
        resampled: for every seed, on resamples of the images [n, R].
    """
    n = len(observed)
    mean = float(np.mean(observed)) if n else math.nan
    if n < 2:
        return Difference(mean, None, None, n)
    chosen = seeds.numpy_generator(0, "seeds", n).integers(n, size=(DRAWS, n))
    means = resampled[chosen, (np.arange(DRAWS) % resampled.shape[1])[:, None]].mean(1)
    tail = norm.cdf(math.sqrt(n / (n - 1)) * student.ppf((1 - LEVEL) / 2, n - 1))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Difference(mean, float(low), float(high), n)
