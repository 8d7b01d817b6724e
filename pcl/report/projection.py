"""Features of images in two dimensions, before training and after it in each orientation (Fig. 5)."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pcl import artifacts, datasets, orientations
from pcl.config import Projection, did_you_mean
from pcl.errors import UserError
from pcl.plan import Plan

Embedding = Callable[[NDArray[np.float32]], NDArray[np.float32]]
SEED = 0


def tsne(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """t-SNE of [M, D] to [M, 2]; on one thread, equal features give equal bytes."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    model = TSNE(random_state=SEED, n_jobs=1, init="pca", perplexity=perplexity)
    return np.asarray(model.fit_transform(features), np.float32)


def umap(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """UMAP of [M, D] to [M, 2]; on one thread, equal features give equal bytes."""
    from umap import UMAP

    return np.asarray(UMAP(random_state=SEED, n_jobs=1, init="pca").fit_transform(features), np.float32)


WAYS: dict[str, Embedding] = {"t-SNE": tsne, "UMAP": umap}


def project(plan: Plan, name: str, out: Path, ways: dict[str, Embedding] = WAYS) -> None:
    """Write where images lie before training and after each of a figure's runs.

    The .npz holds `index` [M], images of the split; `labels` [M] with `classes`; for each orientation,
    `targets_…` [M] with `clusters_…`; `ways`, `panels` ("before" and the orientations), `xy` [ways, panels, M, 2];
    and the folders of the `runs`.

    Raises:
        UserError: the study has no such figure, its arm trains no network, or a run is missing.
    """
    from pcl.run import execute

    known = [known for known, figure in plan.config.figures.items() if isinstance(figure, Projection)]
    if name not in known:
        raise UserError(f"figure: no such projection{did_you_mean(name, known)}")
    item = plan.config.figures[name]
    assert isinstance(item, Projection)
    seed = plan.study.seeds[0]
    shown = {o: plan.run(plan.study.projection, o, item.arm, seed) for o in item.orientations}
    first = next(iter(shown.values()))
    if not first.method.network:
        raise UserError(f"figures.{name}.arm: {item.arm} trains no network; choose an arm that does")
    unknown = [orientation for orientation, run in shown.items() if orientation not in run.targets]
    if unknown:
        raise UserError(
            f"figures.{name}.orientations: nobody knows the clusters of {', '.join(unknown)}; show others"
        )
    splits = datasets.load(first.data.path)
    split = getattr(splits, item.split)
    index = _some(len(split.images), item.points)
    # Every run of one seed begins with the same weights.
    features = {"before": execute.features(first, trained=False)[item.split]}
    arrays: dict[str, NDArray[np.generic]] = {}
    for orientation, run in shown.items():
        features[orientation] = execute.features(run)[item.split]
        targets = orientations.read(run.targets[orientation].path)
        arrays[f"targets_{orientation}"] = getattr(targets, item.split)[index]
        arrays[f"clusters_{orientation}"] = np.array(targets.clusters)
    with threadpool_limits(1):
        xy = [[embed(values[index]) for values in features.values()] for embed in ways.values()]
    artifacts.write_arrays(
        out,
        index=index,
        labels=split.labels[index],
        classes=np.array(splits.manifest.classes),
        panels=np.array(list(features)),
        ways=np.array(list(ways)),
        xy=np.array(xy, np.float32),
        runs=np.array([run.path.as_posix() for run in plan.runs(name)]),
        **arrays,
    )


def read(path: Path) -> dict[str, NDArray]:
    """What `project` wrote; raises UserError where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read ({error}); build it with `snakemake --cores 1 {path}`") from error


def _some(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of n images, in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(SEED).choice(n, most, replace=False))
