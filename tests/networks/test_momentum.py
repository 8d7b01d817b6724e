"""Copies that follow a network slowly, against the formula worked out weight by weight."""

import pytest
import torch
from torch import nn

from pcl.networks import momentum


def network(seed):
    torch.manual_seed(seed)
    found = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    found(torch.randn(8, 3, generator=torch.Generator().manual_seed(seed)))
    return found


def values(module):
    return [value.detach().clone() for value in module.parameters()]


def test_a_copy_is_equal_gets_no_gradient_and_stands_on_its_own():
    fast = network(0)
    slow = momentum.slow_copy(fast)
    assert all(torch.equal(a, b) for a, b in zip(slow.state_dict().values(), fast.state_dict().values(), strict=True))
    assert not any(weight.requires_grad for weight in slow.parameters())
    assert all(weight.requires_grad for weight in fast.parameters())
    with torch.no_grad():
        fast[0].weight.add_(1)
    assert not torch.equal(slow[0].weight, fast[0].weight)


@pytest.mark.parametrize("m", [0.0, 0.25, 0.9, 1.0])
def test_weights_move_by_the_formula(m):
    slow, fast = momentum.slow_copy(network(0)), network(1)
    before = values(slow)
    momentum.follow(slow, fast, m)
    for old, new, its in zip(before, slow.parameters(), fast.parameters(), strict=True):
        assert torch.allclose(new, m * old + (1 - m) * its, atol=1e-7)


def test_after_many_steps_the_distance_is_a_power_of_the_momentum():
    slow, fast = momentum.slow_copy(network(0)), network(1)
    before = values(slow)
    for _ in range(5):
        momentum.follow(slow, fast, 0.7)
    for old, new, its in zip(before, slow.parameters(), fast.parameters(), strict=True):
        assert torch.allclose(new - its, 0.7**5 * (old - its), atol=1e-6)


@pytest.mark.parametrize("wanted", [True, False])
def test_batch_statistics_are_taken_over_or_left_alone(wanted):
    slow, fast = momentum.slow_copy(network(0)), network(1)
    mean = slow[1].running_mean.clone()
    momentum.follow(slow, fast, 0.7, buffers=wanted)
    assert torch.equal(slow[1].running_mean, fast[1].running_mean if wanted else mean)
    assert not torch.equal(mean, fast[1].running_mean)


def test_the_fast_one_is_left_alone():
    slow, fast = momentum.slow_copy(network(0)), network(1)
    before = values(fast)
    momentum.follow(slow, fast, 0.5, buffers=True)
    assert all(map(torch.equal, before, fast.parameters()))
