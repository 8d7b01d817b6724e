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


def mapped(target: NDArray[np.int64], cluster: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The best one-to-one map: pairs of a cluster and the target cluster that it stands for."""
    rows, columns = linear_sum_assignment(contingency_matrix(target, cluster), maximize=True)
    return list(zip(np.unique(cluster)[columns].tolist(), np.unique(target)[rows].tolist(), strict=True))


def right(target: NDArray[np.int64], cluster: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which images the best one-to-one map puts right, bool [N]; their share is ACC."""
    found = np.full(len(target), False)
    for own, stands_for in mapped(target, cluster):
        found |= (cluster == own) & (target == stands_for)
    return found


def resampled(
    target: NDArray[np.int64], cluster: NDArray[np.int64], times: NDArray[np.integer]
) -> dict[str, NDArray[np.float64]]:
    """The scores [R] on R resamples of the images, unrounded.

    ACC keeps the one-to-one map that is best for all images: what is resampled is which of them it puts right.

    Args:
        target: target clusters [N].
        cluster: clusters [N].
        times: how often each resample has every image [R, N].
    """
    found = contingency_matrix(target, cluster)
    cell = np.unique(target, return_inverse=True)[1] * found.shape[1] + np.unique(cluster, return_inverse=True)[1]
    in_cell = (cell[:, None] == np.arange(found.size)).astype(np.float32)
    blocks = [times[start : start + 100].astype(np.float32) @ in_cell for start in range(0, len(times), 100)]
    tables = np.concatenate(blocks).astype(np.float64).reshape(-1, *found.shape)
    n = tables.sum((1, 2))
    rows, columns = linear_sum_assignment(found, maximize=True)
    same_both, same_target, same_cluster = (
        ((counts**2).sum(1) - n) / 2 for counts in (tables.reshape(len(tables), -1), tables.sum(2), tables.sum(1))
    )
    expected, most = same_target * same_cluster / (n * (n - 1) / 2), (same_target + same_cluster) / 2
    between = _entropy(tables.sum(2)) + _entropy(tables.sum(1))
    shared = between - _entropy(tables.reshape(len(tables), -1))
    return {
        "nmi": _share(2 * shared, between, 1.0),
        "ari": _share(same_both - expected, most - expected, 1.0),
        "f": _share(same_both, np.sqrt(same_target * same_cluster), 0.0),
        "pairwise_f1": _share(2 * same_both, same_target + same_cluster, 0.0),
        "acc": tables[:, rows, columns].sum(1) / n,
    }


def _entropy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The entropy [R] of every row of counts [R, M], in nats."""
    share = counts / counts.sum(1, keepdims=True)
    return -(share * np.log(share, where=share > 0, out=np.zeros_like(share))).sum(1)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64], of_nothing: float) -> NDArray[np.float64]:
    """A part of a whole [R]; where there is no whole, what the score is called then."""
    return np.divide(part, whole, where=whole > 1e-9, out=np.full_like(part, of_nothing))


def shares(cluster: ArrayLike, clusters: int) -> list[float]:
    """The share of images in every cluster [K], largest first."""
    counts = np.bincount(np.asarray(cluster), minlength=clusters)
    return [round(float(x), 6) for x in np.sort(counts / counts.sum())[::-1]]
