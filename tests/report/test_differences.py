"""Tables with a column of differences, and of switches: each row held against the first one of its group."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pcl import config, stats
from pcl.intervals import Images, between
from pcl.plan import Plan, Run
from pcl.report import page, tables

TASK = "digits10-2"


@pytest.fixture
def switched(folder: Path, made_up: Callable[[Run], None]) -> Plan:
    """A study with a table of switches, every run of it made."""
    content = config.read_yaml(Path("params.yaml"))
    content["arms"] |= {
        "paper": {"method": "pcl", "title": "Printed", "preset": "paper", "settings": {"heads": 8}},
        "release": {"method": "pcl", "title": "Released", "preset": "release", "settings": {"attention": False}},
    }
    content["arms"]["release"]["settings"]["heads"] = 5  # which only a network without attention can have
    content["switches"] = {"flips": {"title": "Flips", "orientation": "personalized", "arms": ["paper", "release"]}}
    plan = Plan(config.validate(config.Config, content, "params.yaml"))
    for run in plan.runs("flips"):
        made_up(run)
    return plan


def built(plan: Plan, name: str) -> tables.FilledTable:
    runs = plan.runs(name)
    return tables.build(plan, name, stats.collect(runs), Images(runs))


def rows_of(table: tables.FilledTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tables.to_csv(table))))


def test_a_difference_is_the_mean_over_paired_seeds_with_the_interval_of_a_lead(switched: Plan) -> None:
    summary = stats.collect(switched.runs("flips"))
    rows = summary[(summary["split"] == "test") & (summary["orientation"] == "personalized")]
    images = Images(switched.runs("flips"))
    table, item = built(switched, "flips"), switched.catalogue.tables["flips"]
    shown = {row["arm"]: row for row in rows_of(table)}
    assert set(item.against) == set(shown) - {"paper"} and item.against["release"] == "paper"
    made = [arm for arm in shown if shown[arm][f"{TASK} ACC n"] == "5"]
    assert len(made) > 10
    for arm in made:
        base = item.against.get(arm)
        if base is None:
            assert {shown[arm][f"{TASK} ACC {what}"] for what in ("difference", "low", "high")} == {"n/a"}
            continue
        acc = rows.pivot(index="seed", columns="arm", values="acc")
        wanted = between(rows, "acc", arm, base, images)
        assert wanted is not None
        mean = float((acc[arm] - acc[base]).mean())
        assert float(shown[arm][f"{TASK} ACC difference"]) == pytest.approx(mean, abs=1e-6)
        for what, end in (("low", wanted.low), ("high", wanted.high)):
            assert float(shown[arm][f"{TASK} ACC {what}"]) == pytest.approx(end, abs=1e-6)


def test_rows_go_by_size_below_the_first_of_the_group_and_what_did_not_run_is_last(switched: Plan) -> None:
    rows = rows_of(built(switched, "flips"))
    for base in ("paper", "release"):
        own = [row for row in rows if row["arm"].partition("+")[0] == base]
        assert own[0]["arm"] == base
        sizes = [abs(float(row[f"{TASK} ACC difference"])) for row in own[1:] if row[f"{TASK} ACC n"] == "5"]
        assert sizes == sorted(sizes, reverse=True)
        refused = [row["arm"] for row in own if row[f"{TASK} ACC mean"] == "not run"]
        assert refused == [row["arm"] for row in own[-len(refused) :]]
    assert {row["arm"] for row in rows if row[f"{TASK} ACC mean"] == "not run"} == {
        "paper+heads",
        "release+attention",
    }


def test_only_a_difference_that_is_clear_is_bold(switched: Plan) -> None:
    table = built(switched, "flips")
    found = [cell.difference for row in table.rows for cell in row.cells.values() if cell.difference]
    assert {one.clear for one in found} == {True, False}, "the fixture has both"
    text, tex = tables.to_markdown(table, "c"), tables.to_latex(table, "c")
    assert text.count("**") == 2 * sum(one.clear for one in found)
    assert tex.count(r"\textbf{") == sum(one.clear for one in found)
    body = [line for line in tex.splitlines() if line.endswith(r"\\") and not line.startswith(r"\multicolumn")]
    assert len({line.count("&") for line in body[2:]}) == 1


def test_the_caption_says_from_what_and_why_something_did_not_run(switched: Plan) -> None:
    table = built(switched, "flips")
    said = " ".join(tables.caption(table))
    assert "Difference: from the first row of the group" in said and "Of Released, from Printed." in said
    assert "runner-up" not in said
    assert "Not run: heads: 8 → 5 (" in said and "heads: 5 do not divide" in said
    found = sum(cell.difference is not None for row in table.rows for cell in row.cells.values())
    assert f"Of {found} such intervals, one in twenty" in said


def test_an_ordinary_table_may_have_the_column_too(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    content = plan.config.model_dump()
    content["tables"]["table5"]["differences"] = True
    other = Plan(config.validate(config.Config, content, "params.yaml"))
    table = tables.build(other, "table5", summary, images)
    alone = tables.build(plan, "table5", summary, images)
    (lead,) = {alone.leads[place] for place in alone.leads if place[1] == "acc"}
    assert lead is not None
    cell = next(row for row in table.rows if row.arm == "pcl").cells[TASK, "acc"]
    assert cell.difference is not None
    assert abs(cell.difference.mean) == pytest.approx(lead.difference.mean)
    page.write(other, summary, [], Path("reports/index.html"))
    html = Path("reports/index.html").read_text()
    assert html.count(">difference</th>") == len(table.item.metrics)
    assert f"{cell.difference.mean:+.3f}".replace("-", "−") in html
    assert "nan" not in tables.to_csv(tables.build(other, "table5", summary[summary["seed"] < 1], images))


def test_files_have_the_same_bytes_again(switched: Plan) -> None:
    out, contents = Path("reports/flips"), []
    for _ in range(2):
        tables.write(built(switched, "flips"), out)
        contents.append({p.name: p.read_bytes() for p in out.parent.rglob("*.*")})
    assert contents[0] == contents[1]
    assert set(json.loads(contents[0]["paper+balance.json"])) == {f"{TASK} ACC", f"{TASK} NMI"}
