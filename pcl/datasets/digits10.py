"""Handwritten digits of scikit-learn."""

from __future__ import annotations

from typing import final

import numpy as np

from pcl.datasets import base
from pcl.datasets.splits import stratified_split

IMAGES, TEST_IMAGES = 1797, 389


@final
class Dataset(base.Dataset):
    """Handwritten digits: 1,797 grey images of 8×8 (1,408 train, 389 test).

    Get:      nothing: scikit-learn brings them along (its `load_digits`)
    Put:      nowhere
    Checks:   the split is fixed and stratified; the manifest holds the sha256 of every array
    Licence:  CC BY 4.0 (UCI Machine Learning Repository)
    Source:   Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998 (its test set)
    """

    class_names = tuple("0123456789")
    channels = 1
    version = 1

    def state(self) -> str:
        """They are part of scikit-learn."""
        return "comes with the installation"

    def training_images(self) -> int:
        """All but those for testing."""
        return IMAGES - TEST_IMAGES

    def read(self, progress: base.Progress) -> base.Arrays:
        """Both splits; the values 0 … 16 are stretched to 0 … 255."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images[:, None] * (255 / 16)).astype(np.uint8)
        labels = digits.target.astype(np.int64)
        train, test = stratified_split(labels, TEST_IMAGES)
        splits = {"train": train, "test": test}
        return {split: base.Split(images[members], labels[members]) for split, members in splits.items()}
