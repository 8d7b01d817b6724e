"""Handwritten digits of scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np

from pcl.datasets import base

TEST_IMAGES = 389


@final
class Dataset(base.Dataset):
    """Handwritten digits: 1,797 grey images of 8×8 (1,408 train, 389 test).

    Get:      nothing: scikit-learn brings them along (its `load_digits`)
    Put:      nowhere
    Checks:   the split is fixed and stratified; the manifest holds the sha256 of every array
    Licence:  CC BY 4.0 (UCI Machine Learning Repository)
    Source:   Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998 (its test set)
    """

    classes = tuple("0123456789")
    channels = 1
    version = 1

    def read(self, raw: Path, settings: Any, progress: base.Progress) -> base.Arrays:
        """Both splits; the values 0 … 16 are stretched to 0 … 255."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images[:, None] * (255 / 16)).astype(np.uint8)
        labels = digits.target.astype(np.int64)
        train, test = stratified_split(labels, TEST_IMAGES)
        return {"train": (images[train], labels[train]), "test": (images[test], labels[test])}


def stratified_split(labels: np.ndarray, n_test: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of train and test, each in ascending order, the same at every call.

    Images are lined up class by class, at random within a class, and test takes n_test of them at equal
    distances: every class gives its share, to within one image.
    """
    n = len(labels)
    shuffled = base.frozen_permutation(n)
    lined_up = shuffled[np.argsort(labels[shuffled], kind="stable")]
    test = np.sort(lined_up[np.arange(n_test) * n // n_test])
    return np.setdiff1d(np.arange(n), test), test
