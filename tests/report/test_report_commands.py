"""The commands, run as a person or Snakemake runs them; none but `precompute` imports torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pcl
from pcl.plan import Plan

SCRIPT = """
import sys
from pcl.cli import main
for line in {lines}:
    main(line.split(), standalone_mode=False)
assert "torch" not in sys.modules, "torch"
"""


def test_from_run_folders_to_the_page_without_torch(plan: Plan, projection: Callable[[Plan, Path], None]) -> None:
    projection(plan, Path("p.npz"))
    lines = [
        "collect --out results/summary/table3.csv --report table3",
        "collect --out results/summary.csv",
        "table table3 --summary results/summary/table3.csv --out reports/table3 --study small",
        "figure fig4 --source results/summary.csv --out reports/fig4",
        "figure fig5 --source p.npz --out reports/fig5",
        "page --summary results/summary.csv --figure reports/fig4.svg --figure reports/fig5.svg"
        " --out reports/index.html",
    ]
    command = [sys.executable, "-c", SCRIPT.format(lines=lines)]
    environment = os.environ | {"PYTHONPATH": str(Path(pcl.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in Path("reports").iterdir()}
    assert made >= {"table3.csv", "table3.md", "table3.tex", "metrics", "fig4.svg", "fig5.pdf", "index.html"}
    assert len(Path("results/summary/table3.csv").read_text()) < len(Path("results/summary.csv").read_text())
