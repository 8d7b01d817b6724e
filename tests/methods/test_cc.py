"""CC: both contrasts and the balance counted out by loops, each at its own temperature, and the views they see."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.methods.cc import Method

DISTINCT = {"temperature": 0.3, "column_temperature": 1.7, "entropy_weight": 0.6}  # no two alike, none a default


def contrast(rows, temperature):
    """The mean over rows of −log softmax(s_ik/τ) at the row's other view, the row itself left out."""
    size = len(rows)
    logits = [[float(torch.cosine_similarity(a, b, dim=0)) / temperature for b in rows] for a in rows]
    total = 0.0
    for i in range(size):
        others = sum(math.exp(logits[i][k]) for k in range(size) if k != i)
        total += math.log(others) - logits[i][(i + size // 2) % size]
    return total / size


def balance(p):
    """log K − H of the mean assignment of some rows."""
    mean = p.mean(0).tolist()
    return math.log(len(mean)) + sum(x * math.log(x) for x in mean)


def expected(z, p):
    """Every term of the loss by name."""
    first, second = p.chunk(2)
    return {
        "instance": contrast(z, DISTINCT["temperature"]),
        "cluster": contrast(torch.cat([first.T, second.T]), DISTINCT["column_temperature"]),
        "balance": DISTINCT["entropy_weight"] * (balance(first) + balance(second)),
    }


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), clusters=st.integers(2, 4))
def test_the_loss_is_that_of_its_equations(seed, clusters):
    g = torch.Generator().manual_seed(seed)
    z = 3 * torch.randn(10, 6, generator=g, dtype=torch.float64)
    p = torch.softmax(2 * torch.randn(10, clusters, generator=g, dtype=torch.float64), 1)
    terms = Method(Method.Settings(**DISTINCT), clusters, 0).loss({"z": z, "p": p}, None, None)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected(z, p), rel=1e-5)


def test_its_settings_are_the_paper_s():
    s = Method.Settings()
    assert (s.features, s.temperature, s.column_temperature, s.entropy_weight) == (128, 0.5, 1.0, 1.0)


def test_there_is_one_stage_on_two_views_of_shuffled_batches(told):
    how = {"lr": 0.03, "weight_decay": 0.2, "clip": 4.0, "momentum": 0.6}
    (stage,) = Method(Method.Settings(epochs=8, batch_size=9, optimizer="sgd", **how), 2, 0).stages()
    optimiser = how | {"name": "sgd"}
    assert told(stage) == {"name": "train", "epochs": 8, "batches": {"size": 9}, "optimiser": optimiser}
    assert stage.batches.views == ("standard", "standard") and not stage.batches.fixed


def test_each_view_passes_by_itself_and_the_first_comes_first(start, train, watch):
    method, session = start("cc", features=6, clusters=3, **DISTINCT)
    passed = watch(method, "forward", lambda network, batch: (network, batch.views))
    outputs = watch(method, "loss", lambda outputs, *_: outputs)
    values = watch(method, "loss", lambda terms, *_: terms, after=True)
    train(method, session)
    assert len(passed) == 6
    for (network, views), out, terms in zip(passed, outputs, values, strict=True):
        with torch.no_grad():
            h = torch.cat([network.train()["backbone"](view) for view in views])
            z, p = (network[part].layers(h) for part in ("instance", "cluster"))
        assert out["z"].shape == (2 * len(views[0]), 6)
        assert torch.allclose(out["z"], z / z.norm(dim=1, keepdim=True), atol=1e-5)
        assert torch.allclose(out["p"], p.softmax(1), atol=1e-5)
        found = {name: value.item() for name, value in terms.items()}
        assert found == pytest.approx(expected(out["z"], out["p"]), rel=1e-3, abs=1e-5)


def test_an_image_as_it_is_has_the_backbone_s_features_and_the_cluster_head_s_answer(start):
    method, session = start("cc", features=6, clusters=3)
    network, images = session.network.eval(), session.images.unaugmented(np.arange(8))
    with torch.no_grad():
        h = network["backbone"](images)
        assert torch.equal(method.embed(network, images), h)
        answer = network["cluster"].layers(h).softmax(1)
        assert torch.allclose(method.probabilities(network, images), answer, atol=1e-6)
