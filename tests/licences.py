"""The licence of every locked package, and what is known to be wrong with it: `make check`."""

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def main() -> int:
    """Print a line for each package; 1 where pip-audit knows of a vulnerability."""
    names = re.findall(r"^([\w.-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    for name in names:
        print(f"{name:42} {licence(name)}")
    return audit()


def licence(package: str) -> str:
    """What its metadata say."""
    try:
        about = distribution(package).metadata
    except PackageNotFoundError:
        return "not installed here"
    kinds = [kind.rpartition(" :: ")[2] for kind in about.get_all("Classifier", []) if kind.startswith("License ::")]
    said = about.get("License-Expression") or "; ".join(kinds) or about.get("License") or "not said in its metadata"
    return said.strip().splitlines()[0]


def audit() -> int:
    """Run pip-audit, where it is installed and reaches its database; otherwise say so and pass."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--no-deps", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        absent = "No module named pip_audit" in done.stderr
        print("pip-audit:", "not installed" if absent else "has not reached its database", "- nothing was audited")
        return 0
    known = [f"{each['name']}: {bug['id']}" for each in packages for bug in each.get("vulns", [])]
    print("\n".join(["pip-audit:", *known]) if known else "pip-audit: nothing known")
    return bool(known)


if __name__ == "__main__":
    sys.exit(main())
