"""Changes modules in one place at a time and shows the changes that no test notices: `make mutants`, outside CI."""

import argparse
import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTMUT = [sys.executable, "-m", "mutmut"]


def main() -> int:
    """Mutate a copy of the project, run the tests once for every mutant, and print those that survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", nargs="+", required=True, metavar="FILE", help="what is changed")
    parser.add_argument("--tests", nargs="+", required=True, metavar="PATH", help="who should notice")
    parser.add_argument("--folder", type=Path, default=ROOT / ".mutants" / "tree", help="where the copy goes")
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    copy(chosen.folder)
    configure(chosen.folder / "setup.cfg", chosen.modules, chosen.tests)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}

    def mutmut(*words: str, **options: bool) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*MUTMUT, *words], cwd=chosen.folder, env=environment, text=True, **options)

    done = mutmut("run", "--max-children", str(chosen.processes), check=False)
    if done.returncode:
        return done.returncode
    results = mutmut("results", check=True, capture_output=True).stdout
    survivors = re.findall(r"^ *(\S+): (?:survived|no tests|suspicious)$", results, re.M)
    for name in survivors:
        print(mutmut("show", name, check=True, capture_output=True).stdout)
    print(f"{len(survivors)} survived")
    return bool(survivors)


def copy(folder: Path) -> None:
    """The project's files as they are, without what git ignores."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def configure(path: Path, modules: list[str], tests: list[str]) -> None:
    """Tell mutmut what to change and whom to ask. Types are not checked, which pytest does only once in a process."""
    config = configparser.ConfigParser()
    lists = {"only_mutate": modules, "pytest_add_cli_args_test_selection": tests}
    lists |= {"pytest_add_cli_args": ["-o", "addopts=-p no:cacheprovider"], "also_copy": ["params.yaml"]}
    config["mutmut"] = {name: "\n" + "\n".join(values) for name, values in lists.items()}
    config["mutmut"].update({"source_paths": "pcl", "process_isolation": "forkserver"})
    with path.open("w") as file:
        config.write(file)


if __name__ == "__main__":
    sys.exit(main())
