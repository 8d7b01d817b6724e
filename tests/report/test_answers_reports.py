"""Reports about answers: what they cost, what wrong ones do, and what is said where nobody knows K."""

import csv
import io
import json
from pathlib import Path

import pytest

from pcl import config, datasets, orientations, stats
from pcl.errors import UserError
from pcl.intervals import Images
from pcl.plan import Plan
from pcl.report import drawing, findings, tables
from pcl.run import execute

MAP = {"tiny": [0, 1, 2], "small": [3, 4], "middling": [5, 6, 7], "large": [8, 9]}


@pytest.fixture
def content(tiny_config):
    found = tiny_config.model_dump()
    found["tasks"]["open"] = {"dataset": "digits10", "clusters": None, "orientations": {"size": MAP}}
    noisy = {"name": "noisy", "settings": {"flip": 0.2}}
    found["arms"]["ours"] = {"method": "careful", "title": "ours"}
    found["arms"]["ours-20"] = {"method": "careful", "title": "ours, 20 % wrong", "oracle": noisy}
    table = {
        "title": "Open",
        "orientation": "size",
        "tasks": "all",
        "metrics": ["acc"],
        "rows": {"All": ["ours", "dcc"]},
    }
    found["on_request"]["open"] = table
    answers = {**table, "orientation": "personalized", "tasks": "ablation", "budgets": [5, 30], "wanted": 0.6}
    found["on_request"]["answers"] = answers | {"rows": {"All": ["nearest", "ours", "pcl"]}}
    found["figures_on_request"]["noise"] = {
        **{"kind": "noise", "title": "Wrong answers", "orientation": "personalized"},
        **{"budgets": [30], "lines": {"ours": {0: "ours", 20: "ours-20"}}},
    }
    found["studies"]["open"] = found["studies"]["tiny"] | {
        **{"tasks": ["open"], "ablation": "open", "projection": "open", "budgets": {"open": 60}, "seeds": [0]},
    }
    return found


def planned(content, study):
    return Plan(config.validate(config.Config, content, "params.yaml"), study)


def test_k_is_found_and_said_and_who_needs_it_is_left_out_by_name(workspace, content):
    plan = planned(content, "open")
    runs = plan.runs("open")
    assert {run.arm for run in runs} == {"ours"}
    target = plan.target("open", "size")
    orientations.write(target.map, datasets.load(target.data.path), target.path)
    for run in runs:
        execute.train(run)
    recorded = json.loads(runs[0].folder.last.read_text())
    assert recorded["clusters"] == {"given": None, "found": {"train": 4, "test": 4}}
    assert recorded["questions"]["neighbourhoods"] == 4 and recorded["scores"]["size"]["test"]["acc"] > 0.8
    summary = stats.collect(runs)
    assert set(summary["found"]) == {4}
    table = tables.build(plan, "open", summary, Images(runs))
    ours, dcc = csv.DictReader(io.StringIO(tables.to_csv(table)))
    assert float(ours["open K found"]) == 4 and dcc["open K found"] == "needs K"
    assert dcc["open ACC mean"] == dcc["open asked"] == "needs K"
    assert "needs K" in tables.to_markdown(table, "") and "needs K" in tables.to_latex(table, "")
    with pytest.raises(UserError, match="dcc on open: needs K"):
        plan.run("open", "size", "dcc", 0)


def test_the_price_of_answers_comes_first_and_pcl_is_named(workspace, content):
    plan = planned(content, "tiny")
    runs = [run for run in plan.runs("answers") if run.arm != "pcl"]
    for run in runs:
        execute.train(run)
    table = tables.build(plan, "answers", stats.collect(runs), Images(runs))
    (first,) = findings.of_prices(table)
    prices = {row.arm: tables.filled.price(table, row.arm) for row in table.rows}
    assert first.number == str(min(p for p in prices.values() if p)) and first.anchor == "answers"
    for row in table.rows[:2]:
        assert row.title in first.whose + first.sentence


def test_wrong_answers_are_drawn_on_request_only(workspace, content):
    plan = planned(content, "tiny")
    assert "noise" in plan.every_report and "noise" not in plan.reports
    figure = plan.figure("noise")
    for run in figure.runs():
        execute.train(run)
    summary = stats.collect(figure.runs())
    stats.write(summary, Path("summary.csv"))
    drawing.write(figure.drawing(Path("summary.csv")), Path("noise"))
    rows = list(csv.DictReader(io.StringIO(Path("noise.csv").read_text())))
    assert [(row["wrong"], row["n"]) for row in rows] == [("0", "2"), ("20", "2")]
    own = summary[(summary["arm"] == "ours-20") & (summary["split"] == "test")]
    assert float(rows[1]["mean"]) == pytest.approx(own["acc"].mean())
    said = figure.description(summary, Images(figure.runs()))
    assert f"{own['acc'].mean():.3f} at 20 %" in said
