"""Methods on a few images of 8×8 pixels: real networks, as small as they come, and a way to look inside a step."""

import copy
from dataclasses import fields
from itertools import permutations

import numpy as np
import pytest
import torch

from pcl import registry
from pcl import seed as seeds
from pcl.engine import loop
from pcl.engine.images import Images
from pcl.engine.known import Known
from pcl.engine.session import Session
from pcl.oracles.base import Question
from pcl.run import execute

CPU = torch.device("cpu")
SMALL = {
    "image_size": 8,
    "backbone": {"depth": 10, "width": 2, "stem": "small"},
    "augmentation": {"crop_area": [0.5, 1.0], "flip": 0.0, "mean": [0.5], "std": [0.5]},
    "batch_size": 8,
    "epochs": 2,
}
STILL = {  # every random view of the standard recipe is the image as it is
    "crop_area": [1.0, 1.0],
    "crop_ratio": [1.0, 1.0],
    "flip": 0.0,
    "jitter": [0.0, 0.0, 0.0, 0.0],
    "grey_probability": 0.0,
    "mean": [0.5],
    "std": [0.5],
}


@pytest.fixture
def still():
    """An augmentation that changes nothing."""
    return STILL


@pytest.fixture
def start():
    """A function of a method's name and settings: the method, and a session on n images of noise."""

    def make(name, n=20, clusters=2, budget=0, seed=0, **settings):
        cls = registry.get("pcl.methods", "Method", name)
        method = cls(cls.Settings(**(SMALL | settings)), clusters, budget)
        g = torch.Generator().manual_seed(1)
        images = torch.randint(0, 256, (n, 1, 8, 8), generator=g, dtype=torch.uint8)
        with seeds.global_torch(seed, "weights"):
            network = method.build(1)
        splits = Images({"train": images, "test": images[: n // 2]}, method.settings, CPU)
        known = Known(method.constraints(n), budget)
        features = np.random.default_rng(1).random((n, 3), dtype=np.float32)
        return method, Session(seed, splits, network, known, clusters=clusters, features=features)

    return make


class Seen:
    """What the driver of a training saw: questions with what stood in the session then, and ends of epochs."""

    def __init__(self):
        self.questions, self.epochs = [], []


@pytest.fixture
def train():
    """A function that trains through all stages, or those named, and returns what its driver saw.

    Images with even numbers are one cluster and the others another. `asked` is called with every question and the
    session, `ended` with every end of an epoch.
    """

    def run(method, session, *stages, asked=None, ended=None):
        chosen = [stage for stage in method.stages() if not stages or stage.name in stages]
        training, seen, reply = loop.train(method, session, chosen, None), Seen(), None
        while True:
            try:
                event = training.send(reply)
            except StopIteration:
                return seen
            reply = None
            if isinstance(event, Question):
                seen.questions.append((event.i, event.j))
                if asked:
                    asked(event, session)
                reply = event.i % 2 == event.j % 2
            else:
                seen.epochs.append(event)
                if ended:
                    ended(event)

    return run


def copied(value):
    """A copy that later steps do not change: of tensors, networks, and what holds them."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied(item) for item in value)
    return value


@pytest.fixture
def watch():
    """A function that collects what `take` makes of every call of one of a method's functions, given its arguments.

    With `after`, once the function has run, and given its result first.
    """

    def install(method, name, take, *, after=False):
        inner, taken = getattr(method, name), []

        def watched(*arguments):
            if not after:
                taken.append(copied(take(*arguments)))
            result = inner(*arguments)
            if after:
                taken.append(copied(take(result, *arguments)))
            return result

        setattr(method, name, watched)
        return taken

    return install


@pytest.fixture
def weights():
    """A function that copies a module's weights, or with `buffers` all that it keeps."""

    return lambda module, buffers=False: copied(module.state_dict() if buffers else dict(module.named_parameters()))


@pytest.fixture
def same():
    """A function: whether two such copies are equal bit for bit."""
    return lambda a, b: a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def told():
    """A function of a stage: what it says beyond the defaults of every stage, group by group."""

    def said(part):
        values = {f.name: getattr(part, f.name) for f in fields(part) if getattr(part, f.name) != f.default}
        return {k: said(v) if k in ("batches", "optimiser", "questions") else v for k, v in values.items()}

    return said


@pytest.fixture
def clustering(watch):
    """A function that notes, as training goes on, who is in each batch of every epoch of the stage "cluster".

    It returns these orders, and a list that the network joins as it was before the stage's first step.
    """

    def follow(method, session, epochs):
        orders, started = [[] for _ in range(epochs)], []

        def note(_, batch):
            if batch.stage == "cluster":
                orders[batch.epoch].append(batch.index.tolist())
                if not started:
                    started.append(copy.deepcopy(session.network))

        watch(method, "forward", note)
        return orders, started

    return follow


@pytest.fixture(scope="session")
def best_match():
    """A function of clusters and targets: the accuracy under the best of all ways to name the clusters."""

    def accuracy(clusters, targets):
        names = permutations(range(max(*clusters, *targets) + 1))
        return max(float(np.mean(np.array(name)[clusters] == targets)) for name in names)

    return accuracy


@pytest.fixture
def pretrained():
    """Trains what a run starts from, and has it trained anew the next time; the bytes of the weights."""

    def bytes_of(run):
        folder = execute.pretrain(run)
        (folder / "spec.json").unlink()
        return (folder / "model.safetensors").read_bytes()

    return bytes_of
