"""Small things that many tests need. Nothing here touches the network or the project's own results."""

from pcl import numerics

numerics.spare_narrow_networks()  # which many tests train

import shutil  # noqa: E402
from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402

from pcl import config, datasets, orientations, registry  # noqa: E402
from pcl.methods.base import FrozenMethod, Learner  # noqa: E402
from pcl.options import use_threads  # noqa: E402
from pcl.plan import Plan  # noqa: E402
from pcl.run import execute  # noqa: E402

hypothesis.settings.register_profile("unhurried", deadline=None)  # others may use the same processor
hypothesis.settings.load_profile("unhurried")
use_threads(1)  # of torch and numba in the tests' own process, as in that of a run

METHODS = {name: registry.get("pcl.methods", "Method", name) for name in registry.names("pcl.methods", "Method")}


def arms():
    """An arm for every method of the registry: what must be given to one that has no network is given to it."""
    unsupervised, asking = (
        next(name for name, cls in METHODS.items() if cls.supervised is asks and not issubclass(cls, FrozenMethod))
        for asks in (False, True)
    )
    found = {name: {"method": name, "title": name} for name in METHODS}
    for name, cls in METHODS.items():
        if cls.reads == "clusters":
            found[name] |= {"source": unsupervised}
        if issubclass(cls, Learner):
            found[name] |= {"settings": {"strategy": "explore"}}
        elif issubclass(cls, FrozenMethod) and cls.supervised:
            found[name] |= {"answers": asking}
    return found


@pytest.fixture(autouse=True, scope="session")
def nothing_remembered(tmp_path_factory):
    """What is remembered of folders of pictures stays out of the project's own results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pcl.datasets.fingerprint.CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="session")
def tiny_config():
    """The config of the tests: one study of the smallest scale, with an arm for every method."""
    content = config.read_yaml(Path(__file__).with_name("params.tiny.yaml"))
    content["arms"] = arms() | content["arms"]
    return config.validate(config.Config, content, "params.yaml")


@pytest.fixture
def plan(tiny_config):
    """The tiny study's plan."""
    return Plan(tiny_config)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, tiny_config):
    """A folder with digits, their pixels as features and all target clusters in it."""
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
        execute.represent(plan.features("digits10-2", "pixels", 0))
    return folder


@pytest.fixture(scope="session")
def empty(tmp_path_factory, prepared):
    """A function of a name: a new working folder in which there are data and target clusters, and nothing else."""

    def make(name):
        folder = tmp_path_factory.mktemp(name)
        (folder / "results").mkdir()
        for part in ("data", "tasks"):
            (folder / "results" / part).symlink_to(prepared / "results" / part)
        shutil.copytree(prepared / "results/features", folder / "results/features")
        return folder

    return make


@pytest.fixture
def workspace(empty, monkeypatch):
    """An empty working folder in which data and target clusters are there already."""
    folder = empty("workspace")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def settings_of_torch():
    """What choosing a device sets for the whole process is restored."""
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(before[0])
    torch.backends.cudnn.benchmark = before[1]
