"""A kind of figure is one file: planned, checked, listed, drawn and shown because its file is there."""

from __future__ import annotations

import copy
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pcl import config, inventory, references, registry, stats
from pcl.errors import UserError
from pcl.intervals import Images
from pcl.plan import Plan, Plans
from pcl.report import drawing, figures, page
from pcl.report.findings import Finding

KIND = '''
from pathlib import Path
from typing import Literal

from pcl import artifacts, stats
from pcl.config import FigureSettings
from pcl.report.figures import base
from pcl.report.findings import Finding


class BarsSettings(FigureSettings):
    kind: Literal["bars"]
    arm: str
    width: float = 1.0

    @property
    def named(self):
        return [self.arm]


class Figure(base.Figure):
    """Bars of nothing in particular."""

    Settings = BarsSettings
    precomputed = PRECOMPUTED
    orientations = ("default",)

    @property
    def task(self):
        return self.plan.study.ablation

    def runs(self):
        return [self.plan.run(self.task, "default", self.settings.arm, seed) for seed in (0, 1)]

    def precompute(self, out: Path) -> None:
        artifacts.write(out, "7")

    def drawing(self, source: Path) -> base.Drawing:
        rows = int(source.read_text()) if self.precomputed else len(stats.read(source))

        def draw(ink):
            from matplotlib.figure import Figure as Canvas

            canvas = Canvas()
            canvas.subplots().bar([0], [rows], self.settings.width, color=ink)
            return canvas

        return base.Drawing(draw, f"rows\\n{rows}\\n")

    def caption(self, images) -> str:
        return "Bars <as wide as they are>."

    def description(self, summary, images) -> str:
        return "One bar, for who cannot see it."

    def finding(self, summary, images) -> Finding:
        return Finding("Bars", self.name, str(len(summary)), "rows", "There are rows.", clear=False)
'''


@pytest.fixture(params=[False, True], ids=["summary", "precomputed"])
def precomputed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def content(precomputed: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict]:
    """params.yaml with a figure of a kind whose file has just been written."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "bars.py").write_text(KIND.replace("PRECOMPUTED", str(precomputed)))
    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(folder / "plugins")])
    content = config.read_yaml(Path("params.yaml"))
    content["figures"]["fig6"] = {"kind": "bars", "title": "Bars", "arm": "pcl"}
    yield content
    sys.modules.pop("pcl.report.figures.bars", None)
    vars(figures).pop("bars", None)


def read(content: dict) -> config.Config:
    found: config.Config = config.validate(config.Config, content, "params.yaml")
    return found


def test_it_is_planned(content: dict, precomputed: bool) -> None:
    plan = Plan(read(content))
    shown = plan.runs("fig6")
    assert [(run.arm, run.orientation, run.seed) for run in shown] == [("pcl", "default", s) for s in (0, 1)]
    assert {run.path for run in shown} <= {run.path for run in plan.all_runs()}
    path = plan.precomputed("fig6")
    assert (path is not None) == precomputed
    if path is not None:
        assert Plans(plan.config).precomputing("fig6", path.stem).precomputed("fig6") == path
        wider = copy.deepcopy(content)
        wider["figures"]["fig6"]["width"] = 2
        assert Plan(read(wider)).precomputed("fig6") != path, "a setting is part of the key"
        retitled = copy.deepcopy(content)
        retitled["figures"]["fig6"]["title"] = "More bars"
        assert Plan(read(retitled)).precomputed("fig6") == path, "a title is not"


def test_its_settings_are_checked(content: dict) -> None:
    for edit, message in (
        ({"widht": 2}, r"figures\.fig6\.widht: unknown key 'widht'; did you mean 'width'\?"),
        ({"width": "wide"}, r"figures\.fig6\.width: .*\(found 'wide'\)"),
        ({"kind": "barz"}, r"figures\.fig6\.kind: no such kind 'barz'; did you mean 'bars'\?"),
    ):
        wrong = copy.deepcopy(content)
        wrong["figures"]["fig6"] |= edit
        with pytest.raises(UserError, match=message):
            read(wrong)
    content["figures"]["fig6"]["arm"] = "pkl"
    assert list(references.problems(read(content))) == ["figures.fig6: no arm 'pkl'; did you mean 'pcl'?"]


def test_a_checked_config_is_the_same_when_read_again(content: dict) -> None:
    found = read(content)
    assert found.model_dump()["figures"]["fig6"]["width"] == 1.0
    assert read(found.model_dump()) == found


@pytest.mark.usefixtures("plan")
def test_it_is_drawn_and_shown(content: dict, precomputed: bool) -> None:
    plan = Plan(read(content))
    summary = stats.collect(Plan(config.load()).all_runs())
    source, out = Path("source"), Path("reports/fig6")
    if precomputed:
        plan.figure("fig6").precompute(source)
    else:
        stats.write(summary, source)
    drawing.write(plan.figure("fig6").drawing(source), out)
    rows = list(csv.DictReader(out.with_suffix(".csv").open()))
    assert rows == [{"rows": "7" if precomputed else str(len(summary))}]
    page.write(plan, summary, [Path("reports/fig6.svg")], Path("reports/index.html"))
    html = Path("reports/index.html").read_text()
    assert 'aria-label="One bar, for who cannot see it."' in html and "Bars &lt;as wide as they are&gt;." in html
    assert "There are rows." in html and 'href="#fig6"' in html


@pytest.mark.parametrize("kind", registry.names("pcl.report.figures", "Figure"))
def test_every_kind_says_what_it_is_and_whence_in_pcl_list(kind: str) -> None:
    listed = {name: (line, source) for what, name, line, source in inventory.registered() if what == "figure"}
    line, source = listed[kind]
    assert line.endswith(".") and source


def test_every_figure_says_on_how_many_images(plan: Plan, summary: pd.DataFrame, images: Images) -> None:
    for name in plan.config.figures:
        figure = plan.figure(name)
        assert "200 test images" in figure.caption(images)
        assert plan.config.figures[name].title in figure.description(summary, images)
        finding = figure.finding(summary, images)
        assert finding is None or (isinstance(finding, Finding) and finding.anchor == name)
