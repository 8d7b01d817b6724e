"""SCAN: its three stages, who an image's neighbours are, and what the last stage does where nothing is sure."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

SETTINGS = {
    "contrast_epochs": 2,
    "contrast_batch": 8,
    "contrast_optimizer": "adam",
    "contrast_lr": 1e-3,
    "features": 4,
    "neighbours": 3,
    "label_epochs": 2,
    "label_batch": 8,
}


@pytest.fixture
def scan(start):
    """SCAN on 20 images."""
    return lambda **settings: start("scan", **(SETTINGS | settings))


@pytest.mark.parametrize("clusters", [2, 3, 4, 10])
def test_each_stage_has_its_own_loss(scan, train, clusters):
    method, session = scan(clusters=clusters)
    terms = [(epoch.stage, set(epoch.losses)) for epoch in train(method, session).epochs]
    expected = {"contrast": {"contrast"}, "cluster": {"consistency", "balance"}, "label": {"labels"}}
    assert terms == [(stage, expected[stage]) for stage in ("contrast", "cluster", "label") for _ in range(2)]
    p = session.predict(method.probabilities)
    assert p.shape == (20, clusters) and torch.allclose(p.sum(1), torch.ones(20))


def test_it_may_end_with_the_clusters(scan):
    method, _ = scan(label_epochs=0)
    assert [stage.name for stage in method.stages()] == ["contrast", "cluster"]


def test_neighbours_are_the_nearest_in_the_space_of_the_contrast(scan, train, watch):
    method, session = scan()
    train(method, session, "contrast")
    z = F.normalize(session.predict(lambda n, x: n["instance"].layers(n["backbone"](x))), dim=1)
    similarity = (z @ z.T).numpy()
    shown = watch(method, "prepare", lambda batch, s: (batch.index, s.state["graph"]))
    train(method, session, "cluster")
    _, graph = shown[0]
    assert graph.shape == (20, 4) and all(i in row for i, row in enumerate(graph.tolist()))
    found = np.take_along_axis(similarity, graph.numpy(), axis=1)
    assert np.allclose(found, -np.sort(-similarity, axis=1)[:, :4], atol=1e-5)


def test_the_second_views_are_of_neighbours(scan, train, watch):
    method, session = scan()
    drawn = []
    view = type(session).view

    def seen(index, recipe, generator):
        drawn.append((index.tolist(), recipe))
        return view(session, index, recipe, generator)

    session.view = seen
    batches = watch(method, "forward", lambda _, batch: (batch.stage, batch.index, dict(session.state)))
    train(method, session, "cluster")
    assert {recipe for _, recipe in drawn} == {"strong"} and len(drawn) == 2 * len(batches)
    for number, (_, index, state) in enumerate(batches):
        own, others = drawn[2 * number][0], drawn[2 * number + 1][0]
        assert own == index.tolist()
        assert all(other in state["graph"][image] for image, other in zip(own, others, strict=True))


def test_a_step_in_which_nothing_is_sure_teaches_nothing(scan, train, weights, same):
    method, session = scan(threshold=1.0, weight_decay=0.0)
    train(method, session, "contrast", "cluster")
    before = weights(session.network)
    epochs = train(method, session, "label").epochs
    assert [epoch.losses for epoch in epochs] == [{"labels": 0.0}] * 2
    assert same(weights(session.network), before)
