"""When a lead is a lead: over seeds and over images, and for the same seeds and images of both arms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, ttest_rel

from pcl import intervals, metrics
from pcl.errors import UserError
from pcl.intervals import DRAWS, ENOUGH, RESAMPLES, Images
from pcl.plan import Plan


class Resampled:
    """Stands for the images of runs whose scores are given: the same on every resample, but for some noise."""

    def __init__(self, rows: pd.DataFrame, noise: float = 0.0) -> None:
        self.acc, self.noise = rows.set_index("run")["acc"], noise

    def scores(self, run: str, orientation: str, split: str) -> dict[str, np.ndarray]:
        draw = np.random.default_rng(len(run) + sum(run.encode()))
        return {"acc": self.acc[run] + self.noise * draw.normal(size=RESAMPLES)}


def rows_of(**arms: dict[int, float]) -> pd.DataFrame:
    """Rows of a summary: arm -> seed -> ACC, in the order given."""
    return pd.DataFrame(
        [
            {"arm": arm, "seed": seed, "acc": acc, "run": f"{arm}/{seed}", "orientation": "default", "split": "test"}
            for arm, seeds in arms.items()
            for seed, acc in seeds.items()
        ]
    )


def lead(noise: float = 0.0, **arms: dict[int, float] | list[float]) -> intervals.Lead | None:
    rows = rows_of(**{arm: acc if isinstance(acc, dict) else dict(enumerate(acc)) for arm, acc in arms.items()})
    return intervals.lead(rows, "acc", list(arms), Resampled(rows, noise))


def test_three_equal_differences_are_no_clear_lead() -> None:
    """What a table of the demo once called clear: +0.003 on all three seeds, one image of 389."""
    found = lead(best=[0.953, 0.903, 0.853], second=[0.95, 0.90, 0.85])
    assert found is not None and (found.best, found.runner_up) == ("best", "second")
    assert found.difference.mean == pytest.approx(0.003) and not found.difference.clear


def test_images_widen_the_interval_where_seeds_agree() -> None:
    """The same differences with five seeds, of which one image in 389 decides."""
    seeds = np.linspace(0.85, 0.95, ENOUGH)
    alone = lead(best=list(seeds + 0.003), second=list(seeds))
    among = lead(noise=0.01, best=list(seeds + 0.003), second=list(seeds))
    assert alone is not None and alone.difference.clear
    assert among is not None and not among.difference.clear


def test_a_clear_lead_takes_five_seeds() -> None:
    for n in (2, 3, 4, 5, 6):
        found = lead(best=[0.9 + 0.001 * k for k in range(n)], second=[0.1 + 0.002 * k for k in range(n)])
        assert found is not None and found.difference.low is not None and found.difference.low > 0.7
        assert found.difference.clear == (n >= 5)


def test_one_seed_has_no_interval() -> None:
    found = lead(good=[0.9], bad=[0.1])
    assert found is not None and found.best == "good" and found.difference.n == 1
    assert (found.difference.low, found.difference.high, found.difference.clear) == (None, None, False)


def test_who_leads() -> None:
    found = lead(low=[0.1, 0.2], best=[0.91, 0.89], second=[0.80, 0.79])
    assert found is not None and (found.best, found.runner_up) == ("best", "second")
    same = lead(one=[0.5, 0.6, 0.5, 0.6, 0.5], other=[0.5, 0.6, 0.5, 0.6, 0.5])
    assert same is not None and same.best == "one" and not same.difference.clear
    assert lead(alone=[0.9, 0.8]) is None
    rows = rows_of(alone={0: 0.9})
    assert intervals.lead(rows, "acc", ["alone", "absent"], Resampled(rows)) is None


def test_arms_are_paired_by_seed_and_not_by_position() -> None:
    """Easy seeds and hard ones, in another order for each arm: by position, the spread would hide the lead."""
    hard = {0: 0.5, 1: 0.6, 2: 0.7, 3: 0.8, 4: 0.9}
    backwards = {seed: acc - 0.05 for seed, acc in reversed(hard.items())}
    found = lead(best=hard, second=backwards)
    assert found is not None and found.difference.clear
    assert (found.difference.low, found.difference.high) == (pytest.approx(0.05), pytest.approx(0.05))
    by_position = np.subtract(list(hard.values()), list(backwards.values()))
    assert not intervals.difference(by_position, np.repeat(by_position[:, None], RESAMPLES, 1)).clear


def test_pairs_are_seeds_that_both_have() -> None:
    found = lead(a={0: 0.9, 1: 0.8, 2: 0.7}, b={2: 0.5, 0: 0.6, 9: 0.1})
    assert found is not None and found.difference.n == 2
    assert found.difference.mean == pytest.approx((0.3 + 0.2) / 2)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_where_only_seeds_vary_it_is_nearly_the_paired_t_interval(n: int) -> None:
    """The bootstrap knows no normal distribution, so it is as wide on the average over samples, not in each."""
    ratios = []
    for sample in range(20):
        a, b = np.random.default_rng(sample).normal(size=(2, n))
        found = intervals.difference(a - b, np.repeat((a - b)[:, None], RESAMPLES, 1))
        wanted = ttest_rel(a, b).confidence_interval(0.95)
        assert found.low is not None and found.high is not None
        ratios.append((found.high - found.low) / (wanted.high - wanted.low))
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)


def test_where_only_images_vary_it_covers_their_interval() -> None:
    """As many seeds as make the levels those of a normal distribution: the interval of a mean over images."""
    noise = np.random.default_rng(0).normal(size=RESAMPLES)
    found = intervals.difference(np.zeros(1000), np.tile(noise, (1000, 1)))
    assert (found.low, found.high) == (
        pytest.approx(np.quantile(noise, norm.cdf(-1.96)), abs=0.1),
        pytest.approx(np.quantile(noise, norm.cdf(1.96)), abs=0.1),
    )
    assert DRAWS % RESAMPLES == 0, "every resample of the images comes up equally often"


def test_scores_on_resamples_are_those_of_the_run(plan: Plan, images: Images, summary: pd.DataFrame) -> None:
    """On the average over resamples, the scores of metrics.json; and both arms are on the same images."""
    for row in summary[summary["run"].str.contains("seed0")].sample(6, random_state=0).itertuples():
        found = images.scores(row.run, row.orientation, row.split)
        assert found["acc"].shape == (RESAMPLES,)
        assert found["acc"].mean() == pytest.approx(row.acc, abs=0.003)
        n = {"train": 300, "test": 200}[row.split]
        assert found["acc"].std() == pytest.approx((row.acc * (1 - row.acc) / n) ** 0.5, rel=0.15, abs=1e-3)
    assert (intervals.resamples(200).sum(1) == 200).all()
    assert intervals.resamples(200) is intervals.resamples(200)


def test_images_are_counted_and_chance_is_the_largest_share(plan: Plan, images: Images) -> None:
    assert images.counts(["digits10-2", "digits10-4"], "test") == {"digits10-2": 200, "digits10-4": 200}
    assert images.counts(["cifar10-2"], "test") == {}
    targets = images.targets("digits10-4", "personalized", "test")
    share = np.bincount(targets).max() / 200
    assert metrics.scores(targets, np.zeros_like(targets))["acc"] == pytest.approx(share)
    margin = images.chance("digits10-4", "personalized", "test") - share
    assert margin == pytest.approx(1.96 * (share * (1 - share) / 200) ** 0.5, rel=1e-3)
    guesses = np.random.default_rng(0).integers(4, size=(500, 200))
    at_chance = [metrics.accuracy(targets, guess) <= share + margin for guess in guesses]
    assert np.mean(at_chance) > 0.95, "who guesses ends at chance"


def test_a_run_without_assignments_is_named(plan: Plan, images: Images) -> None:
    run = next(run for run in plan.all_runs() if run.arm == "pcl" and run.orientation == "personalized")
    run.folder.assignments.unlink()
    with pytest.raises(UserError, match=r"assignments\.npz: cannot be read \(No such file.*delete its folder"):
        images.scores(run.path.as_posix(), "personalized", "test")
