"""RMSProp, with the same bits on every processor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class RMSprop(torch.optim.Optimizer):
    """w ← w − lr·g/(√v + ε), v ← αv + (1 − α)g², g with the decay of the weights.

    Differs: torch's own takes √v from MKL on a CPU, whose last bit depends on the processor.

    Source: Tieleman & Hinton, Lecture 6.5, COURSERA 2012.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        alpha: float = 0.99,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay, "alpha": alpha, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        assert closure is None, "the loop computes gradients once a step"
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    _update(weight, self.state[weight], group)


def _update(weight: nn.Parameter, state: dict[str, Any], group: dict[str, Any]) -> None:
    assert weight.grad is not None
    gradient = weight.grad.add(weight, alpha=group["weight_decay"]) if group["weight_decay"] else weight.grad
    if not state:
        state["square"] = torch.zeros_like(weight)
    square = state["square"].mul_(group["alpha"]).addcmul_(gradient, gradient, value=1 - group["alpha"])
    weight.addcdiv_(gradient, square.rsqrt().reciprocal_().add_(group["epsilon"]), value=-group["lr"])
