"""FixMatch: who is labelled, what a step learns from, and what it shares with SPICE's last stage."""

import math

import numpy as np
import pytest
import torch

from pcl import neighbourhoods
from pcl.errors import UserError
from pcl.methods import consistency, spice
from pcl.methods.fixmatch import Method

SETTINGS = {"batch_size": 10, "labelled_batch": 3, "threshold": 0.5, "average": 0.6, "lr": 1e-2}


@pytest.fixture
def fixmatch(start):
    """FixMatch on 24 images of noise, which it asks about on features that tell even images from odd ones."""

    def make(budget=9, **settings):
        method, session = start("fixmatch", 24, 2, budget, **(SETTINGS | settings))
        rng = np.random.default_rng(0)
        session.features = rng.normal(size=(24, 3)).astype(np.float32)
        session.features[::2] += 4
        session.clusters = 2
        return method, session

    return make


@pytest.mark.parametrize("strategy", ["typical", "explore", "random"])
def test_asks_all_before_its_first_step_and_learns_from_every_placed_image(fixmatch, train, watch, strategy):
    method, session = fixmatch(strategy=strategy)
    spent = watch(method, "prepare", lambda *_: session.known.spent)
    labelled = watch(method, "loss", lambda out, batch, _: (out, batch.more["clusters"], len(batch.index)))
    train(method, session)
    assert spent == [9] * 6, "of 10, 10 and 4 images, twice"
    placed = neighbourhoods.of(session.known.closed, 2)
    assert session.state["reliable"].tolist() == placed.images.tolist()
    # Even images are one cluster and odd ones the other.
    side = {(int(image) % 2, int(which)) for image, which in zip(placed.images, placed.which, strict=True)}
    assert len(side) == placed.count == 2
    assert all(len(clusters) == len(out["labelled"]) == 3 for out, clusters, _ in labelled)


def test_a_step_learns_from_placed_images_and_from_its_own_sure_labels(fixmatch, train, watch):
    method, session = fixmatch()
    seen = watch(method, "loss", lambda out, batch, _: (out, batch.more["clusters"], len(batch.index)))
    terms = watch(method, "loss", lambda terms, *_: terms, after=True)
    train(method, session)
    sure = []
    for (out, clusters, size), found in zip(seen, terms, strict=True):
        placed = [-math.log(float(row.softmax(0)[k])) for row, k in zip(out["labelled"], clusters, strict=True)]
        assert found["reliable"].item() == pytest.approx(sum(placed) / 3, rel=1e-4)
        total = 0.0
        for weak, strong in zip(out["weak"].softmax(1), out["strong"].softmax(1), strict=True):
            sure.append(float(weak.max()) >= 0.5)
            total -= math.log(float(strong[weak.argmax()])) if sure[-1] else 0
        assert found["consistency"].item() == pytest.approx(total / size, rel=1e-4)
    assert any(sure)


def test_the_average_assigns(fixmatch, train, watch, weights):
    method, session = fixmatch()
    network = session.network
    started = weights(network["classifier"], buffers=True)
    steps = watch(method, "after_step", lambda *_: weights(network["classifier"], buffers=True))
    train(method, session)
    trained = set(weights(network["classifier"]))
    naive = started | {"ready": torch.tensor(True)}
    for step in steps:
        naive |= {name: 0.6 * naive[name] + 0.4 * value if name in trained else value for name, value in step.items()}
    for name, value in weights(network["average"], buffers=True).items():
        assert torch.allclose(value.float(), naive[name].float(), atol=1e-6), name
    images = session.images.unaugmented(np.arange(24))
    with torch.no_grad():
        expected = network.eval()["average"](images).softmax(1)
        features = network["average"]["backbone"](images)
    assert torch.allclose(session.predict(method.probabilities), expected, atol=1e-6)
    assert torch.allclose(session.predict(method.embed), features, atol=1e-6)


def test_learns_what_the_answers_say_and_not_the_images_own_split(fixmatch, train):
    """Even images are dark and odd ones bright: after a few epochs all are on the side of the placed ones."""
    method, session = fixmatch(epochs=30, lr=0.03, average=0.5)
    pixels = session.images.splits["train"]
    pixels[::2], pixels[1::2] = pixels[::2] // 3, 170 + pixels[1::2] // 3
    train(method, session)
    clusters = session.predict(method.probabilities).argmax(1)
    assert len(set(clusters[::2].tolist())) == len(set(clusters[1::2].tolist())) == 1
    assert clusters[0] != clusters[1]


def test_without_a_placed_image_there_is_nothing_to_learn(fixmatch, train):
    method, session = fixmatch(budget=0)
    with pytest.raises(UserError, match="no image has a known cluster"):
        train(method, session)


def test_trains_as_published_and_shares_the_stage_with_spice(told):
    (stage,) = Method(Method.Settings(), 2, 50).stages()
    rate = stage.optimiser
    assert (rate.name, rate.lr, rate.nesterov, rate.momentum, rate.weight_decay) == ("sgd", 0.03, True, 0.9, 5e-4)
    assert rate.schedule(500) == pytest.approx(math.cos(7 * math.pi / 16))
    assert (stage.batches.size, stage.batches.views, stage.questions.first) == (192, ("weak", "strong"), 50)
    assert stage.questions.by.name == "typical"
    assert issubclass(Method, consistency.Consistency) and issubclass(spice.Method, consistency.Consistency)
    scaled = Method.Settings(**Method.presets["paper"] | {"epochs": 3})
    assert scaled == Method.Settings(epochs=3), "the preset says the defaults again, over a study's scale"
