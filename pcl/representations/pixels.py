"""The pixels themselves, or their principal components."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pcl.representations import base


class PixelSettings(base.Settings):
    """Settings of pixels."""

    kind: Literal["pixels"]


class Representation(base.Representation):
    """Pixels in [0, 1], or the principal components of them.

    Source: Pearson 1901 for the components; scikit-learn's PCA.
    """

    version = 1
    Settings = PixelSettings
    settings: PixelSettings

    def features(self, source: base.Source) -> base.Rows:
        """One row per image."""
        flat = {name: images.reshape(len(images), -1) for name, images in source.images.items()}
        return {name: np.divide(values, 255, dtype=np.float32) for name, values in flat.items()}
