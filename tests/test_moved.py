"""Which cells have moved, held against tables that are written by hand."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from pcl.cli import main

HEAD = "group,method,arm,t ACC mean,t ACC std,t ACC n,t ACC published,t NMI mean,t NMI std,t NMI n\n"
BEFORE = (
    HEAD
    + """A,one,one,0.5,0.01,5,n/p,0.4,0.1,5
A,two,two,0.6,0.02,5,n/p,0.3,0.1,5
A,old,old,0.6,0.02,5,n/p,not run,not run,0
A,paper,—,not run,not run,0,0.9,not run,not run,0
"""
)
NOW = (
    HEAD
    + """A,one,one,0.52,0.015,5,n/p,0.45,0.05,5
A,two,two,0.6,0.02,5,n/p,0.3,0.2,5
A,new|,new|,0.7,n/a,1,n/p,0.3,n/a,1
A,paper,—,not run,not run,0,0.9,not run,not run,0
"""
)


@pytest.fixture
def compare(tmp_path, tiny_config, monkeypatch):
    """A function that compares in a folder with tables of now."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(tiny_config.model_dump_json())
    for folder, text in (("reports", NOW), ("old", BEFORE)):
        Path(folder).mkdir()
        Path(folder, "table.csv").write_text(text)
        Path(folder, "fig4.csv").write_text("questions,test_acc_one\n20,0.5\n")

    def said(*words, fails=False):
        result = CliRunner().invoke(main, ["compare", *words])
        assert result.exit_code == (2 if fails else 0), result.output
        return result.output

    return said


def test_against_a_folder(compare):
    """ACC of one moved by 0.02 at a spread of 0.015; its NMI by less than the spread that it had."""
    lines = compare("old").splitlines()
    assert lines[0] == (
        "Tables against `old`: 1 cells moved by more than their spread over seeds, 1 by less, 2 are the same; 2 are "
        "new, 1 are gone."
    )
    assert [line for line in lines if line.startswith("| table |") or line.startswith("| table | one")][1:] == [
        "| table | one | t ACC | 0.500 ± 0.010 | 0.520 ± 0.015 | +0.020 | 0.015 |"
    ]
    assert "New: table new\\|." in lines and "Gone: table old." in lines


def test_as_json_with_the_cells_that_moved_by_less(compare):
    found = json.loads(compare("old", "--json"))
    assert [(move["cell"], move["clear"]) for move in found["moved"]] == [("t NMI", False), ("t ACC", True)]
    assert found["same"] == 2


def test_against_itself_nothing_moves(compare):
    assert "0 cells moved by more than their spread over seeds, 0 by less, 6 are the same" in compare("reports")


def test_against_a_revision_that_knows_means_only(compare):
    folder = Path("reports/metrics/table")
    folder.mkdir(parents=True)
    (folder / "one.json").write_text('{"t ACC": 0.5}')
    (folder / "two.json").write_text('{"t ACC": 0.6}')
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t", "commit", "-qm", "t"]):
        subprocess.run(["git", *words], check=True)
    (folder / "one.json").write_text("now something else")
    assert "| table | one | t ACC | 0.500 | 0.520 ± 0.015 | +0.020 | 0.015 |" in compare("HEAD")
    assert "error: nowhere: neither a folder nor a revision of git" in compare("nowhere", fails=True)
    assert "neither a folder nor a revision" in compare("--", "--output=x", fails=True) and not Path("x").exists()


def test_no_table_is_said(compare):
    Path("reports/table.csv").write_text(HEAD)
    assert "error: reports: has no table with a number in it" in compare("old", fails=True)
