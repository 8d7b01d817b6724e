"""Runs in one table, their means and spreads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pcl import artifacts, stats
from pcl.config import METRICS
from pcl.errors import UserError
from pcl.plan import Plan


def test_a_row_per_run_orientation_and_split(plan: Plan, summary: pd.DataFrame) -> None:
    places = list(summary[["run", "orientation", "split"]].itertuples(index=False, name=None))
    expected = {
        (run.path.as_posix(), orientation, split)
        for run in plan.all_runs()
        for orientation in run.targets
        for split in ("train", "test")
    }
    assert len(places) == len(set(places)) and set(places) == expected
    unsupervised = summary[summary["arm"] == "kmeans"]
    assert set(unsupervised["orientation"]) == {"default", "personalized"} and set(unsupervised["budget"]) == {0}


def test_numbers_are_those_of_metrics_json(summary: pd.DataFrame) -> None:
    for row in summary.sample(12, random_state=0).itertuples():
        recorded = json.loads(Path(row.run, "metrics.json").read_text())
        assert {m: getattr(row, m) for m in METRICS} == recorded["scores"][row.orientation][row.split]
        assert (row.asked, row.implied_must) == (
            recorded["questions"]["asked"],
            recorded["questions"]["implied_must"],
        )
        assert (row.min_share, row.max_share) == (
            min(recorded["shares"][row.split]),
            max(recorded["shares"][row.split]),
        )


def test_a_summary_survives_its_file(summary: pd.DataFrame, folder: Path) -> None:
    # 07e10259 is a number to a careless reader, and one too large for a float.
    summary.loc[0, "key"] = "07e10259"
    stats.write(summary, folder / "summary.csv")
    pd.testing.assert_frame_equal(stats.read(folder / "summary.csv"), summary, check_dtype=False)


def test_another_spec_is_refused(plan: Plan) -> None:
    run = next(run for run in plan.all_runs() if run.arm == "pcl")
    path = run.path / "metrics.json"
    recorded = artifacts.read_json(path)
    recorded["spec"]["settings"]["lr"] = 0.5
    recorded["spec"]["budget"] = 7
    artifacts.write_json(path, recorded)
    with pytest.raises(UserError) as error:
        stats.collect([run])
    message = str(error.value)
    assert str(path) in message and "spec.settings.lr 0.5" in message and "spec.budget 7" in message
    assert f"params.yaml now says spec.budget {run.budget}" in message and "temperature" not in message


def test_a_missing_or_half_written_run_is_named(plan: Plan) -> None:
    run = plan.all_runs()[0]
    path = run.path / "metrics.json"
    recorded = artifacts.read_json(path)
    del recorded["scores"]
    artifacts.write_json(path, recorded)
    with pytest.raises(UserError, match="incomplete"):
        stats.collect([run])
    path.unlink()
    with pytest.raises(UserError, match="snakemake --cores 2 " + str(path)):
        stats.collect([run])


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", None])
def test_what_is_no_summary_is_refused(content: str | None, folder: Path) -> None:
    if content is not None:
        (folder / "s.csv").write_text(content)
    with pytest.raises(UserError, match=r"s\.csv"):
        stats.read(folder / "s.csv")


CUT = (lambda text: text[: len(text) // 2], lambda text: text[: text.rindex("\n", 0, -1) + 40])
MORE = (lambda text: text[: text.index("\n") + 1], lambda text: text + text.splitlines()[-1] + "\n")


@pytest.mark.parametrize("damage", [*CUT, *MORE], ids=["half", "within a row", "no row", "a row twice"])
def test_a_summary_that_is_cut_or_not_of_these_runs_is_refused(
    damage: Callable[[str], str], plan: Plan, summary: pd.DataFrame, folder: Path
) -> None:
    """Its numbers would be missing, or means of other numbers."""
    path = folder / "s.csv"
    stats.write(summary, path)
    pd.testing.assert_frame_equal(stats.read_of(path, plan.all_runs()), summary, check_dtype=False)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=r"s\.csv: .*make it again with `pcl collect`"):
        stats.read_of(path, plan.all_runs())


def test_aggregate_is_mean_and_ddof_1(summary: pd.DataFrame) -> None:
    by = ["task", "orientation", "arm", "budget", "split"]
    summary = summary[~((summary["arm"] == "pcl") & (summary["orientation"] == "default"))]
    found = stats.aggregate(summary, by)
    assert len(found) == len(METRICS) * summary.groupby(by).ngroups
    for row in found.sample(20, random_state=1).itertuples():
        values = [
            getattr(one, row.metric)
            for one in summary.itertuples()
            if (one.task, one.orientation, one.arm, one.budget, one.split)
            == (row.task, row.orientation, row.arm, row.budget, row.split)
        ]
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        assert (row.mean, row.std, row.n) == (pytest.approx(mean), pytest.approx(spread), len(values))
