"""A walk through docs/extending.md: what the page shows is written into a copy, and the contracts hold there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
PARTS = ("pcl", "tests", "docs", "workflow", "params.yaml", "README.md", "pyproject.toml", "Makefile", "dvc.yaml")
INTERACTIVE = '''"""Somebody who types the answers: here, the same one each time."""

from pcl.oracles import base


class Oracle(base.Oracle):
    """Says "same", as a person might.

    Source: a test.
    """

    version = 1
    interactive = True

    def reply(self, question: base.Question) -> bool:
        """Yes."""
        assert self.context.targets is None and self.context.image(question.i).shape == (8, 8, 3)
        return True
'''


class Copy:
    """A copy of the project in which a stranger works."""

    def __init__(self, path):
        self.path = path
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, path / part, ignore=shutil.ignore_patterns("__pycache__", "results"))
            else:
                shutil.copy(ROOT / part, path / part)

    def run(self, *command):
        environment = {**os.environ, "PYTHONPATH": str(self.path), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=self.path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout

    def test(self, *words):
        """Run tests of the copy; all of those named pass, and there are some."""
        shown = self.run("pytest", "-p", "no:cacheprovider", "-q", "-o", "addopts=", *words, "-rN")
        assert re.search(r"[1-9]\d* passed", shown), shown


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project with every file that the page writes out, an interactive oracle, and two skeletons of methods."""
    copy = Copy(tmp_path_factory.mktemp("project"))
    written = re.findall(r"```python\n# (pcl/\S+\.py)\n(.*?)```", PAGE, re.DOTALL)
    assert [path.split("/")[1] for path, _ in written] == ["methods", "strategies", "oracles"]
    for path, code in written:
        (copy.path / path).write_text(code)
    (copy.path / "pcl/oracles/somebody.py").write_text(INTERACTIVE)
    copy.run("pcl", "new", "method", "first_try")
    copy.run("pcl", "new", "method", "second_try", "--network")
    return copy


def test_methods_pass_the_contract(copy):
    names = "mixture or first_try or second_try"
    copy.test("tests/methods/test_contract.py", "-k", names)


def test_a_new_method_s_page_is_what_a_page_must_be(copy):
    copy.test("tests/test_docs.py", "-k", "first_try or second_try")


def test_every_file_is_one_of_the_project(copy):
    copy.test("tests/test_style.py", "tests/test_versions.py")


def test_strategies_and_oracles_pass_theirs(copy):
    copy.test("tests/strategies", "tests/oracles", "-k", "neighbours or brightness or somebody or registry")


def test_pictures_strategy_and_oracle_work_together(copy):
    """A folder of pictures, in classes and without any: asked about by the new strategy, answered by the oracles."""
    generator = np.random.default_rng(0)
    for name, grey in (("dark", 40), ("light", 200)):
        (copy.path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = (grey + generator.integers(-30, 30, (8, 8, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(copy.path / "photos" / name / f"{number}.png")
    small = {
        "image_size": 8,
        "backbone": {"depth": 10, "width": 8, "stem": "small"},
        "batch_size": 8,
        "epochs": 1,
        "autoencoder": None,
    }
    asking = {"method": "dcc", "title": "DCC", "settings": {"strategy": {"name": "neighbours", "at_once": 3}}}
    params = {
        "study": "own",
        "datasets": {"photos": {"reader": "folder", "path": "photos", "size": 8}},
        "tasks": {
            "photos-2": {
                "dataset": "photos",
                "clusters": 2,
                "orientations": {"light": {"day": ["light"], "night": ["dark"]}, "mine": None},
            }
        },
        "arms": {
            "looks": asking | {"oracle": {"name": "brightness"}},
            "asks": asking | {"oracle": {"name": "somebody"}},
        },
        "tables": {},
        "figures": {},
        "studies": {
            "own": {
                "title": "Own pictures",
                "tasks": ["photos-2"],
                "ablation": "photos-2",
                "projection": "photos-2",
                "seeds": [0],
                "budgets": {"photos-2": 7},
                "curve": [],
                "training": small,
            }
        },
    }
    (copy.path / "own.yaml").write_text(json.dumps(params))
    pcl = ("pcl", "--params", "own.yaml")
    copy.run(*pcl, "prepare", "photos")
    copy.run(*pcl, "relabel", "photos-2", "light")
    copy.run(*pcl, "represent", "photos-2", "pixels")
    folder = copy.path / copy.run(*pcl, "train", "photos-2", "light", "looks").split()[-1]
    content = json.loads((folder / "metrics.json").read_text())
    assert content["questions"]["asked"] == 7 and content["scores"]["light"]["test"]["acc"] >= 0.5
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert all(answer["terms"].keys() == {"distance"} for answer in answers)
    person = copy.path / copy.run(*pcl, "train", "photos-2", "mine", "asks").split()[-1]
    content = json.loads((person / "metrics.json").read_text())
    assert content["questions"]["asked_must"] == 7
    assert content["scores"] == {}, "nobody knows the clusters, so nothing is scored"
    with np.load(person / "assignments.npz") as saved:
        assert len(saved["train_cluster"]) == 32


@pytest.mark.parametrize(("name", "message"), [("pcl", "is there already"), ("My-Method", "not a name for a method")])
def test_a_skeleton_overwrites_nothing(copy, name, message):
    environment = {**os.environ, "PYTHONPATH": str(copy.path)}
    command = [sys.executable, "-m", "pcl", "new", "method", name]
    done = subprocess.run(command, cwd=copy.path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr
