"""How well clusters agree with target clusters. Names of clusters never matter, and a cluster may be empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn import metrics as sk
from sklearn.metrics.cluster import contingency_matrix, pair_confusion_matrix


def scores(target: ArrayLike, cluster: ArrayLike) -> dict[str, float]:
    """NMI, ARI, F, pairwise F1 and ACC of clusters against target clusters, all [N], rounded to six digits.

    `f` is the Fowlkes–Mallows index, which is what the PCL and CC releases print as F; `pairwise_f1` is the F1 score
    of "same cluster" over all pairs. NMI is normalised by the arithmetic mean of the entropies.
    """
    target, cluster = np.asarray(target), np.asarray(cluster)
    (_, false), (missed, true) = pair_confusion_matrix(target, cluster).tolist()
    values = {
        "nmi": sk.normalized_mutual_info_score(target, cluster, average_method="arithmetic"),
        "ari": sk.adjusted_rand_score(target, cluster),
        "f": sk.fowlkes_mallows_score(target, cluster),
        "pairwise_f1": 2 * true / (2 * true + false + missed) if true else 0.0,
        "acc": accuracy(target, cluster),
    }
    return {name: round(float(value), 6) for name, value in values.items()}


def accuracy(target: NDArray[np.int64], cluster: NDArray[np.int64]) -> float:
    """The share of images that the best one-to-one map of clusters to target clusters puts right.

    The table of counts may have any shape: an empty cluster, or more clusters than targets, is no special case (the
    function in the CC and PCL releases returns 0.0 for some of them).
    """
    table = contingency_matrix(target, cluster)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(target))


def shares(cluster: ArrayLike, clusters: int) -> list[float]:
    """The share of images in every cluster [K], largest first."""
    counts = np.bincount(np.asarray(cluster), minlength=clusters)
    return [round(float(x), 6) for x in np.sort(counts / counts.sum())[::-1]]
