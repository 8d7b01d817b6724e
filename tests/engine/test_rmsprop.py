"""Our RMSProp against torch's, on gradients of all sizes."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.engine.rmsprop import RMSprop


@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.1]))
@settings(max_examples=20)
def test_steps_are_torch_s(seed, decay):
    """Zero and very small gradients among them; a weight without a gradient stays as it is."""
    g = torch.Generator().manual_seed(seed)
    ours, theirs = ([torch.nn.Parameter(torch.ones(4, 3)), torch.nn.Parameter(torch.ones(2))] for _ in range(2))
    optimizers = RMSprop(ours, lr=1e-2, weight_decay=decay), torch.optim.RMSprop(theirs, lr=1e-2, weight_decay=decay)
    for _ in range(4):
        size = 10 ** torch.empty(4, 3).uniform_(-12, 3, generator=g)
        gradient = size * torch.randint(-1, 2, (4, 3), generator=g)
        for weights, optimizer in zip((ours, theirs), optimizers, strict=True):
            weights[0].grad = gradient.clone()
            optimizer.step()
    assert torch.allclose(ours[0], theirs[0], rtol=1e-5)
    assert torch.equal(ours[1], torch.ones(2))


def test_its_state_can_be_saved_and_taken_up():
    def fresh():
        weight = torch.nn.Parameter(torch.ones(3))
        return weight, RMSprop([weight], lr=1e-2)

    def move(weight, optimizer, times):
        for number in range(times):
            weight.grad = torch.tensor([1.0, -2.0, 3.0]) + number
            optimizer.step()

    (whole, optimizer), (part, again) = fresh(), fresh()
    move(whole, optimizer, 1)
    part.data.copy_(whole)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    move(whole, optimizer, 1)
    move(part, again, 1)
    assert torch.equal(part, whole)
    with pytest.raises(AssertionError, match="once a step"):
        again.step(lambda: 0.0)
