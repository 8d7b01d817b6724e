"""The numbers that the paper prints, to stand beside ours."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pcl import config
from pcl.config import Strict

PAPER_METRICS = ("nmi", "ari", "f", "acc")
"""In the order of the paper's columns."""


class PublishedTable(Strict):
    """One table of the paper: group -> row -> task -> NMI, ARI, F, ACC; and row -> our arm."""

    orientation: str
    rows: dict[str, dict[str, dict[str, tuple[float, float, float, float]]]]
    arms: dict[str, str]

    @property
    def tasks(self) -> set[str]:
        """The paper's own tasks."""
        return {task for rows in self.rows.values() for values in rows.values() for task in values}

    def by_row(self, tasks: list[str]) -> dict[str, dict[tuple[str, str], float]]:
        """Row -> (task, metric) -> the value printed."""
        return {
            row: {
                (task, metric): value
                for task in tasks
                for metric, value in zip(PAPER_METRICS, values.get(task, ()), strict=task in values)
            }
            for rows in self.rows.values()
            for row, values in rows.items()
        }


class Published(Strict):
    """The numbers of the paper."""

    paper: str
    note: str
    tables: dict[str, PublishedTable]

    def beside(self, name: str, item: config.Table, tasks: list[str]) -> PublishedTable:
        """What to hold our table against; empty where neither task nor orientation is the paper's own."""
        found = self.tables.get(name)
        if found is None or found.orientation != item.orientation or not found.tasks & set(tasks):
            return PublishedTable(orientation=item.orientation, rows={}, arms={})
        return found


@cache
def published() -> Published:
    """The paper's numbers."""
    path = Path(__file__).with_name("published.yaml")
    found: Published = config.validate(Published, config.read_yaml(path), str(path))
    return found
