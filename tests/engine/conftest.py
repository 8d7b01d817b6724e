"""A method of one linear layer, and sessions of a few images: the engine without a network's cost."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pcl.constraints import Constraints
from pcl.engine import loop
from pcl.engine.images import Images
from pcl.engine.known import Known
from pcl.engine.session import Session
from pcl.engine.stage import Augmentation, DeepSettings
from pcl.methods import base
from pcl.oracles.base import Question
from pcl.oracles.log import Answer

CPU = torch.device("cpu")


class Settings(DeepSettings):
    """Of the smallest method."""

    image_size: int = 4
    batch_size: int = 8
    epochs: int = 2
    lr: float = 1e-2
    augmentation: Augmentation = Augmentation(mean=(0.5,), std=(0.5,))


class Method(base.DeepMethod):
    """One linear layer whose rows are features and, by softmax, probabilities."""

    version = 1
    supervised = True
    Settings = Settings

    def stages(self):
        return [self.stage("train", self.settings.epochs, batches=self.batches(fixed=True))]

    def build(self, channels):
        return torch.nn.ModuleDict({"linear": torch.nn.Linear(channels * 16, 4), "norm": torch.nn.BatchNorm1d(4)})

    def forward(self, network, batch):
        rows = batch.views or [batch.images]
        logits = torch.cat([network["norm"](network["linear"](x.flatten(1))) for x in rows])
        return {"z": F.normalize(logits, dim=1), "p": torch.softmax(logits, 1)}

    def loss(self, outputs, batch, session):
        return {"spread": outputs["p"].square().mean(), "pull": 0.1 * outputs["z"][0].sum()}

    def probabilities(self, network, images):
        return torch.softmax(network["norm"](network["linear"](images.flatten(1))), 1)

    def embed(self, network, images):
        return images.flatten(1)


@pytest.fixture
def method():
    """The method with a budget of 12."""
    return Method(Settings(), 4, 12)


@pytest.fixture
def make_session(method):
    """A function that makes a session of n random images."""

    def make(n=20, budget=12, seed=0, closure="full", settings=None):
        g = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (n, 1, 4, 4), generator=g, dtype=torch.uint8)
        torch.manual_seed(0)
        network = method.build(1)
        shown = Images({"train": images, "test": images[:5]}, settings or method.settings, CPU)
        features = np.random.default_rng(0).random((n, 3), dtype=np.float32)
        known = Known(Constraints(n, closure=closure), budget)
        return Session(seed, shown, network, known, clusters=2, features=features)

    return make


class Driver:
    """Answers the questions of a training by a function of the pair, and keeps what it saw."""

    def __init__(self, training, session, answer):
        self.questions, self.epochs, self.spent_by_epoch, self.known_when_asked = [], [], [], []
        reply = None
        while True:
            try:
                event = training.send(reply)
            except StopIteration:
                return
            reply = None
            if isinstance(event, Question):
                self.questions.append((event.i, event.j))
                self.known_when_asked.append(session.known.constraints.relation(event.i, event.j))
                reply = answer(event.i, event.j)
            else:
                self.epochs.append(event)
                self.spent_by_epoch.append(session.known.spent)


@pytest.fixture
def drive(method):
    """A function that trains a session through stages and returns what its driver saw."""

    def train(session, stages, answer=lambda i, j: i % 2 == j % 2, method=method):
        return Driver(loop.train(method, session, stages, None), session, answer)

    return train


@pytest.fixture
def truth():
    """An answer by parity of the image's number."""
    return lambda i, j: i % 2 == j % 2


@pytest.fixture
def tell():
    """A function that records answers: pairs, and what is said of each."""

    def record(known, *answers):
        for i, j, same in answers:
            known.record(Answer(len(known.answers) + 1, i, j, same, 0, 0, "train", {}))

    return record


@pytest.fixture
def members():
    """A function of session and batch size: the batch of every image, -1 for one that is left out."""

    def batch_of(session, size):
        order, found = session.sampler.fixed_order(), np.full(session.size, -1)
        for start in range(0, session.size, size):
            piece = order[start : start + size]
            if len(piece) > 1:
                found[piece] = start // size
        return found

    return batch_of
