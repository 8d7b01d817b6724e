"""What Snakemake plans when pictures change; nothing is built for it but the prepared arrays."""

import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]

PARAMS = """
study: own
datasets:
  photos: {reader: folder, path: photos, size: 8}
tasks:
  photos-2: {dataset: photos, clusters: 2, orientations: {kind: {by: class}}}
arms:
  kmeans: {method: kmeans, title: k-means}
tables:
  kind: {title: By kind, orientation: kind, tasks: all, rows: {All: [kmeans]}}
figures: {}
studies:
  own:
    title: Own
    tasks: [photos-2]
    ablation: photos-2
    projection: photos-2
    seeds: [0]
    budgets: {photos-2: 0}
    curve: []
"""


@pytest.fixture
def tree(bare, monkeypatch):
    monkeypatch.chdir(bare.path)
    (bare / "params.yaml").write_text(PARAMS)
    for name in ("cat", "dog"):
        (bare / "photos" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(bare / "photos" / name / f"{number}.png")
    return bare


def planned(tree):
    """The rules that would run for the data's target clusters."""
    target = tree.plans.selected.target("photos-2", "kind").path
    return set(re.findall(r"^(\w+) +\d+$", tree.run("snakemake", "-n", target).output, re.M)) - {"total"}


def test_a_picture_that_is_gone_plans_again_and_its_return_nothing(tree):
    tree.snakemake(tree.plans.selected.target("photos-2", "kind").path)
    assert planned(tree) == set()
    picture = tree / "photos/cat/0.png"
    content = picture.read_bytes()
    picture.unlink()
    assert planned(tree) == {"prepare", "relabel"}
    picture.write_bytes(content)
    assert planned(tree) == set()
    (tree / "photos").rename(tree / "elsewhere")
    assert planned(tree) == set(), "what was prepared stands for the pictures"
