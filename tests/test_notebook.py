"""The notebook says what its script says, and the script runs from nothing."""

import os
import subprocess
import sys
from pathlib import Path

import jupytext

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"


def test_cells_are_those_of_the_script_and_none_has_failed():
    notebook = jupytext.read(NOTEBOOKS / "three_ways.ipynb")
    script = jupytext.read(NOTEBOOKS / "three_ways.py")
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in script.cells], "run `make notebook`"
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert outputs
    assert not [output for output in outputs if output.output_type in ("error", "stream")]


def test_the_script_runs(tmp_path):
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(NOTEBOOKS / "three_ways.py")]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
