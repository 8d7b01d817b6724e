"""Tables: the rows of params.yaml, the numbers of the summary, and nothing left blank."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import ttest_rel

from pcl import config, stats
from pcl.errors import UserError
from pcl.plan import Plan
from pcl.report import tables


def rows_of(table: tables.FilledTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tables.to_csv(table))))


def test_rows_are_the_arms_of_params_yaml(plan: Plan, summary: pd.DataFrame) -> None:
    for name, item in plan.config.tables.items():
        rows = rows_of(tables.build(plan, name, summary))
        assert [row["arm"] for row in rows] == item.arms
        assert [row["group"] for row in rows] == [group for group, arms in item.rows.items() for _ in arms]
        assert [row["method"] for row in rows] == [plan.config.arms[arm].label for arm in item.arms]


def test_numbers_are_those_of_the_planned_runs(plan: Plan, summary: pd.DataFrame) -> None:
    rows = {row["arm"]: row for row in rows_of(tables.build(plan, "table3", summary))}
    for arm in plan.config.tables["table3"].arms:
        for task in plan.study.tasks:
            runs = [plan.run(task, "personalized", arm, seed) for seed in plan.study.seeds]
            recorded = [json.loads((run.path / "metrics.json").read_text()) for run in runs]
            for metric, name in (("nmi", "NMI"), ("f", "F")):
                values = pd.Series([each["scores"]["personalized"]["test"][metric] for each in recorded])
                assert float(rows[arm][f"{task} {name} mean"]) == pytest.approx(values.mean(), abs=1e-6)
                assert float(rows[arm][f"{task} {name} std"]) == pytest.approx(values.std(ddof=1), abs=1e-6)
                assert rows[arm][f"{task} {name} n"] == "3"
            asked = {each["questions"]["asked"] for each in recorded}
            assert {float(rows[arm][f"{task} asked"])} == asked
    assert rows["pcl"]["closure"] == "full" and rows["kmeans"]["closure"] == "n/a"


def test_a_cross_has_a_group_for_each_arm_and_a_row_for_each_strategy(plan: Plan, summary: pd.DataFrame) -> None:
    spec = plan.config.cross["cross"]
    rows = rows_of(tables.build(plan, "cross", summary))
    labels = [plan.config.arms[arm].label for arm in spec.arms]
    assert [(row["group"], row["method"]) for row in rows] == [(a, s) for a in labels for s in spec.strategies]
    done = {row["arm"] for row in rows if row[f"{plan.study.ablation} ACC n"] == "3"}
    assert done == {row["arm"] for row in rows} & set(summary["arm"])


def test_what_params_yaml_notes_of_an_arm_stands_below_its_tables(plan: Plan, summary: pd.DataFrame) -> None:
    note = plan.config.arms["pcl-random"].note
    assert note
    for name, times in (("table5", 1), ("cross", 1), ("table3", 0)):
        assert " ".join(tables.build(plan, name, summary).caption()).count(note) == times


def test_other_budgets_and_settings_stay_out(plan: Plan, summary: pd.DataFrame) -> None:
    """The summary of all reports also has the runs of Fig. 4; a stale row has another path."""
    stale = summary.assign(run=summary["run"].str.replace("/seed", "x/seed"), nmi=0.0)
    both = pd.concat([stale, summary])
    own = stats.collect(plan.runs("table3"))
    found = [tables.to_csv(tables.build(plan, "table3", frame)) for frame in (both, summary, own)]
    assert found[0] == found[1] == found[2]


def test_what_did_not_run_says_so(plan: Plan, summary: pd.DataFrame) -> None:
    left = summary[(summary["arm"] != "dcc") | (summary["task"] != "digits10-4")]
    table = tables.build(plan, "table3", left)
    row = next(row for row in rows_of(table) if row["arm"] == "dcc")
    assert {row[f"digits10-4 {name}"] for name in ("NMI mean", "NMI std", "asked", "implied")} == {"not run"}
    assert row["digits10-4 NMI n"] == "0" and row["digits10-2 NMI n"] == "3"
    assert "not run" in tables.to_markdown(table, "c") and "not run" in tables.to_latex(table, "c")
    assert "dcc" not in tables.to_metrics(table)["digits10-4"] and "dcc" in tables.to_metrics(table)["digits10-2"]


@pytest.mark.parametrize("keep", [0, 1])
def test_nothing_is_left_blank(plan: Plan, summary: pd.DataFrame, keep: int) -> None:
    """Neither without any run nor with a single seed, which has no standard deviation."""
    for name in plan.config.tables:
        table = tables.build(plan, name, summary[summary["seed"] < keep])
        assert all(value != "" and value != "nan" for row in rows_of(table) for value in row.values())
        for text in (tables.to_csv(table), tables.to_markdown(table, "c"), tables.to_latex(table, "c")):
            assert "nan" not in text
        assert not any(cell.clear for row in table.rows for cell in row.cells.values())
    assert ("n/a" if keep else "not run") in tables.to_csv(table)


def test_bold_where_the_difference_to_the_runner_up_excludes_0(plan: Plan, summary: pd.DataFrame) -> None:
    table = tables.build(plan, "table3", summary)
    for (task, metric), lead in table.leads.items():
        frame = stats.of_runs(summary, plan.runs("table3"))
        frame = frame.query("task == @task and orientation == 'personalized' and split == 'test'")
        means = {arm: frame[frame["arm"] == arm][metric].mean() for arm in table.item.arms}
        best, second = sorted(means, key=means.__getitem__, reverse=True)[:2]
        values = [
            frame[frame["arm"] == arm].sort_values("seed")[metric].reset_index(drop=True) for arm in (best, second)
        ]
        between = ttest_rel(*values).confidence_interval(0.95)
        clear = between.low > 0 or between.high < 0
        assert lead is not None and (lead.best, lead.runner_up) == (best, second)
        assert [row.arm for row in table.rows if row.cells[task, metric].clear] == ([best] if clear else [])
    assert "**" in tables.to_markdown(table, "c") and r"\textbf{" in tables.to_latex(table, "c")
    # Two arms made equal in all but noise are not told apart.
    for cell in tables.build(plan, "table5", summary.assign(nmi=0.5)).rows[0].cells.items():
        assert not (cell[0][1] == "nmi" and cell[1].clear)


def test_the_paper_stands_beside_its_own_tasks_only(plan: Plan, paper: Plan, summary: pd.DataFrame) -> None:
    assert "published" not in tables.to_csv(tables.build(plan, "table3", summary))
    table = tables.build(paper, "table3", stats.collect(paper.all_runs()))
    rows = {row["method"]: row for row in rows_of(table)}
    assert rows["PCL"]["cifar10-2 ACC published"] == "0.873" and rows["PCL"]["cifar10-2 ACC n"] == "3"
    assert rows["SPICE"]["cifar10-2 ACC mean"] == "not run" and rows["SPICE"]["cifar10-2 ACC published"] == "0.543"
    assert rows["SPICE"]["group"] == "Unsupervised" and rows["SPICE"]["arm"] == "n/a"
    assert {"MiCE", "GCC", "SPICE", "ADC", "SDEC", "DC-GMM"} <= set(rows) and "Ours" not in rows
    assert "not run [0.543]" in tables.to_markdown(table, "c") and "AAAI 2025" in tables.to_markdown(table, "c")
    ablation = {row["method"]: row for row in rows_of(tables.build(paper, "table5", stats.collect(paper.all_runs())))}
    assert ablation["PCL"]["cifar100-4 ACC published"] == "0.597" and set(ablation) >= {"S_up", "S_hp"}


def test_the_paper_stands_beside_its_own_orientation_only(paper: Plan) -> None:
    """A table of the paper's name and tasks whose user has turned it to the other orientation."""
    content = paper.config.model_dump()
    content["tables"]["table3"]["orientation"] = "default"
    turned = Plan(config.validate(config.Config, content, "params.yaml"), "paper")
    table = tables.build(turned, "table3", stats.collect(paper.all_runs()))
    assert "published" not in tables.to_csv(table) and "AAAI" not in tables.to_markdown(table, "c")
    assert [row["arm"] for row in rows_of(table)] == turned.config.tables["table3"].arms


def test_captions_say_over_what(plan: Plan, summary: pd.DataFrame) -> None:
    caption = " ".join(tables.build(plan, "table3", summary).caption())
    for words in ("ddof = 1", "over 3 training seeds (0, 1, 2), test images", "95 %", "Fowlkes–Mallows", "asked"):
        assert words in caption


def test_four_files_and_the_same_bytes_again(plan: Plan, summary: pd.DataFrame, folder: Path) -> None:
    out = Path("reports/table3")
    contents = []
    for _ in range(2):
        tables.write(tables.build(plan, "table3", summary), out)
        contents.append({path.name: path.read_bytes() for path in out.parent.iterdir()})
    assert contents[0] == contents[1] and set(contents[0]) == {f"table3.{e}" for e in ("csv", "md", "tex", "json")}
    assert b"`snakemake --cores 2 reports/table3.csv`" in contents[0]["table3.md"]
    means = json.loads(contents[0]["table3.json"])
    assert set(means) == set(plan.study.tasks) and set(means["digits10-2"]["pcl"]) == {"nmi", "ari", "f", "acc"}


def test_latex_is_escaped_and_rectangular(plan: Plan, summary: pd.DataFrame) -> None:
    text = tables.to_latex(tables.build(plan, "table5", summary), "c")
    assert r"random \& <uniform>\_1" in text and r"95 \%" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = {line.replace(r"\&", "").count("&") + 4 * line.count(r"\multicolumn{5}{c}") for line in body}
    assert columns == {7}


def test_an_unknown_table_is_named(plan: Plan, summary: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="did you mean 'table3'"):
        tables.build(plan, "tabel3", summary)
