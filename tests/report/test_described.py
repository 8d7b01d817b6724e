"""The columns that say what each arm is: from what is registered, and from the runs' own records."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from pcl import artifacts, config, registry, sources, stats
from pcl.config import Table
from pcl.intervals import Images
from pcl.methods.base import Method
from pcl.plan import Plan
from pcl.report import tables
from pcl.report.tables.described import COLUMNS, description

ROOT = Path(__file__).parents[2]
SHIPPED = Plan(config.load(ROOT / "params.yaml"))
METHODS = registry.names("pcl.methods", "Method")


@pytest.fixture
def described(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The study, with a described table."""
    item = Table(
        title="All", orientation="personalized", tasks="all", described=True,
        rows={"Unsupervised": ["kmeans", "cc"], "Constrained": ["pcl"]},
    )  # fmt: skip
    plan.catalogue.__dict__.pop("tables", None)
    monkeypatch.setitem(plan.config.on_request, "all", item)
    yield plan
    plan.catalogue.__dict__.pop("tables", None)


def test_every_method_is_in_the_table_of_all() -> None:
    item = SHIPPED.config.on_request["everything"]
    assert {SHIPPED.config.arms[arm].method for arm in item.arms} == set(METHODS)
    assert item.orientations == ["default", "personalized"] and "everything" not in SHIPPED.reports


@pytest.mark.parametrize("name", METHODS)
def test_the_licence_of_all_code_that_was_read_is_known(name: str) -> None:
    method: type[Method] = registry.get("pcl.methods", "Method", name)
    assert all(sources.code_read(method).values())


def test_a_licence_that_nobody_has_looked_up_is_missed() -> None:
    class Unknown:
        """Source: somebody/something@0123456."""

    with pytest.raises(config.UserError, match=r"licences.yaml: somebody/something: required"):
        sources.code_read(Unknown)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("kmeans", ["yes", "nothing", "no", "n/a", "pixels"]),
        ("gcc", ["yes", "nothing", "no", "CC BY-NC 4.0", "its own"]),
        ("deepcluster", ["yes", "nothing", "no", "CC BY-NC 4.0", "its own"]),
        ("idc", ["yes", "value_mining", "no", "Apache-2.0", "its own"]),
        ("ours", ["no", "careful", "no", "n/a", "pixels"]),
        ("kmeans-overwrite", ["yes", "as dcc", "no", "Apache-2.0", "clusters of kmeans"]),
    ],
)
def test_what_an_arm_is(arm: str, expected: list[str]) -> None:
    assert list(description(SHIPPED, "everything", arm).values())[:-1] == expected


def test_seconds_are_those_of_the_runs_and_of_what_they_start_from(described: Plan) -> None:
    """The mean over seeds; a run whose pretraining has been deleted says nothing."""
    runs = [run for run in described.runs("all") if run.arm == "pcl"]
    assert description(described, "all", "pcl")["seconds"] == "not run"
    for run in runs:
        assert run.pretraining
        artifacts.write_json(run.pretraining.path / "provenance.json", {"seconds": 7.0})
    assert {run.seed for run in runs} == {0, 1, 2, 3, 4}
    assert description(described, "all", "pcl")["seconds"] == "69.0"  # 60 + seed, and 7
    assert description(described, "all", "kmeans")["seconds"] == "62.0"


def test_the_columns_stand_in_every_format(described: Plan, images: Images) -> None:
    table = tables.build(described, "all", stats.collect(described.runs("all")), images)
    assert table.seeds == [0, 1, 2, 3, 4] and {cell.n for row in table.rows for cell in row.cells.values()} == {5}
    texts = (tables.to_csv(table), tables.to_markdown(table, "make"), tables.to_latex(table, "make"))
    assert all(column in text for column in COLUMNS for text in texts)
    widths = {line.count("|") for line in texts[1].splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert pd.read_csv(io.StringIO(texts[0]), keep_default_na=False)["labels select"].tolist() == ["no"] * 3
