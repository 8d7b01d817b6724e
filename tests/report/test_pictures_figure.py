"""The images in the clusters that were found: which are shown, and which are called wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pcl import config, metrics, orientations, references, stats
from pcl.intervals import Images
from pcl.plan import Plan
from pcl.report import drawing
from pcl.report.figures import ways
from pcl.report.figures.pictures import Figure
from pcl.run import execute


@pytest.fixture
def figure(workspace, tiny_config) -> Figure:
    content = tiny_config.model_dump()
    content["figures"]["pictures"] = {
        **{"kind": "pictures", "title": "What is found", "orientation": "personalized", "arm": "nearest"},
        **{"without": "kmeans", "budgets": [5, 20], "shown": 6, "questions": 4},
    }
    return Plan(config.validate(config.Config, content, "params.yaml")).figure("pictures")


@pytest.fixture
def summary(figure) -> Path:
    for run in figure.runs():
        execute.train(run)
    stats.write(stats.collect(figure.runs()), Path("summary.csv"))
    return Path("summary.csv")


def test_one_seed_is_shown_without_answers_and_with_some(figure):
    assert [(run.arm, run.budget, run.seed) for run in figure.runs()] == [
        ("kmeans", 0, 0),
        ("nearest", 5, 0),
        ("nearest", 20, 0),
    ]


def test_wrong_images_are_those_that_no_renaming_of_clusters_puts_right(figure, summary):
    for (arm, budget), run in zip(figure._shown(), figure.runs(), strict=True):
        panel = figure._panel(arm, budget)
        found = run.folder.read_assignments()["test"]
        target = orientations.read(run.targets["personalized"].path).test
        assert panel.acc == pytest.approx(metrics.accuracy(target, found.cluster))
        for images, wrong in zip(panel.images, panel.wrong, strict=True):
            assert 0 < len(images) <= 6 and len(set(found.cluster[images])) == 1
            marked = np.array([name is not None for name in wrong])
            right = target[images][~marked]
            assert len(set(right)) <= 1 and not set(right) & set(target[images][marked])
            names = run.targets["personalized"].map.clusters
            assert [name for name in wrong if name] == [names[own] for own in target[images][marked]]


def test_right_images_are_as_many_as_the_accuracy_says():
    rng = np.random.default_rng(0)
    target, cluster = rng.integers(3, size=50), rng.integers(4, size=50)
    assert metrics.right(target, cluster).mean() == pytest.approx(metrics.accuracy(target, cluster))


def test_files_are_the_same_again_and_say_what_they_show(figure, summary):
    for name in ("one", "two"):
        drawing.write(figure.drawing(summary), Path(name))
    for ending in ("png", "csv"):
        assert Path(f"one.{ending}").read_bytes() == Path(f"two.{ending}").read_bytes()
    panels = [figure._panel(*at) for at in figure._shown()]
    marked = [name for panel in panels for row in panel.wrong for name in row if name]
    svg = Path("one.svg").read_text()
    assert marked and svg.count("<title>belongs to ") == len(marked)
    assert all(svg.count(f"<title>belongs to {name}</title>") == marked.count(name) for name in marked)
    said = figure.description(stats.read(summary), Images(figure.runs()))
    assert all(panel.mistakes in said for panel in panels)
    assert all(f"{panel}: 0." in said for panel in ("k-means, no answer", "5 answers", "20 answers"))


@pytest.fixture
def two_ways(workspace, tiny_config) -> ways.Figure:
    content = tiny_config.model_dump()
    content["tasks"]["elsewhere"] = content["tasks"]["digits10-2"]
    content["figures"]["ways"] = {
        **{"kind": "ways", "title": "Two ways", "orientation": "personalized", "shown": 5, "clusters": 3},
        "ways": {"digits10-4": "kmeans", "elsewhere": "nearest", "digits10-2": "nearest"},
    }
    return Plan(config.validate(config.Config, content, "params.yaml")).figure("ways")


def test_each_way_is_a_task_of_the_study_with_all_its_answers(two_ways):
    runs = list(two_ways.runs())
    assert [(run.task, run.arm, run.budget, run.seed) for run in runs] == [
        ("digits10-4", "kmeans", 0, 0),
        ("digits10-2", "nearest", 30, 0),
    ]
    for run in runs:
        execute.train(run)
    stats.write(stats.collect(runs), Path("summary.csv"))
    drawn = two_ways.drawing(Path("summary.csv"))
    rows = list(csv.DictReader(drawn.numbers.splitlines()))
    titles = ("digits10-4, k-means, no answer", "digits10-2, nearest, 30 answers")
    assert [row["panel"] for row in rows] == [titles[0]] * 3 + [titles[1]] * 2
    for run, title in zip(runs, titles, strict=True):
        found = run.folder.read_assignments()["test"]
        target = orientations.read(run.targets["personalized"].path).test
        acc = f"{metrics.accuracy(target, found.cluster):.6f}"
        assert {row["acc"] for row in rows if row["panel"] == title} == {acc}
    drawing.write(drawn, Path("ways"))
    marked = sum(int(row["wrong"]) for row in rows)
    assert marked and Path("ways.svg").read_text().count("<title>belongs to ") == marked


def test_a_way_that_is_no_task_is_refused_and_a_study_without_any_has_no_such_figure(two_ways):
    content = two_ways.plan.config.model_dump()
    content["figures"]["ways"]["ways"] = {"elsewhere": "nearest"}
    assert Plan(config.validate(config.Config, content, "params.yaml")).figure("ways").empty
    content["figures"]["ways"]["ways"] = {"digits10-3": "nearest"}
    found = list(references.problems(config.validate(config.Config, content, "params.yaml")))
    assert any("figures.ways" in line and "digits10-3" in line for line in found)
