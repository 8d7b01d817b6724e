"""A folder of pictures from the command line: what is said of it, and what becomes of results when it changes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pcl import config, datasets, orientations
from pcl.cli import main
from pcl.plan import Plans

PARAMS = """
study: own
datasets:
  photos: {reader: folder, path: photos, size: 8, classes: "{suit}-{rank}"}
tasks:
  photos-2:
    dataset: photos
    clusters: 2
    orientations:
      colour: {red: [heart, diamond], black: [club, spade]}
      mine: null
arms:
  kmeans: {method: kmeans, title: k-means}
  pcl: {method: pcl, title: PCL, settings: {initial_questions: 2}}
tables:
  colour: {title: By colour, orientation: colour, tasks: all, rows: {All: [kmeans, pcl]}}
figures: {}
studies:
  own:
    title: Own
    tasks: [photos-2]
    ablation: photos-2
    projection: photos-2
    seeds: [0]
    budgets: {photos-2: 5}
    curve: [5]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working folder with eight pictures."""
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "photos").mkdir()
    for suit in ("club", "diamond", "heart", "spade"):
        for rank in range(2):
            Image.new("RGB", (8, 8), (rank, 0, 0)).save(tmp_path / "photos" / f"{suit}-{rank}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pcl.datasets.fingerprint.CACHE", tmp_path / "results" / "cache")
    return tmp_path


def pcl(*words, fails=False):
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == (2 if fails else 0), done.output
    return done.output


def plan():
    return Plans(config.load()).selected


def test_from_the_folder_to_target_clusters(project):
    assert "data photos: 8 pictures in photos; prepared when a run needs them" in pcl("check")
    pcl("prepare", "photos")
    assert "data photos: prepared in results/data/photos/" in pcl("check")
    pcl("relabel", "photos-2", "colour")
    targets = orientations.read(plan().target("photos-2", "colour").path)
    files = datasets.load(plan().data("photos-2").path).train.files
    assert targets.clusters == ("red", "black")
    np.testing.assert_array_equal(targets.train, [name.startswith(("club", "spade")) for name in files])


def test_a_changed_folder_is_no_longer_prepared(project):
    pcl("prepare", "photos")
    (project / "photos" / "heart-0.png").unlink()
    assert "data photos: 7 pictures in photos; prepared when a run needs them" in pcl("check")


def test_a_job_refuses_pictures_that_changed_after_it_was_planned(project):
    key = plan().data("photos-2").key
    (project / "photos" / "heart-0.png").unlink()
    assert "pictures were edited after this job was planned" in pcl("prepare", "photos", "--key", key, fails=True)


def test_what_nobody_knows_cannot_be_relabelled_or_answered(project):
    assert "tasks.photos-2.orientations.mine: null" in pcl("relabel", "photos-2", "mine", fails=True)
    assert "arms.pcl.oracle: truth answers from target" in pcl("train", "photos-2", "mine", "pcl", fails=True)


def test_there_is_nothing_to_download(project):
    message = pcl("data", "photos", fails=True)
    assert message.startswith("error: photos: there is nothing that this command could download")


def test_prune_keeps_what_pictures_were_made_into_that_are_not_here_now(project):
    """Perhaps they are on a disk that is not plugged in."""
    for change in (lambda: None, lambda: (project / "photos" / "heart-0.png").unlink()):
        change()
        pcl("prepare", "photos")
        pcl("relabel", "photos-2", "colour")
    assert pcl("prune").count("results/") == 2, "what was made from the pictures as they were"
    shutil.move(project / "photos", project / "away")
    assert "no files found" in pcl("check")
    assert "results/" not in pcl("prune")


def test_a_table_of_an_orientation_that_no_task_has_is_an_error(project):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("orientation: colour,", "orientation: color,"))
    assert "tasks.photos-2: no orientation 'color'; did you mean 'colour'?" in pcl("check", fails=True)


def test_the_folder_lies_where_params_yaml_does(project, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    found = pcl("--params", str(project / "params.yaml"), "check")
    assert f"8 pictures in {project / 'photos'}" in found
    assert not Path("photos").exists()
