"""CODAC's losses, by loops over images and groups."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.losses import medoids


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), images=st.integers(1, 6), groups=st.integers(2, 5))
def test_every_term_is_the_mean_of_its_excess(seed, images, groups):
    g = torch.Generator().manual_seed(seed)
    squares = 3 * torch.rand(images, groups, generator=g, dtype=torch.float64)
    kind = torch.randint(3, (images, groups), generator=g)  # must, cannot, nothing known
    found = medoids.medoid_losses(squares, kind == 0, kind == 1, 0.4, 1.5, 7, 10.0)
    terms = {"must": [], "cannot": [], "other": []}
    for row, says in zip(squares.tolist(), kind.tolist(), strict=True):
        left = [math.exp(-10 * d) for d, k in zip(row, says, strict=True) if k != 1]
        for d, k in zip(row, says, strict=True):
            if k == 0:
                terms["must"].append(max(d - 0.4, 0))
            if k == 1:
                terms["cannot"].append(max(1.5 - d, 0))
                if left:
                    terms["other"].append(max(-math.log(sum(left) / len(left)) / 10 - d, 0))
    for name, excess in terms.items():
        assert found[name].item() == pytest.approx(sum(excess) / max(len(excess), 1) / 7, abs=1e-9), name


def test_the_soft_minimum_lies_between_the_least_value_and_the_mean():
    values = torch.tensor([[1.0, 2.0, 6.0], [4.0, 4.0, 4.0], [0.0, 1.0, 2.0]])
    among = torch.tensor([[True, True, True], [True, False, True], [False, False, False]])
    found = medoids.softmin(values, among, 5.0)
    assert 1 < found[0] < 3 and found[1].item() == pytest.approx(4) and found[2] == math.inf
    assert medoids.softmin(values[:1], among[:1], 1e3).item() == pytest.approx(1, abs=2e-3)
    assert medoids.softmin(values[:1], among[:1], 1e-3).item() == pytest.approx(3, abs=1e-2)


def test_met_constraints_cost_nothing_and_move_nothing():
    squares = torch.tensor([[0.1, 9.0], [8.0, 0.2]], requires_grad=True)
    own = torch.eye(2, dtype=torch.bool)
    loss = sum(medoids.medoid_losses(squares, own, ~own, 0.4, 4.0, 2).values())
    loss.backward()
    assert loss == 0 and (squares.grad == 0).all()
