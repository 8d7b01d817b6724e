"""A support vector machine on placed images, and what it makes likely for others."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fitted(rows: NDArray[np.float32], which: NDArray[np.int64], c: float = 10.0) -> Any:
    """An RBF machine (γ = 1 / (D · variance)) for the rows [M, D] of two clusters or more.

    Source: Cortes and Vapnik 1995; scikit-learn's SVC.
    """
    from sklearn.svm import SVC

    # Many groups of few images are what a person may mean, and no regression. For good, since threads share filters.
    warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
    return SVC(C=c).fit(rows, which)


def probabilities(model: Any, rows: NDArray[np.float32], clusters: int) -> NDArray[np.float32]:
    """The soft maximum of the decision values [N, K]; clusters without a placed image have none."""
    from scipy.special import softmax

    found = np.zeros((len(rows), clusters), np.float32)
    value = model.decision_function(rows)
    value = np.stack([-value, value], axis=1) if value.ndim == 1 else value
    found[:, model.classes_] = softmax(value, axis=1)
    return found
