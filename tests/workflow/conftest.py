"""The whole pipeline at its smallest, built once in a repository of its own and copied for each test."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from pcl import config
from pcl.plan import Plans

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """What a command did: the jobs it started, each as the console names it; the processor's seconds that it took."""

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
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Done(done.returncode == 0, done.stdout, seconds)

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
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all test processes share; whoever comes first fills it while the others wait."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / "workflow.lock"):
        if not (folder / "workflow/done.json").exists():
            first = build(folder / "workflow")
            (folder / "workflow/done.json").write_text(json.dumps(asdict(first)))
    return folder / "workflow"


def build(folder: Path) -> Done:
    """The project's files in a fresh repository, and a clone of it in which `dvc repro` alone builds everything."""
    source, built = Tree(folder / "source"), Tree(folder / "built")
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().strip("\0").split("\0"):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    shutil.copy(source / "tests/params.smoke.yaml", source / "params.yaml")
    source.run("git", "init", "-q")
    source.dvc("remote", "add", "-d", "store", str(folder / "store"))
    source.run("git", "add", "-A")
    source.run("git", "commit", "-qm", "the project")
    source.run("git", "clone", "-q", source.path, built.path)
    first = built.dvc("repro")
    built.run("git", "add", "-A")
    built.run("git", "commit", "-qm", "results")
    built.dvc("push")
    return first


@pytest.fixture(scope="session")
def first_build(shared: Path) -> Done:
    """What `dvc repro` did where nothing was built."""
    return Done(**json.loads((shared / "done.json").read_text()))


@pytest.fixture(scope="session")
def source(shared: Path) -> Tree:
    """The project in a repository; nothing is built. Tests must leave it as it is."""
    return Tree(shared / "source")


@pytest.fixture(scope="session")
def built(shared: Path) -> Tree:
    """The tree in which everything is built, committed and pushed. Tests must leave it as it is."""
    return Tree(shared / "built")


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


@pytest.fixture
def bare(tmp_path: Path) -> Tree:
    """The code in a folder of its own; params.yaml is to be written, nothing is built, and no git knows of it."""
    tree = Tree(tmp_path / "bare")
    tree.path.mkdir()
    for name in ("pcl", "workflow"):
        (tree / name).symlink_to(ROOT / name)
    return tree
