"""Figures: four files each, the same bytes again, and ink that follows the theme."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

from pcl import artifacts, config, stats
from pcl.errors import UserError
from pcl.plan import Plan
from pcl.report import drawing, style

SOURCES = {"fig4": Path("results/summary.csv"), "fig5": Path("results/figures/fig5.npz")}
OUT = Path("reports")


def draw(plan: Plan, name: str) -> None:
    drawing.write(plan.figure(name).drawing(SOURCES[name]), OUT / name)


@pytest.fixture
def sources(plan: Plan, summary: pd.DataFrame, projection: Callable[[Plan, Path], None]) -> None:
    """What both figures are drawn from."""
    stats.write(summary, SOURCES["fig4"])
    projection(plan, SOURCES["fig5"])


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("name", ["fig4", "fig5"])
def test_four_files_and_the_same_bytes_again(name: str, plan: Plan) -> None:
    contents = []
    for _ in range(2):
        draw(plan, name)
        contents.append({path.name: path.read_bytes() for path in OUT.iterdir()})
    assert contents[0] == contents[1] and set(contents[0]) == {f"{name}.{e}" for e in ("svg", "png", "pdf", "csv")}
    assert contents[0][f"{name}.png"].startswith(b"\x89PNG") and contents[0][f"{name}.pdf"].startswith(b"%PDF")
    svg = contents[0][f"{name}.svg"].decode()
    assert "currentColor" in svg and "prefers-color-scheme" in svg and drawing.INK not in svg
    assert "#000000" not in svg and "fill: #ffffff" not in svg, "black or white ink vanishes in one of the themes"
    assert re.findall(r"https?://(?!www\.w3\.org/)", svg) == [] and "<text" in svg
    assert all(each.startswith(name) for each in re.findall(r' id="([^"]+)"', svg))


def test_curve_numbers(plan: Plan, summary: pd.DataFrame, drawings: dict[str, str]) -> None:
    found = pd.read_csv(io.StringIO(drawings["fig4.csv"])).set_index("questions")
    assert list(found.index) == plan.study.curve
    for questions in plan.study.curve:
        rows = summary.query(
            "task == 'digits10-2' and orientation == 'personalized' and arm == 'dcc' and split == 'test'"
        ).query("budget == @questions")
        assert found.at[questions, "test_nmi_dcc"] == pytest.approx(rows["nmi"].mean(), abs=1e-6)
        assert found.at[questions, "test_nmi_dcc_std"] == pytest.approx(rows["nmi"].std(ddof=1), abs=1e-6)
        assert found.at[questions, "test_nmi_dcc_n"] == 5
    # An arm that asks nothing stands at every number of questions with the same runs.
    assert found["train_acc_cc"].nunique() == 1 and found["train_acc_cc_n"].tolist() == [5, 5]


def test_shares_are_of_all_that_the_first_arm_can_ask(plan: Plan) -> None:
    """PCL asks 50 at first and then one in each of 11 batches in 500 epochs."""
    content = plan.config.model_dump()
    fig = {"kind": "curve", "title": "Shares", "orientation": "personalized", "arms": ["pcl"]}
    content["figures_on_request"]["shares"] = fig | {"shares": [0.0, 0.5, 1.0]}
    shown = Plan(config.validate(config.Config, content, "params.yaml"))
    assert shown.figure("shares").budgets == [0, 2775, 5550]
    assert {run.budget for run in shown.runs("shares")} == {2775, 5550}, "0 is below its first questions"
    assert "shares" not in shown.reports and "shares" in shown.every_report


def test_a_curve_from_a_summary_without_an_arm_is_refused(plan: Plan, summary: pd.DataFrame) -> None:
    stats.write(summary[summary["arm"] != "dcc"], SOURCES["fig4"])
    with pytest.raises(
        UserError, match=r"summary\.csv: lacks 10 of the runs .*/dcc/.*; make it again with `pcl collect`"
    ):
        draw(plan, "fig4")


def test_a_projection_from_another_file_is_refused(plan: Plan) -> None:
    artifacts.write_arrays(SOURCES["fig5"], weights=np.zeros(3))
    with pytest.raises(UserError, match=r"fig5\.npz: no projection; make it with `snakemake"):
        draw(plan, "fig5")


def test_projection_shows_classes_and_target_clusters(drawings: dict[str, str]) -> None:
    shown = re.findall(r">([^<>]+)</text>", drawings["fig5.svg"])
    for words in (
        "before training",
        "after training, personalized",
        "t-SNE",
        "UMAP",
        "even",
        "odd",
        "low",
        "high",
        "7",
    ):
        assert words in shown
    table = pd.read_csv(io.StringIO(drawings["fig5.csv"]))
    assert len(table) == 60 and set(table["personalized"]) == {"even", "odd"}


USER = {"axes.facecolor": "black", "lines.linewidth": 9, "savefig.bbox": "tight", "svg.fonttype": "path"}
USER |= {"text.usetex": True, "axes.formatter.use_locale": True, "figure.dpi": 33, "font.sans-serif": ["Nothing"]}


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("name", ["fig4", "fig5"])
def test_what_a_user_prefers_changes_no_byte(name: str, plan: Plan) -> None:
    contents = []
    for preferred in ({}, USER):
        with matplotlib.rc_context(preferred):
            draw(plan, name)
            assert {key: matplotlib.rcParams[key] for key in preferred} == preferred, "theirs again afterwards"
        contents.append({path.name: path.read_bytes() for path in OUT.iterdir()})
    assert contents[0] == contents[1]


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("label", ["λ = $1$, $\\frac{", "_hidden", "聚类 <b> & 😀", "two\nlines"])
def test_a_label_of_any_kind_is_drawn(label: str, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    arm = plan.config.arms["dcc"].model_copy(update={"title": label})
    monkeypatch.setattr(plan, "config", plan.config.model_copy(update={"arms": plan.config.arms | {"dcc": arm}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(plan, "fig4")
    shown = html.unescape("".join(re.findall(r">([^<>]+)</text>", (OUT / "fig4.svg").read_text())))
    assert all(line in shown for line in label.splitlines())


@pytest.mark.usefixtures("sources")
def test_a_projection_of_other_runs_is_refused(plan: Plan) -> None:
    other = Plan(plan.config, "paper")
    with pytest.raises(UserError, match=r"made with .*digits10-2.* params\.yaml now says .*cifar10-2"):
        draw(other, "fig5")


def test_every_arm_that_is_compared_looks_the_same_everywhere_and_like_no_other(plan: Plan) -> None:
    styles = style.arm_styles(plan.config)
    assert set(styles) == set(plan.config.figures["fig4"].compared) and len(set(styles.values())) == len(styles)
    assert [styles[arm].colour for arm in ("pcl", "dcc", "cc")] == list(style.COLOURS[:3])


def test_what_is_missing_is_named(plan: Plan) -> None:
    with pytest.raises(UserError, match="did you mean 'fig4'"):
        plan.figure("figg4")
    with pytest.raises(UserError, match=r"summary\.csv: cannot be read"):
        draw(plan, "fig4")
    with pytest.raises(UserError, match=r"fig5\.npz: cannot be read"):
        draw(plan, "fig5")


def test_what_a_paper_prints_is_a_line_across_on_its_own_task_only() -> None:
    shipped = config.load(Path(__file__).parents[2] / "params.yaml")
    figure = Plan(shipped, "cifar").figure("fig4-packaged")
    points = pd.DataFrame(
        {"arm": "ours-packaged", "split": "test", "questions": [100, 1000], "acc": [0.8, 0.9], "nmi": [0.3, 0.5]}
        | dict.fromkeys(set(stats.METRICS) - {"acc", "nmi"}, 0.5)
    )
    canvas = figure._draw(points, stats.aggregate(points, ["arm", "questions", "split"]), "black")
    across = [[line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"] for ax in canvas.axes]
    assert across == [[0.873], [0.873]], "Table 3 of the paper, CIFAR-10, ACC"
    assert "PCL, as published" in [text.get_text() for text in canvas.legends[0].texts]
    assert figure._said_of_papers().startswith(" Dashed") and "AAAI" in figure._said_of_papers()
    assert not Plan(shipped, "demo").figure("fig4-packaged")._said_of_papers()


@pytest.mark.parametrize(
    ("named", "wrong"),
    [({"table33": "Ours"}, "did you mean 'table3'"), ({"table3": "Our"}, "Ours")],
)
def test_a_paper_without_such_a_table_or_row_is_refused(named: dict[str, str], wrong: str) -> None:
    content = config.read_yaml(Path(__file__).parents[2] / "params.yaml")
    content["figures_on_request"]["fig4-packaged"]["published"] = named
    plan = Plan(config.validate(config.Config, content, "params.yaml"), "cifar")
    with pytest.raises(UserError, match=wrong):
        plan.figure("fig4-packaged").check()
