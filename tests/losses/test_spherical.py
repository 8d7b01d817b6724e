"""Angles of 0°, 45°, 90° and more, by hand; and lengths, which do not matter."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.losses import pairs, spherical


def at(degrees, length=1.0):
    """Two embeddings [2, 2] with an angle between them."""
    angle = math.radians(degrees)
    rows = [[1.0, 0.0], [length * math.cos(angle), length * math.sin(angle)]]
    return torch.tensor(rows, dtype=torch.float64)


def cost(degrees, same, **words):
    return float(spherical.pair_loss(at(degrees, **words), torch.tensor([same])))


@pytest.mark.parametrize(
    ("degrees", "must", "cannot"),
    [
        (0, 0, -math.log(spherical.TINY)),
        (45, -math.log((1 + math.sqrt(0.5)) / 2), math.log(2)),
        (60, -math.log(0.75), -math.log(0.75)),
        (90, math.log(2), 0),
        (120, -math.log(0.25), 0),
        (180, -math.log(spherical.TINY), 0),
    ],
)
def test_what_an_angle_costs(degrees, must, cannot):
    assert cost(degrees, True) == pytest.approx(must, abs=1e-6)
    assert cost(degrees, False) == pytest.approx(cannot, abs=1e-6)


@settings(deadline=None)
@given(st.floats(0, 180))
def test_both_shares_are_those_of_the_formula(degrees):
    """s⁻ is a half of 1 + cos 2θ, although no angle is computed."""
    theta = math.radians(degrees)
    cosine = torch.tensor(math.cos(theta), dtype=torch.float64)
    assert float(spherical.alike(cosine)) == pytest.approx((1 + math.cos(theta)) / 2)
    expected = (1 + math.cos(2 * theta)) / 2 if theta <= math.pi / 2 else 0
    assert float(spherical.overlap(cosine)) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(st.floats(1, 179), st.floats(0.1, 100), st.booleans())
def test_lengths_do_not_matter(degrees, length, same):
    assert cost(degrees, same, length=length) == pytest.approx(cost(degrees, same), abs=1e-9)


def test_all_pairs_count_alike_and_none_cost_nothing():
    a, b, c = at(45), at(90), at(60)
    z = torch.stack([a[0], b[0], c[0], a[1], b[1], c[1]])
    value = float(spherical.pair_loss(z, torch.tensor([False, True, True])))
    assert value == pytest.approx((math.log(2) + math.log(2) - math.log(0.75)) / 3)
    assert float(spherical.pair_loss(z[:0], torch.ones(0, dtype=torch.bool))) == 0


def test_beyond_a_right_angle_a_cannot_link_pushes_nowhere():
    for degrees, still in ((89, False), (91, True)):
        z = at(degrees).requires_grad_()
        spherical.pair_loss(z, torch.tensor([False])).backward()
        assert bool((z.grad == 0).all()) is still


def test_one_cross_entropy_of_both_kinds_on_probabilities():
    q = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(3), 8))
    same = torch.tensor([True, False, True, True])
    a, b = q.chunk(2)
    by_hand = [-math.log(p) if s else -math.log(1 - p) for p, s in zip((a * b).sum(1).tolist(), same, strict=True)]
    assert float(pairs.pair_loss(q, same)) == pytest.approx(sum(by_hand) / 4)
    must, cannot = (torch.cat([a[which], b[which]]) for which in (same, ~same))
    parts = 3 * float(pairs.must_link_loss(must)) + float(pairs.cannot_link_loss(cannot))
    assert float(pairs.pair_loss(q, same)) == pytest.approx(parts / 4)
