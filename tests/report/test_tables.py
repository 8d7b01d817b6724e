"""Tables: the rows of params.yaml, the numbers of the summary, and nothing left blank."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from pcl import artifacts, config, stats
from pcl.errors import UserError
from pcl.intervals import Images
from pcl.plan import Plan
from pcl.report import tables


def rows_of(table: tables.FilledTable) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tables.to_csv(table))))


def test_rows_are_the_arms_of_params_yaml(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    for name, item in plan.config.tables.items():
        rows = rows_of(tables.build(plan, name, summary, images))
        assert [row["arm"] for row in rows] == item.arms
        assert [row["group"] for row in rows] == [group for group, arms in item.rows.items() for _ in arms]
        assert [row["method"] for row in rows] == [plan.config.arms[arm].title for arm in item.arms]


def test_numbers_are_those_of_the_planned_runs(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    rows = {row["arm"]: row for row in rows_of(tables.build(plan, "table3", summary, images))}
    for arm in plan.config.tables["table3"].arms:
        for task in plan.study.tasks:
            runs = [plan.run(task, "personalized", arm, seed) for seed in plan.study.seeds]
            recorded = [json.loads((run.path / "metrics.json").read_text()) for run in runs]
            for metric, name in (("nmi", "NMI"), ("f", "F")):
                values = pd.Series([each["scores"]["personalized"]["test"][metric] for each in recorded])
                assert float(rows[arm][f"{task} {name} mean"]) == pytest.approx(values.mean(), abs=1e-6)
                assert float(rows[arm][f"{task} {name} std"]) == pytest.approx(values.std(ddof=1), abs=1e-6)
                assert rows[arm][f"{task} {name} n"] == "5"
            asked = {each["questions"]["asked"] for each in recorded}
            assert {float(rows[arm][f"{task} asked"])} == asked
    assert rows["pcl"]["closure"] == "full" and rows["kmeans"]["closure"] == "n/a"


def test_a_cross_has_a_group_for_each_arm_and_a_row_for_each_strategy(
    plan: Plan, summary: pd.DataFrame, images: Images
) -> None:
    spec = plan.config.cross["cross"]
    rows = rows_of(tables.build(plan, "cross", summary, images))
    labels = [plan.config.arms[arm].title for arm in spec.arms]
    assert [(row["group"], row["method"]) for row in rows] == [(a, s) for a in labels for s in spec.strategies]
    done = {row["arm"] for row in rows if row[f"{plan.study.ablation} ACC n"] == "5"}
    assert done == {row["arm"] for row in rows} & set(summary["arm"])


def test_what_params_yaml_notes_of_an_arm_stands_below_its_tables(
    plan: Plan, summary: pd.DataFrame, images: Images
) -> None:
    note = plan.config.arms["pcl-random"].note
    assert note
    for name, times in (("table5", 1), ("cross", 1), ("table3", 0)):
        assert " ".join(tables.caption(tables.build(plan, name, summary, images))).count(note) == times


def test_other_budgets_and_settings_stay_out(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    """The summary of all reports also has the runs of Fig. 4; a stale row has another path."""
    stale = summary.assign(run=summary["run"].str.replace("/seed", "x/seed"), nmi=0.0)
    both = pd.concat([stale, summary])
    own = stats.collect(plan.runs("table3"))
    found = [tables.to_csv(tables.build(plan, "table3", frame, images)) for frame in (both, summary, own)]
    assert found[0] == found[1] == found[2]


def test_an_arm_that_asks_nothing_stands_at_every_number_of_answers(
    plan: Plan, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = plan.study.curve[:2]
    item = config.Table(
        title="t", orientation="personalized", tasks="ablation", budgets=asked, rows={"All": ["kmeans", "dcc"]}
    )
    monkeypatch.setitem(plan.catalogue.tables, "asked", item)
    kmeans, dcc = rows_of(tables.build(plan, "asked", stats.collect(plan.runs("asked")), images))
    columns = [f"{plan.study.ablation}, {answers} answers" for answers in asked]
    assert {kmeans[f"{column} ACC n"] for column in columns} == {str(len(plan.study.seeds))}
    assert len({kmeans[f"{column} ACC mean"] for column in columns}) == 1
    assert len({dcc[f"{column} ACC mean"] for column in columns}) == 2


def test_what_did_not_run_says_so(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    left = summary[(summary["arm"] != "dcc") | (summary["task"] != "digits10-4")]
    table = tables.build(plan, "table3", left, images)
    row = next(row for row in rows_of(table) if row["arm"] == "dcc")
    assert {row[f"digits10-4 {name}"] for name in ("NMI mean", "NMI std", "asked", "implied")} == {"not run"}
    assert row["digits10-4 NMI n"] == "0" and row["digits10-2 NMI n"] == "5"
    assert "not run" in tables.to_markdown(table, "c") and "not run" in tables.to_latex(table, "c")
    assert set(tables.to_metrics(table)["dcc"]) == {"digits10-2 ACC", "digits10-2 NMI"}
    assert "digits10-4 ACC" in tables.to_metrics(table)["pcl"]
    gone = tables.build(plan, "table3", summary[summary["arm"] != "dcc"], images)
    assert "dcc" not in tables.to_metrics(gone)


@pytest.mark.parametrize("keep", [0, 1])
def test_nothing_is_left_blank(plan: Plan, summary: pd.DataFrame, images: Images, keep: int) -> None:
    """Neither without any run nor with a single seed, which has no standard deviation."""
    for name in plan.config.tables:
        table = tables.build(plan, name, summary[summary["seed"] < keep], images)
        assert all(value != "" and value != "nan" for row in rows_of(table) for value in row.values())
        for text in (tables.to_csv(table), tables.to_markdown(table, "c"), tables.to_latex(table, "c")):
            assert "nan" not in text
        assert not any(cell.clear for row in table.rows for cell in row.cells.values())
    assert ("n/a" if keep else "not run") in tables.to_csv(table)


def test_bold_where_the_lead_is_clear(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    table = tables.build(plan, "table3", summary, images)
    for (task, metric), lead in table.leads.items():
        frame = stats.of_runs(summary, plan.runs("table3"))
        frame = frame.query("task == @task and orientation == 'personalized' and split == 'test'")
        means = {arm: frame[frame["arm"] == arm][metric].mean() for arm in table.item.arms}
        best, second = sorted(means, key=means.__getitem__, reverse=True)[:2]
        assert lead is not None and (lead.best, lead.runner_up) == (best, second)
        assert lead.difference.mean == pytest.approx(means[best] - means[second])
        clear = [best] if lead.difference.clear else []
        assert [row.arm for row in table.rows if row.cells[task, metric].clear] == clear
    assert "**" in tables.to_markdown(table, "c") and r"\textbf{" in tables.to_latex(table, "c")


def test_nothing_is_bold_below_five_seeds(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    few, all_five = (tables.build(plan, "table3", summary[summary["seed"] < n], images) for n in (4, 5))
    assert "**" not in tables.to_markdown(few, "c") and "**" in tables.to_markdown(all_five, "c")


def test_arms_that_agree_on_every_image_are_not_told_apart(plan: Plan, images: Images) -> None:
    ours, other = (
        [plan.run(plan.study.ablation, "personalized", arm, seed) for seed in plan.study.seeds]
        for arm in ("pcl", "pcl-random")
    )
    for one, same in zip(ours, other, strict=True):
        for name in ("metrics.json", "assignments.npz"):
            text = (one.path / name).read_bytes()
            (same.path / name).write_bytes(text.replace(b'"random"', b'"joint"'))
        recorded = artifacts.read_json(same.path / "metrics.json")
        artifacts.write_json(same.path / "metrics.json", recorded | {"spec": same.spec})
    table = tables.build(plan, "table5", stats.collect(plan.runs("table5")), images)
    assert {lead.difference.mean for lead in table.leads.values() if lead} == {0.0}
    assert not any(cell.clear for row in table.rows for cell in row.cells.values())


def test_seeds_that_end_at_chance_are_named_below_the_table(
    plan: Plan, summary: pd.DataFrame, images: Images
) -> None:
    """k-means of the fixture guesses; DCC is made to guess with one seed."""
    guesses = (summary["arm"] == "dcc") & (summary["seed"] == 3) & (summary["task"] == "digits10-4")
    table = tables.build(plan, "table3", summary.assign(acc=summary["acc"].mask(guesses, 0.3)), images)
    assert table.at_chance["dcc", "digits10-4"] == [3]
    assert ("kmeans", "digits10-2") in table.at_chance and not any(arm == "pcl" for arm, _ in table.at_chance)
    below = " ".join(tables.caption(table))
    assert "DCC on digits10-4 (seed 3)" in below and "on digits10-2 (seeds " in below
    assert f"up to {table.chance['digits10-2']:.3f} on digits10-2" in below
    above = summary[~summary["arm"].isin(["kmeans", "cc"])]
    assert "chance" not in " ".join(tables.caption(tables.build(plan, "table3", above, images)))


def test_the_paper_stands_beside_its_own_tasks_only(
    plan: Plan, paper: Plan, summary: pd.DataFrame, images: Images
) -> None:
    assert "published" not in tables.to_csv(tables.build(plan, "table3", summary, images))
    table = tables.build(paper, "table3", stats.collect(paper.all_runs()), Images(paper.all_runs()))
    rows = {row["method"]: row for row in rows_of(table)}
    assert rows["PCL"]["cifar10-2 ACC published"] == "0.873" and rows["PCL"]["cifar10-2 ACC n"] == "5"
    assert rows["SPICE"]["cifar10-2 ACC mean"] == "not run" and rows["SPICE"]["cifar10-2 ACC published"] == "0.543"
    assert rows["SPICE"]["group"] == "Unsupervised" and rows["SPICE"]["arm"] == "n/a"
    assert {"MiCE", "GCC", "SPICE", "ADC", "SDEC", "DC-GMM"} <= set(rows) and "Ours" not in rows
    assert "not run [0.543]" in tables.to_markdown(table, "c") and "AAAI 2025" in tables.to_markdown(table, "c")
    ablation = {
        row["method"]: row
        for row in rows_of(tables.build(paper, "table5", stats.collect(paper.all_runs()), Images(paper.all_runs())))
    }
    assert ablation["PCL"]["cifar100-4 ACC published"] == "0.597" and set(ablation) >= {"S_up", "S_hp"}


def test_the_paper_stands_beside_its_own_orientation_only(paper: Plan) -> None:
    """A table of the paper's name and tasks whose user has turned it to the other orientation."""
    content = paper.config.model_dump()
    content["tables"]["table3"]["orientation"] = "default"
    turned = Plan(config.validate(config.Config, content, "params.yaml"), "paper")
    table = tables.build(turned, "table3", stats.collect(paper.all_runs()), Images(turned.runs("table3")))
    assert "published" not in tables.to_csv(table) and "AAAI" not in tables.to_markdown(table, "c")
    assert [row["arm"] for row in rows_of(table)] == turned.config.tables["table3"].arms


def test_a_second_orientation_has_columns_of_its_own(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    """Each is what a table of that orientation alone would show."""
    content = plan.config.model_dump()
    both = {"title": "t", "orientation": "personalized", "beside": "default", "tasks": "all", "metrics": ["acc"]}
    content["on_request"]["both"] = both | {"rows": {"Unsupervised": ["kmeans", "cc"]}}
    shown = Plan(config.validate(config.Config, content, "params.yaml"))
    table = tables.build(shown, "both", stats.collect(shown.runs("both")), Images(shown.runs("both")))
    assert table.tasks == [f"{t}, {o}" for t in ("digits10-2", "digits10-4") for o in ("personalized", "default")]
    alone = tables.build(plan, "table3", summary, images)
    for row, other in zip(table.rows, alone.rows, strict=False):
        assert row.cells["digits10-4, personalized", "acc"].mean == other.cells["digits10-4", "acc"].mean
        own = summary.query(
            "arm == @row.arm and orientation == 'default' and task == 'digits10-4' and split == 'test'"
        )
        assert row.cells["digits10-4, default", "acc"].mean == pytest.approx(own["acc"].mean())


def test_captions_say_over_what(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    caption = " ".join(tables.caption(tables.build(plan, "table3", summary, images)))
    for words in (
        "ddof = 1",
        "over 5 training seeds (0, 1, 2, 3, 4), 200 test images",
        "95 %",
        "5 seeds or more",
        "Fowlkes–Mallows",
        "asked",
    ):
        assert words in caption


def test_its_files_and_the_same_bytes_again(plan: Plan, summary: pd.DataFrame, images: Images, folder: Path) -> None:
    out = Path("reports/table3")
    contents = []
    for _ in range(2):
        tables.write(tables.build(plan, "table3", summary, images), out)
        contents.append({path.relative_to(out.parent).as_posix(): path for path in out.parent.rglob("*.*")})
        contents[-1] = {name: path.read_bytes() for name, path in contents[-1].items()}
    arms = plan.config.tables["table3"].arms
    assert contents[0] == contents[1]
    assert set(contents[0]) == {
        *(f"table3.{ending}" for ending in ("csv", "md", "tex")),
        *(f"metrics/table3/{arm}.json" for arm in arms),
    }
    assert b"`snakemake --cores 2 reports/table3.csv`" in contents[0]["table3.md"]
    means = json.loads(contents[0]["metrics/table3/pcl.json"])
    assert set(means) == {f"{task} {metric}" for task in plan.study.tasks for metric in ("ACC", "NMI")}
    assert not any(isinstance(value, dict) for value in means.values()), "`dvc metrics show` makes one line of a file"


def test_metrics_of_rows_that_are_gone_go_too(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    out = Path("reports/table3")
    tables.write(tables.build(plan, "table3", summary, images), out)
    tables.write(tables.build(plan, "table3", summary[summary["arm"] != "dcc"], images), out)
    assert {path.stem for path in Path("reports/metrics/table3").iterdir()} == {"kmeans", "cc", "pcl"}


def test_latex_is_escaped_and_rectangular(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    text = tables.to_latex(tables.build(plan, "table5", summary, images), "c")
    assert r"random \& \textless{}uniform\textgreater{}\_1" in text and r"95 \%" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = {line.replace(r"\&", "").count("&") + 4 * line.count(r"\multicolumn{5}{c}") for line in body}
    assert columns == {7}


def test_an_unknown_table_is_named(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    with pytest.raises(UserError, match="did you mean 'table3'"):
        tables.build(plan, "tabel3", summary, images)
