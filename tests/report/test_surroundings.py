"""Tables, figures and the page are the same bytes wherever and by whomever they are made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pcl
from pcl.plan import Plan

COMMANDS = """
from pcl.cli import main
for line in (
    "collect --out results/summary.csv",
    "table table3 --summary results/summary.csv --out reports/table3",
    "table table5 --summary results/summary.csv --out reports/table5",
    "figure fig4 --source results/summary.csv --out reports/fig4",
    "figure fig5 --source fig5.npz --out reports/fig5",
    "page --summary results/summary.csv --figure reports/fig4.svg --figure reports/fig5.svg --out reports/index.html",
):
    main(line.split(), standalone_mode=False)
"""
NOWHERE = "/dev/null/nowhere"
HOSTILE = {
    **dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"), NOWHERE),
    **{"MPLBACKEND": "module://matplotlib_inline.backend_inline", "FORCE_COLOR": "1", "COLUMNS": "20"},
    **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Kiritimati"},
}
MATPLOTLIBRC = "text.usetex: True\naxes.formatter.use_locale: True\nlines.linewidth: 9\naxes.facecolor: black\n"


def made(folder: Path, umask: int = 0o022, **surroundings: str) -> dict[str, bytes]:
    """The files that the commands write in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(pcl.__file__).parents[1]), **surroundings}
    command = [sys.executable, "-c", COMMANDS]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, umask=umask)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    reports = folder / "reports"
    return {str(path.relative_to(reports)): path.read_bytes() for path in reports.rglob("*") if path.is_file()}


def test_no_byte_depends_on_the_surroundings(
    plan: Plan, folder: Path, projection: Callable[[Plan, Path], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    projection(plan, Path("fig5.npz"))
    there = tmp_path_factory.mktemp("else") / "a {b} 'c\" ü"
    shutil.copytree(folder, there)
    (there / "results").rename(there.parent / "scratch")
    (there / "results").symlink_to(there.parent / "scratch")
    (there / "matplotlibrc").write_text(MATPLOTLIBRC)
    here, found = made(folder), made(there, umask=0o077, **HOSTILE)
    assert here.keys() == found.keys() and len(here) > 20
    assert [name for name in here if here[name] != found[name]] == []
