"""The numbers that papers print, to stand beside ours."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Self

from pydantic import model_validator

from pcl import config
from pcl.config import Strict

PAPER_METRICS: tuple[config.Metric, ...] = ("nmi", "ari", "f", "acc")
"""In the order of the paper's columns."""


class PublishedTable(Strict):
    """One table of a paper: group -> row -> column -> its metrics; and row -> our arm.

    A column is a task; where the table has two orientations, "task, orientation".
    """

    orientation: str
    beside: str | None = None
    metrics: tuple[config.Metric, ...] = PAPER_METRICS
    rows: dict[str, dict[str, dict[str, tuple[float, ...]]]]
    arms: dict[str, str]

    @model_validator(mode="after")
    def _one_value_for_each_metric(self) -> Self:
        values = (cell for rows in self.rows.values() for cells in rows.values() for cell in cells.values())
        if any(len(cell) != len(self.metrics) for cell in values):
            raise ValueError(f"every cell has {', '.join(self.metrics)}")
        return self

    @property
    def tasks(self) -> set[str]:
        """The paper's own columns."""
        return {task for rows in self.rows.values() for values in rows.values() for task in values}

    def by_row(self, tasks: list[str]) -> dict[str, dict[tuple[str, str], float]]:
        """Row -> (task, metric) -> the value printed."""
        return {
            row: {
                (task, metric): value
                for task in tasks
                for metric, value in zip(self.metrics, values.get(task, ()), strict=task in values)
            }
            for rows in self.rows.values()
            for row, values in rows.items()
        }


class Published(Strict):
    """The numbers of a paper."""

    paper: str
    note: str
    tables: dict[str, PublishedTable]

    def beside(self, name: str, item: config.Table, tasks: list[str]) -> PublishedTable:
        """What to hold our table against; empty where neither task nor orientation is the paper's own."""
        found = self.tables.get(name)
        if (
            found is None
            or (found.orientation, found.beside) != (item.orientation, item.beside)
            or not found.tasks & set(tasks)
        ):
            return PublishedTable(orientation=item.orientation, rows={}, arms={})
        return found


PAPERS = ("published", "published-occ")


@cache
def published(table: str | None = None) -> Published:
    """The numbers of the paper that has a table of this name; of PCL's for any other."""
    papers = [_read(name) for name in PAPERS]
    return next((paper for paper in papers if table in paper.tables), papers[0])


@cache
def _read(name: str) -> Published:
    path = Path(__file__).with_name(f"{name}.yaml")
    found: Published = config.validate(Published, config.read_yaml(path), str(path))
    return found
