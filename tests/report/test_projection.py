"""Features in two dimensions, from a stand-in for the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcl import artifacts, datasets, orientations
from pcl.errors import UserError
from pcl.plan import Plan, Run
from pcl.report import embedding
from pcl.report.figures import projection
from pcl.run import execute

OUT = Path("results/figures/fig5.npz")


def features(run: Run, layer: str = "features", *, trained: bool = True) -> dict[str, np.ndarray]:
    """Pixels, drawn together by target cluster once trained."""
    found = {}
    splits = datasets.load(run.data.path)
    targets = orientations.read(run.targets[run.orientation].path)
    for name in ("train", "test"):
        images = getattr(splits, name).images
        pixels = images.reshape(len(images), -1).astype(np.float32)
        found[name] = pixels * 0.1 + 500 * getattr(targets, name)[:, None] if trained else pixels
    return found


@pytest.fixture
def prepared(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(execute, "layer_of", features)
    for run in plan.runs("fig5"):
        if not run.data.path.exists():
            datasets.prepare(run.data.dataset, run.data.path)
        for target in run.targets.values():
            orientations.write(target.map, datasets.load(run.data.path), target.path)
    return plan


def test_panels_labels_and_targets_of_the_same_images(prepared: Plan) -> None:
    figure = projection.Figure(prepared, "fig5")
    ways = {"t-SNE": embedding.tsne}
    figure.precompute(OUT, ways)
    first = OUT.read_bytes()
    figure.precompute(OUT, ways)
    assert OUT.read_bytes() == first, "equal features give equal bytes"
    found = artifacts.read_arrays(OUT)
    assert found["panels"].tolist() == ["before", "default", "personalized"] and found["ways"].tolist() == ["t-SNE"]
    assert found["xy"].shape == (1, 3, 60, 2) and np.isfinite(found["xy"]).all()
    assert found["runs"].tolist() == [run.path.as_posix() for run in prepared.runs("fig5")]
    run = prepared.runs("fig5")[0]
    test = datasets.load(run.data.path).test
    assert len(set(found["index"].tolist())) == 60 and (test.labels[found["index"]] == found["labels"]).all()
    for orientation in ("default", "personalized"):
        map = orientations.load("digits10-2", orientation)
        assert (map.relabel(found["labels"]) == found[f"targets_{orientation}"]).all()
        assert found[f"clusters_{orientation}"].tolist() == list(map.clusters)
    # What the stand-in drew together lies together: the nearest other point is of the same target cluster.
    for panel, orientation in ((1, "default"), (2, "personalized")):
        xy, target = found["xy"][0, panel], found[f"targets_{orientation}"]
        distance = ((xy[:, None] - xy[None]) ** 2).sum(-1) + np.diag(np.full(60, np.inf))
        assert (target[distance.argmin(1)] == target).mean() > 0.95


def test_some_images_are_distinct_and_always_the_same() -> None:
    assert embedding.some(10, 20).tolist() == list(range(10))
    chosen = embedding.some(1000, 50)
    assert len(set(chosen.tolist())) == 50 and (np.diff(chosen) > 0).all() and chosen.max() > 900
    assert (embedding.some(1000, 50) == chosen).all()


SOME = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
ODD = {
    "all equal": np.ones((60, 4)),
    "all zero": np.zeros((60, 4)),
    "equal but for rounding": 1 + 1e-7 * SOME,
    "of one column": SOME[:, :1],
    "of two images": SOME[:2],
    "of one image": SOME[:1],
    "very small": 1e-30 * SOME,
    "very large": 1e30 * SOME,
    "two spots": SOME[np.arange(60) % 2],
}


@pytest.mark.parametrize("features", ODD.values(), ids=ODD)
def test_features_of_any_kind_find_a_place(features: np.ndarray) -> None:
    """The libraries alone end in segmentation faults and in numbers that are none."""
    features = features.astype(np.float32)
    for embed in embedding.WAYS.values():
        xy = embed(features)
        assert xy.shape == (len(features), 2) and xy.dtype == np.float32 and np.isfinite(xy).all()
        assert (np.ptp(xy, axis=0).max() > 0) == (np.ptp(features, axis=0).max() > 1e-6 * np.abs(features).max())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(value: float) -> None:
    for embed in embedding.WAYS.values():
        with pytest.raises(UserError, match="the features are no numbers"):
            embed(np.where(np.eye(60, 4), value, SOME).astype(np.float32))


def test_what_cannot_be_projected_is_named(plan: Plan) -> None:
    with pytest.raises(UserError, match="did you mean 'fig5'"):
        plan.figure("fig55").precompute(OUT)
    with pytest.raises(UserError, match="fig4: is drawn from the summary"):
        plan.figure("fig4").precompute(OUT)
    figure = plan.config.figures["fig5"].model_copy(update={"arm": "kmeans"})
    config = plan.config.model_copy(update={"figures": plan.config.figures | {"fig5": figure}})
    with pytest.raises(UserError, match=r"figures\.fig5\.arm: kmeans trains no network"):
        Plan(config).figure("fig5").precompute(OUT)
