"""Copies of a network that follow it slowly (moving averages of its weights)."""

from __future__ import annotations

import copy

import torch
from torch import nn

VERSION = 1


def slow_copy(module: nn.Module) -> nn.Module:
    """An equal copy that gets no gradient."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float, *, buffers: bool = False) -> None:
    """Move the copy's weights towards the module's: w ← m·w + (1 − m)·w_fast; buffers, if wanted, are taken over.

    Source: He et al., CVPR 2020 (MoCo), Eq. 2.
    """
    for mine, its in zip(slow.parameters(), fast.parameters(), strict=True):
        mine.lerp_(its, 1 - momentum)
    if buffers:
        for old, new in zip(slow.buffers(), fast.buffers(), strict=True):
            old.copy_(new)
