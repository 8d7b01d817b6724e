"""Kernel ridge regression on placed images."""

import numpy as np
import pytest

from pcl import ridge


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(n, 3)).astype(np.float32) for name, n in (("train", 40), ("test", 9))}


def test_is_the_posterior_mean_of_a_gaussian_process(inputs):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    images, which = np.array([3, 1, 17, 30, 8]), np.array([0, 0, 1, 3, 1])
    found = ridge.probabilities(inputs, images, which, 4, 0.3)
    rows, wanted = inputs["train"][images].astype(np.float64), np.eye(4)[which]
    length = np.sqrt(rows.shape[1] * rows.var() / 2)
    process = GaussianProcessRegressor(RBF(length), alpha=0.3, optimizer=None).fit(rows, wanted - wanted.mean(0))
    for split, own in inputs.items():
        assert found[split] == pytest.approx(np.clip(process.predict(own) + wanted.mean(0), 0, 1), abs=1e-5)
        assert found[split].dtype == np.float32


def test_pieces_make_no_difference(inputs, monkeypatch):
    images, which = np.arange(6), np.arange(6) % 2
    whole = ridge.probabilities(inputs, images, which, 2, 0.1)
    monkeypatch.setattr(ridge, "ROWS", 7)
    for split, own in ridge.probabilities(inputs, images, which, 2, 0.1).items():
        assert own == pytest.approx(whole[split], abs=1e-6)


def test_one_image_and_one_cluster_say_what_there_is(inputs):
    found = ridge.probabilities(inputs, np.array([5]), np.array([1]), 2, 0.3)
    assert (found["test"] == [0, 1]).all()
