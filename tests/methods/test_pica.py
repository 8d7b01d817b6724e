"""PICA: whose pass it is, which views are compared, and what a step costs."""

import copy

import pytest
import torch

from pcl import losses


@pytest.fixture
def pica(start):
    """PICA on 20 images: batches of 8, 8 and 4, twice an epoch."""
    return lambda **settings: start("pica", **({"fine_clusters": 6, "lr": 1e-2, "epochs": 2} | settings))


def test_an_epoch_trains_the_fine_head_on_all_images_and_then_the_other(pica, train, watch):
    method, session = pica()
    steps = watch(method, "loss", lambda _, batch, __: batch.index.tolist())
    terms = watch(method, "loss", lambda found, *_: list(found), after=True)
    train(method, session)
    assert terms == [["fine"]] * 3 + [["cluster"]] * 3 + [["fine"]] * 3 + [["cluster"]] * 3
    for number in range(0, 12, 3):
        assert sorted(image for index in steps[number : number + 3] for image in index) == list(range(20))


@pytest.mark.parametrize("clusters", [2, 3, 4, 10])
@pytest.mark.parametrize("sobel", [True, False])
def test_the_loss_of_a_step(pica, train, watch, clusters, sobel):
    method, session = pica(clusters=clusters, copies=2, sobel=sobel, epochs=1)
    before = watch(method, "forward", lambda network, batch: (network, batch.views, batch.step))
    found = watch(method, "loss", lambda terms, *_: terms, after=True)
    train(method, session)
    for (network, (original, *changed), step), terms in zip(before, found, strict=True):
        network, name = copy.deepcopy(network).train(), "fine" if step < 3 else "cluster"
        assert len(changed) == 2
        with torch.no_grad():
            p = network[name](network["backbone"](original))
            q = network[name](network["backbone"](torch.cat(changed)))
            loss = losses.graph.assignment_contrast(torch.cat([p, p]), q, 2.0)
        assert terms[name].item() == pytest.approx(loss.item(), rel=1e-4)
    p = session.predict(method.probabilities)
    assert p.shape == (20, clusters) and torch.allclose(p.sum(1), torch.ones(20))


def test_heads_start_near_equal_probabilities(pica):
    method, session = pica(clusters=3)
    assert torch.allclose(session.predict(method.probabilities), torch.tensor(1 / 3), atol=0.05)
