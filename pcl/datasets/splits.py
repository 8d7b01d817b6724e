"""Splits that are the same on every machine and with every release of NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frozen_permutation(n: int) -> NDArray[np.int64]:
    """A fixed random order of n items.

    It sorts the raw output of PCG64, which NumPy promises never to change; what its `Generator` methods draw
    may change between releases, and with it every number made from a split.
    """
    return np.argsort(np.random.PCG64(0).random_raw(n), kind="stable")


def stratified_split(labels: NDArray[np.int64], n_test: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of train and test, each in ascending order, the same at every call.

    Images are lined up class by class, at random within a class, and test takes n_test of them at equal
    distances: every class gives its share, to within one image.
    """
    n = len(labels)
    shuffled = frozen_permutation(n)
    lined_up = shuffled[np.argsort(labels[shuffled], kind="stable")]
    test = np.sort(lined_up[np.arange(n_test) * n // n_test])
    return np.setdiff1d(np.arange(n), test), test
