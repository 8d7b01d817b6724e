"""How an artefact came to be: code, versions and machine; what may differ between equal trainings."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas")


def provenance(**facts: Any) -> dict[str, Any]:
    """Facts about a run with code revision, versions and machine."""
    return {
        "code": revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {package: version(package) for package in PACKAGES},
        **facts,
    }


def revision() -> str:
    """The commit of the code, "-dirty" where files differ from it; "unknown" and why where there is none."""
    root = Path(__file__).parents[1]
    # Installed packages may lie in a checkout of something else: that commit would say nothing.
    if not (root / ".git").exists():
        return "unknown (no checkout)"
    if shutil.which("git") is None:
        return "unknown (no git)"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode != 0:  # no commit yet, or another's checkout, as in a container: git says how to trust it
        why = " ".join(found.stderr.split()) or f"git: status {found.returncode}"
        return f"unknown ({why.removeprefix('fatal: ')})"
    return found.stdout.strip()


def peak_memory_mb() -> int | None:
    """The most memory that this process has held; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20)
