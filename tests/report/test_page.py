"""The page: complete, self-contained, and readable without a script."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from pcl import artifacts
from pcl.errors import UserError
from pcl.intervals import Images
from pcl.plan import Plan
from pcl.report import page, tables
from pcl.report.style import arm_styles

OUT = Path("reports/index.html")
DRAWN = [Path("reports/fig4.svg"), Path("reports/fig5.svg")]


class Outline(HTMLParser):
    """Elements and their attributes, and the text outside scripts and styles."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def html(plan: Plan, summary: pd.DataFrame, drawings: dict[str, str]) -> str:
    for path in DRAWN:
        artifacts.write(path, drawings[path.name])
    page.write(plan, summary, DRAWN, OUT)
    return OUT.read_text()


def test_it_is_one_small_self_contained_file(html: str) -> None:
    assert len(html.encode()) < 1_000_000
    assert re.findall(r"https?://(?!www\.w3\.org/)\S*", html) == []
    outline = Outline(html)
    assert outline.open == []
    assert not [s for s in outline.all("script") if "src" in s] and not outline.all("iframe") + outline.all("img")
    assert [link["href"] for link in outline.all("link")] == ["data:,"]
    assert re.findall(r"@import|url\((?!#)", html) == []


def test_every_run_is_listed_with_its_folder_and_command(html: str, plan: Plan) -> None:
    links = {a.get("href") for a in Outline(html).all("a")}
    for run in plan.all_runs():
        assert f"../{run.path.as_posix()}/" in links and (OUT.parent / f"../{run.path}/metrics.json").exists()
        assert f"snakemake --cores 2 {run.path.as_posix()}/metrics.json" in html
    rows = [row for row in Outline(html).all("tr") if "data-words" in row]
    assert len(rows) == sum(len(run.targets) for run in plan.all_runs())
    assert any("arm=pcl " in str(row["data-words"]) and "seed=2" in str(row["data-words"]) for row in rows)


def test_a_dot_has_the_colour_of_a_curve_and_stands_by_no_other_method(html: str, plan: Plan) -> None:
    """In the tables and in the list of runs alike."""
    styles = arm_styles(plan.config)
    found = [str(i["style"]) for i in Outline(html).all("i")]
    assert set(found) == {f"--arm: {style.colour}" for style in styles.values()}
    listed = sum(len(run.targets) for run in plan.all_runs() if run.arm in styles)
    rows = sum(arm in styles for name in plan.config.tables for arm in plan.config.tables[name].arms)
    assert len(found) == listed + rows


def test_it_reads_without_a_script(html: str, plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    """Every cell of every table is in the text; nothing is hidden that a script would have to show."""
    outline = Outline(html)
    for name in plan.config.tables:
        for row in tables.build(plan, name, summary, images).rows:
            assert row.title in outline.text
            for cell in row.cells.values():
                assert f"{cell.mean:.3f}" in outline.text and f"± {cell.std:.3f}" in outline.text
    assert [e for e in outline.elements if "hidden" in e[1]] == []
    assert "random & <uniform>_1" in outline.text, "labels are escaped once"


def test_what_made_each_report_is_said(html: str) -> None:
    text = Outline(html).text
    for words in ("tables.table3, study small", "figures.fig4, study small", "abcdef123456", "torch 2.0", "0" * 12):
        assert words in text
    for name in ("table3.csv", "table5.csv", "fig4.svg", "fig5.svg", "index.html"):
        assert f"snakemake --cores 2 reports/{name}" in text


def test_headlines_are_computed(html: str, plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    text = Outline(html).text
    for name in plan.config.tables:
        table = tables.build(plan, name, summary, images)
        for task in table.tasks:
            lead = table.leads[task, "acc"]
            assert lead is not None
            assert f"{lead.difference.mean:+.3f} against {plan.config.arms[lead.runner_up].title}" in text
    worse = summary.assign(acc=summary["acc"] * summary["arm"].ne("pcl"))
    page.write(plan, worse, DRAWN, OUT)
    assert "0 of 2" in Outline(OUT.read_text()).text


def test_it_has_headings_labels_and_unique_ids(html: str) -> None:
    outline = Outline(html)
    levels = [int(name[1]) for name, _ in outline.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [str(attributes["id"]) for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes["aria-labelledby"] for _, attributes in outline.elements if "aria-labelledby" in attributes]
    targets = [str(a["href"])[1:] for a in outline.all("a") if str(a.get("href")).startswith("#")]
    assert {*named, *targets} <= set(ids)
    drawings = [svg for svg in outline.all("svg") if svg.get("role") == "img"]
    assert len(drawings) == 2 and all(len(str(svg["aria-label"])) > 30 for svg in drawings)
    assert all("scope" in th for th in outline.all("th"))


def test_equal_runs_give_the_same_bytes(html: str, plan: Plan, summary: pd.DataFrame) -> None:
    page.write(plan, summary, DRAWN, OUT)
    assert OUT.read_text() == html


def test_a_study_without_runs_still_has_a_page(plan: Plan, summary: pd.DataFrame) -> None:
    for run in plan.all_runs():
        (run.path / "metrics.json").unlink()
        (run.path / "provenance.json").unlink()
    page.write(plan, summary.head(0), [], OUT)
    text = Outline(OUT.read_text()).text
    assert "not run" in text and "nan" not in text and "snakemake --cores 2 reports/fig4.svg" in text


def test_a_missing_drawing_is_named(plan: Plan, summary: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=r"reports/fig4\.svg: cannot be read"):
        page.write(plan, summary, [Path("reports/fig4.svg")], OUT)
