"""Kernel ridge regression on placed images, and what it makes likely for others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS = 4096
"""Rows at once: the kernel is as large as these times the placed images."""


def probabilities(
    inputs: dict[str, NDArray[np.float32]],
    images: NDArray[np.int64],
    which: NDArray[np.int64],
    clusters: int,
    penalty: float,
) -> dict[str, NDArray[np.float32]]:
    """Regression of one-hot labels on a Gaussian kernel, cut to what may be a probability, of every split [N, K].

    It is the posterior mean of a Gaussian process about the share of each cluster (Rasmussen and Williams, 2006,
    eq. 2.25); scikit-learn's KernelRidge, with γ = 1 / (D · variance) as its support vector machines have.

    Args:
        inputs: features of every split [N, D].
        images: of "train", that are placed [M].
        which: the cluster of each [M].
        clusters: K.
        penalty: the variance of noise, added to the kernel's diagonal.
    """
    from sklearn.kernel_ridge import KernelRidge

    rows = inputs["train"][images].astype(np.float64)
    shares = np.bincount(which, minlength=clusters) / len(which)
    width = rows.shape[1] * rows.var()
    model = KernelRidge(alpha=penalty, kernel="rbf", gamma=1 / width if width > 0 else 1.0)
    model.fit(rows, np.eye(clusters)[which] - shares)

    def predicted(own: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [model.predict(own[at : at + ROWS]) for at in range(0, len(own), ROWS)]
        return np.clip(np.concatenate(parts) + shares, 0, 1).astype(np.float32)

    return {split: predicted(own) for split, own in inputs.items()}
