"""OCC's loss against a loop written from Eq. 3 and 4, and what follows from it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcl.losses import active, constrained, contrastive


def rows(seed, images=4, features=3):
    return torch.randn(2 * images, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def links(seed, images=4, weight=2.0):
    drawn = torch.rand(images, images, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    upper = (drawn < 0.4).double().triu(1) * weight
    return upper + upper.T


def by_loops(x, extra, temperature):
    """Eq. 3 and 4 as printed, a and b the two views."""
    n, total = len(extra), 0.0
    unit = [row / math.sqrt(float(row @ row)) for row in x]

    def s(i, j):
        return math.exp(float(unit[i] @ unit[j]) / temperature)

    for own, other in ((0, n), (n, 0)):
        for i in range(n):
            both = [s(own + i, own + j) + s(own + i, other + j) for j in range(n)]
            above = s(own + i, other + i) + sum(float(extra[i, j]) * both[j] for j in range(n))
            below = sum(float(extra[i, j]) + 1 for j in range(n)) * sum(both)
            total -= math.log(above / below)
    return total / (2 * n)


@given(st.integers(0, 999), st.floats(0.2, 2), st.floats(0, 60))
def test_equations_3_and_4(seed, temperature, weight):
    x, extra = rows(seed), links(seed + 1, weight=weight)
    found = active.active_contrast(x, extra, temperature).item()
    assert found == pytest.approx(by_loops(x, extra, temperature), rel=1e-9)


def test_without_answers_it_is_nt_xent_but_for_log_b_and_the_row_itself():
    x, none = rows(3), torch.zeros(4, 4, dtype=torch.float64)
    unit = torch.nn.functional.normalize(x, dim=1)
    logits = unit @ unit.T / 0.5
    denominator = logits.logsumexp(1)
    without = logits.clone().fill_diagonal_(-math.inf).logsumexp(1)
    expected = contrastive.nt_xent(x, 0.5) + (denominator - without).mean() + math.log(4)
    assert active.active_contrast(x, none, 0.5).item() == pytest.approx(expected.item(), rel=1e-9)


def test_columns_are_those_of_pcl_and_log_k():
    p = rows(5, features=3).softmax(1)
    expected = constrained.column_loss(p, 0.7) + math.log(3)
    assert active.column_contrast(p, 0.7).item() == pytest.approx(expected.item(), rel=1e-9)


def test_a_must_link_pulls_two_images_together_and_a_cannot_link_does_nothing():
    x, none = rows(7).requires_grad_(), torch.zeros(4, 4, dtype=torch.bool)
    must = none.clone()
    must[0, 1] = must[1, 0] = True
    extra = active.extra_positives(must, 50.0, 0.0).double()
    assert extra[0, 1] == 50 and extra.sum() == 100
    (gradient,) = torch.autograd.grad(active.active_contrast(x, extra, 0.5), x)
    nearer = (x - 0.01 * gradient).detach()
    s = [constrained.cosine(y)[0, 1].item() for y in (x.detach(), nearer)]
    assert s[1] > s[0]


@pytest.mark.parametrize(("passed", "weight"), [(0.0, 50), (0.5, 25), (0.75, 12.5)])
def test_the_weight_falls_along_a_line(passed, weight):
    """0.05 · (1000 − e) after e = 0, 500 and 750 of 1,000 epochs."""
    assert active.extra_positives(torch.ones(1, 1).bool(), 50.0, passed).item() == weight


def test_all_rows_alike_is_finite():
    for extra in (torch.zeros(3, 3), torch.full((3, 3), 50.0).fill_diagonal_(0)):
        x = torch.ones(6, 2, requires_grad=True)
        active.active_contrast(x, extra, 0.5).backward()
        assert x.grad.isfinite().all()
