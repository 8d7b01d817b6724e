"""Features in two dimensions; on one thread, equal features give equal bytes."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcl.errors import UserError

Embedding = Callable[[NDArray[np.float32]], NDArray[np.float32]]
SEED = 0
COLLAPSED = 1e-6
"""Features that differ by no more than this part of their size differ by rounding."""
USUAL = (1e-10, 1e10)
"""Within these, squares of differences are numbers that float32 has."""


def _of_any_features(embed: Embedding) -> Embedding:
    """The same, also for what the libraries crash on: all equal, very small or large, of one column, of two images.

    What is collapsed lies on one spot.
    """

    @wraps(embed)
    def guarded(features: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.isfinite(features).all():
            raise UserError("the features are no numbers; lower lr or set clip for the arm, and train it again")
        wide = np.pad(features, ((0, 0), (0, max(0, 2 - features.shape[1]))))
        centred = wide - wide.mean(0, dtype=np.float64)
        spread = np.abs(centred).max()
        if spread <= COLLAPSED * np.abs(wide).max():
            return np.zeros((len(wide), 2), np.float32)
        if len(wide) < 3:
            return (centred[:, :2] / spread).astype(np.float32)
        if not USUAL[0] < spread < USUAL[1]:
            wide = (centred / spread).astype(np.float32)
        return embed(wide)

    return guarded


@_of_any_features
def tsne(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """t-SNE of [M, D] to [M, 2]."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    model = TSNE(random_state=SEED, n_jobs=1, init="pca", perplexity=perplexity)
    return np.asarray(model.fit_transform(features), np.float32)


@_of_any_features
def umap(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """UMAP of [M, D] to [M, 2]."""
    _let_numba_write()
    from umap import UMAP

    return np.asarray(UMAP(random_state=SEED, n_jobs=1, init="pca").fit_transform(features), np.float32)


def _let_numba_write() -> None:
    """Give numba, which refuses to go without one, a folder for what it compiles, where the user has none."""
    own = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(own).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")
        atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)


WAYS: dict[str, Embedding] = {"t-SNE": tsne, "UMAP": umap}


def some(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of n images, in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(SEED).choice(n, most, replace=False))
