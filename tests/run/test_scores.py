"""Rows of a run's history: what they hold, and when a run is evaluated."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pcl.constraints import Constraints
from pcl.engine.events import Epoch
from pcl.engine.known import Known
from pcl.engine.trainable import Trainable
from pcl.run.scores import History

LABELS = {"fine": {"train": np.array([0, 0, 1, 1])}, "coarse": {"train": np.array([0, 1, 0, 1])}}


class Session(SimpleNamespace):
    """As much of a session as a history reads; the network finds "fine"."""

    def predict(self, function, split="train"):
        self.calls.append("predict")
        return torch.eye(2)[LABELS["fine"][split]]


class Method(Trainable):
    """Notes when it is evaluated."""

    build = forward = loss = probabilities = embed = None

    def start_evaluation(self, session):
        session.calls.append("start")


@pytest.fixture
def session():
    """Every second epoch is evaluated."""
    settings = SimpleNamespace(evaluate_every=2)
    known = Known(Constraints.fold(4, [(0, 1, True), (1, 2, False)]), 9, spent=2)
    return Session(calls=[], history=[], known=known, images=SimpleNamespace(settings=settings))


@pytest.mark.parametrize(
    ("number", "ended", "evaluated"), [(1, False, False), (2, False, True), (3, False, False), (3, True, True)]
)
def test_a_method_is_told_before_it_is_evaluated(session, number, ended, evaluated):
    History(Method(), session, LABELS).epoch_ended(Epoch("train", number, {"pull": 1 / 3}, ended))
    assert session.calls == (["start", "predict"] if evaluated else [])
    (row,) = session.history
    scores = {"fine_acc": 1, "fine_nmi": 1, "coarse_acc": 0.5, "coarse_nmi": 0} if evaluated else {}
    told = {"stage": "train", "epoch": number, "loss_pull": 0.333333, "asked": 2, "remaining": 7, "implied": 1}
    assert {name: pytest.approx(value) if name in scores else value for name, value in row.items()} == told | scores
