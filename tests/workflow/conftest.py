"""The whole pipeline at its smallest, built once in a repository of its own and copied for each test."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from pcl import config
from pcl.plan import Plans

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """What a command did: the jobs it started, each as the console names it, and whether it succeeded."""

    ok: bool
    output: str
    seconds: float

    @property
    def jobs(self) -> set[str]:
        return set(re.findall(r"^Job \d+: (.*)$", self.output, re.M))

    @property
    def training(self) -> set[str]:
        return {job for job in self.jobs if re.search(r"pretraining of|questions, seed", job)}


class Tree:
    """A checkout of the project with the smoke study in its params.yaml."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __truediv__(self, name: str | Path) -> Path:
        return self.path / name

    @property
    def environment(self) -> dict[str, str]:
        """Tools from beside this Python, an identity for git, and nothing of DVC outside the tree."""
        names = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        more = {"OMP_NUM_THREADS": "1", "DVC_SITE_CACHE_DIR": str(self.path.parent / "dvc"), "PYTHONPATH": ""}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **names, **more, "PATH": path}

    def run(self, *command: str | Path) -> Done:
        """A command that must succeed."""
        done = self.attempt(*command)
        assert done.ok, done.output[-4000:]
        return done

    def attempt(self, *command: str | Path) -> Done:
        start = time.monotonic()
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Done(done.returncode == 0, done.stdout, time.monotonic() - start)

    def snakemake(self, *targets: str | Path) -> Done:
        return self.run("snakemake", "--cores", "2", *targets)

    def dvc(self, *words: str) -> Done:
        return self.run("dvc", *words)

    def edit(self, old: str, new: str) -> None:
        params = self / "params.yaml"
        text = params.read_text()
        assert text.count(old) == 1
        params.write_text(text.replace(old, new))

    @property
    def plans(self) -> Plans:
        return Plans(config.load(self / "params.yaml"))

    def metrics(self, task: str, orientation: str, arm: str, seed: int = 0) -> Path:
        """The target that makes one run of the study at its budget."""
        return self.plans.selected.run(task, orientation, arm, seed).path / "metrics.json"

    def table(self, name: str) -> str:
        return (self / f"reports/{name}.csv").read_text()


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The project's files in a fresh repository; nothing is built."""
    tree = Tree(tmp_path_factory.mktemp("workflow") / "source")
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (tree / "dvc.lock").unlink(missing_ok=True)
    shutil.copy(tree / "tests/params.smoke.yaml", tree / "params.yaml")
    tree.run("git", "init", "-q")
    tree.dvc("remote", "add", "-d", "store", str(tree.path.parent / "store"))
    tree.run("git", "add", "-A")
    tree.run("git", "commit", "-qm", "the project")
    return tree


@pytest.fixture(scope="session")
def first_build(source: Tree) -> Done:
    """`dvc repro` alone, from a tree in which nothing is built."""
    built = Tree(source.path.with_name("built"))
    source.run("git", "clone", "-q", source.path, built.path)
    done = built.dvc("repro")
    built.run("git", "add", "-A")
    built.run("git", "commit", "-qm", "results")
    built.dvc("push")
    return done


@pytest.fixture(scope="session")
def built(source: Tree, first_build: Done) -> Tree:
    """The tree in which everything is built, committed and pushed. Tests must leave it as it is."""
    return Tree(source.path.with_name("built"))


@pytest.fixture
def copy(built: Tree, tmp_path: Path) -> Tree:
    """A copy of the built tree, dates and all."""
    shutil.copytree(built.path, tmp_path / "copy", symlinks=True)
    return Tree(tmp_path / "copy")


@pytest.fixture
def clone(built: Tree, tmp_path: Path) -> Tree:
    """A clone of the built tree: no results."""
    tree = Tree(tmp_path / "clone")
    built.run("git", "clone", "-q", built.path, tree.path)
    return tree
