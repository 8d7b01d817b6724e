"""The paper's numbers, held against a second reading of its Tables 2 to 5."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcl import config
from pcl.report.tables import published

ROWS = ["kmeans", "MiCE", "CC", "GCC", "SPICE", "DCC", "ADC", "SDEC", "DC-GMM", "Ours"]
TASKS = {"cifar10-2", "cifar100-4", "imagenet10-2"}
# A few cells, read off the paper a second time.
CELLS = [
    ("table2", "Ours", "cifar10-2", (0.737, 0.830, 0.918, 0.955)),
    ("table2", "GCC", "imagenet10-2", (0.908, 0.952, 0.976, 0.988)),
    ("table2", "DC-GMM", "cifar100-4", (0.107, 0.121, 0.349, 0.431)),
    ("table3", "Ours", "cifar10-2", (0.453, 0.558, 0.765, 0.873)),
    ("table3", "ADC", "cifar100-4", (0.024, 0.023, 0.374, 0.322)),
    ("table3", "DC-GMM", "imagenet10-2", (0.000, 0.000, 0.675, 0.512)),
    ("table4", "CNN only", "cifar100-4", (0.127, 0.122, 0.344, 0.445)),
    ("table5", "S_hp", "cifar100-4", (0.160, 0.154, 0.369, 0.481)),
]
PARAMS = Path(__file__).parents[1] / "params.full.yaml"


def values(table: str) -> dict[str, dict[str, tuple[float, ...]]]:
    return {row: cells for rows in published().tables[table].rows.values() for row, cells in rows.items()}


def test_every_table_and_row_is_there() -> None:
    assert list(published().tables) == ["table2", "table3", "table4", "table5"]
    for table, orientation in (("table2", "default"), ("table3", "personalized")):
        assert published().tables[table].orientation == orientation
        assert list(values(table)) == ROWS and all(set(cells) == TASKS for cells in values(table).values())
    assert list(values("table4")) == ["CNN only", "CNN+Attention"]
    assert list(values("table5")) == ["random", "S_up", "S_hp", "S_up + S_hs"]
    for table in ("table4", "table5"):
        assert all(set(cells) == {"cifar100-4"} for cells in values(table).values())


def test_every_value_is_a_share_with_three_digits() -> None:
    found = [
        v for table in published().tables for row in values(table).values() for cell in row.values() for v in cell
    ]
    assert len(found) == 2 * 10 * 3 * 4 + (2 + 4) * 4
    assert all(0 <= value <= 1 and round(value, 3) == value for value in found)


@pytest.mark.parametrize(("table", "row", "task", "cell"), CELLS)
def test_cells_as_printed(table: str, row: str, task: str, cell: tuple[float, ...]) -> None:
    assert values(table)[row][task] == cell


def test_the_paper_repeats_its_own_result() -> None:
    """The full method on CIFAR100-4, personalized, stands in Tables 3, 4 and 5."""
    own = values("table3")["Ours"]["cifar100-4"]
    assert values("table4")["CNN+Attention"]["cifar100-4"] == values("table5")["S_up + S_hs"]["cifar100-4"] == own


def test_accuracy_is_at_least_chance() -> None:
    """Under the best one-to-one map no K clusters score below 1/K: what a swapped column would break."""
    for table in published().tables:
        for cells in values(table).values():
            for task, (_, _, _, acc) in cells.items():
                assert acc >= 1 / int(task[-1])


def test_rows_point_to_arms_that_the_tables_have() -> None:
    tables = config.load(PARAMS).tables
    for name, table in published().tables.items():
        assert set(table.arms) <= set(values(name))
        assert set(table.arms.values()) <= set(tables[name].arms)
        assert tables[name].orientation == table.orientation and set(tables[name].rows) - {"Controls"} == set(
            table.rows
        )


def test_what_f_is_and_where_it_is_from() -> None:
    assert "Fowlkes–Mallows" in published().note and "AAAI 2025" in published().paper


def test_occ_has_a_file_of_its_own() -> None:
    """A few cells, read off the paper a second time; Table 3 and Table 4 repeat a row of Table 2."""
    paper = published("occ-table2")
    assert "2022" in paper.paper and published("table2") is published()
    rows = {t: {n: c for group in s.rows.values() for n, c in group.items()} for t, s in paper.tables.items()}
    assert list(rows["occ-table2"]) == ["K-means", "PICA", "GCC", "CC", "IDFD", "OCC"]
    assert rows["occ-table2"]["GCC"]["imagenet-dogs-2, default"] == (0.233, 0.313, 0.780)
    assert rows["occ-table2"]["IDFD"]["imagenet10-2, personalized"] == (0.025, 0.035, 0.593)
    own = {place: cell for place, cell in rows["occ-table2"]["OCC"].items() if place.startswith("cifar10-2")}
    assert own == rows["occ-table3"]["R+A"] == rows["occ-table4"]["YES"]
    assert rows["occ-table3"]["R only"]["cifar10-2, default"] == rows["occ-table4"]["NO"]["cifar10-2, default"]
