"""Randomness as an argument: every draw comes from a generator named by what it is for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose of a run, such as (seed, "augment", epoch, step).

    Naming the purpose keeps streams apart: a strategy that draws more does not shift the augmentation, and a
    resumed run needs no stored generator state.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, *purpose: str | int, device: str = "cpu") -> torch.Generator:
    """A torch generator for one purpose of a run."""
    import torch

    return torch.Generator(device).manual_seed(derive(seed, *purpose))


def numpy_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A numpy generator for one purpose of a run."""
    return np.random.default_rng(derive(seed, *purpose))


@contextmanager
def global_torch(seed: int, *purpose: str | int) -> Iterator[None]:
    """Seed torch's global generator for code that takes none (the initial weights of layers), then restore it."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, *purpose))
        yield
