"""Small things that many tests need. Nothing here touches the network or the project's own results."""

from pathlib import Path

import pytest

from pcl import config, datasets, orientations
from pcl.plan import Plan

ROOT = Path(__file__).parent.parent

TINY = {
    "image_size": 8,
    "backbone": {"depth": 10, "width": 4, "stem": "small"},
    "augmentation": {"crop_area": [0.5, 1.0], "flip": 0.0, "mean": [0.3], "std": [0.35]},
    "batch_size": 64,
    "lr": 1e-3,
    "epochs": 2,
    "evaluate_every": 1,
    "autoencoder": {"epochs": 1},
}


@pytest.fixture(autouse=True, scope="session")
def nothing_remembered(tmp_path_factory):
    """What is remembered of folders of pictures stays out of the project's own results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pcl.datasets.fingerprint.CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="session")
def tiny_config():
    """params.yaml with one study of the smallest scale, "tiny"."""
    content = config.read_yaml(ROOT / "params.yaml")
    content["study"] = "tiny"
    content["studies"]["tiny"] = {
        "title": "The smallest scale",
        "tasks": ["digits10-2", "digits10-4"],
        "ablation": "digits10-2",
        "projection": "digits10-2",
        "seeds": [0, 1],
        "budgets": {"digits10-2": 30, "digits10-4": 30},
        "curve": [20, 30],
        "device": "cpu",
        "training": TINY,
        "methods": {
            "pcl": {"initial_questions": 8, "warmup_epochs": 1},
            "dcc": {"tolerance": 0.0},
            "mice": {"queue": 200, "warmup": 1, "milestones": [2]},
            "gcc": {"optimizer": "adam", "graph_from": 1, "graph_every": 1},
            "spice": {"moco_epochs": 1, "moco_queue": 200, "relabel_every": 1, "neighbours": 5, "semi_epochs": 1},
            "adc": {"rounds": 2, "pair_epochs": 1, "epochs": 1},
        },
    }
    return config.validate(config.Config, content, "params.yaml")


@pytest.fixture
def plan(tiny_config):
    """The tiny study's plan."""
    return Plan(tiny_config)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, tiny_config):
    """A folder with digits and all target clusters in it."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plan = Plan(tiny_config)
        data = plan.data("digits10-2")
        datasets.prepare(data.dataset, data.path)
        for task in plan.study.tasks:
            for name in ("default", "personalized"):
                target = plan.target(task, name)
                orientations.write(target.map, datasets.load(target.data.path), target.path)
    return folder


@pytest.fixture
def workspace(tmp_path, prepared, monkeypatch):
    """An empty working folder in which data and target clusters are there already."""
    (tmp_path / "results").mkdir()
    for name in ("data", "tasks"):
        (tmp_path / "results" / name).symlink_to(prepared / "results" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
