"""Features in two dimensions; on one thread, equal features give equal bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Embedding = Callable[[NDArray[np.float32]], NDArray[np.float32]]
SEED = 0


def tsne(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """t-SNE of [M, D] to [M, 2]."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    model = TSNE(random_state=SEED, n_jobs=1, init="pca", perplexity=perplexity)
    return np.asarray(model.fit_transform(features), np.float32)


def umap(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """UMAP of [M, D] to [M, 2]."""
    from umap import UMAP

    return np.asarray(UMAP(random_state=SEED, n_jobs=1, init="pca").fit_transform(features), np.float32)


WAYS: dict[str, Embedding] = {"t-SNE": tsne, "UMAP": umap}


def some(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of n images, in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(SEED).choice(n, most, replace=False))
