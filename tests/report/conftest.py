"""A study whose runs were never trained: their folders hold seeded clusters, written through the real plan."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pcl import artifacts, config, metrics, stats
from pcl.intervals import Images
from pcl.plan import Plan, Plans, Run
from pcl.report import drawing

PARAMS = """
study: small
tasks:
  digits10-2: {dataset: digits10, clusters: 2}
  digits10-4: {dataset: digits10, clusters: 4}
  cifar10-2: {dataset: cifar10, clusters: 2}
  cifar100-4: {dataset: cifar100, clusters: 4}
arms:
  kmeans: {method: kmeans, title: k-means}
  cc: {method: cc, title: CC}
  dcc: {method: dcc, title: DCC}
  pcl: {method: pcl, title: PCL}
  pcl-random:
    {method: pcl, title: "random & <uniform>_1", note: Random means & uniform., settings: {strategy: random}}
tables:
  table3:
    title: Clustering performance under the personalized orientation
    orientation: personalized
    tasks: all
    rows: {Unsupervised: [kmeans, cc], Constrained: [dcc, pcl]}
  table5:
    title: Effect of the query strategy
    orientation: personalized
    tasks: ablation
    rows: {Query strategy: [pcl-random, pcl]}
cross:
  cross: {title: Strategies, orientation: personalized, arms: [dcc, pcl], strategies: [random, joint]}
figures:
  fig4: {kind: curve, title: Scores against questions, orientation: personalized, arms: [pcl, dcc, cc]}
  fig5: {kind: projection, title: Features, arm: pcl, orientations: [default, personalized], points: 60}
studies:
  small: &small
    title: A study made of nothing
    tasks: [digits10-2, digits10-4]
    ablation: digits10-2
    projection: digits10-2
    seeds: [0, 1, 2, 3, 4]
    budgets: {digits10-2: 300, digits10-4: 600}
    curve: [150, 300]
    device: cpu
    methods: {pcl: {initial_questions: 50}}
  paper:
    <<: *small
    title: The paper's own tasks
    tasks: [cifar10-2, cifar100-4]
    ablation: cifar100-4
    projection: cifar10-2
    budgets: {cifar10-2: 300, cifar100-4: 300}
"""

QUALITY = {"kmeans": 0.0, "cc": 0.1, "dcc": 0.4, "pcl": 0.7, "pcl-random": 0.69, "paper+balance": 0.8}
IMAGES = {"train": 300, "test": 200}


def pretend(run: Run) -> None:
    """Write what a finished run leaves behind, with clusters that depend on arm, budget and seed only."""
    noise = np.random.default_rng([run.seed, run.budget, *run.arm.encode()])
    asks = run.budget > 0
    targets = {}
    for orientation, target in run.targets.items():
        classes = len(target.map.cluster_of)
        targets[orientation] = {split: target.map.relabel(np.arange(n) % classes) for split, n in IMAGES.items()}
        artifacts.write_arrays(target.path, **targets[orientation], clusters=np.array(target.map.clusters))
    right = QUALITY.get(run.arm, 0.6) + 0.15 * run.budget / 600 + noise.normal(0, 0.015)
    probabilities = {}
    for split, wanted in next(iter(targets.values())).items():
        guessed = noise.integers(run.clusters, size=len(wanted))
        cluster = np.where(noise.random(len(wanted)) < right, wanted, guessed)
        probabilities[split] = np.eye(run.clusters, dtype=np.float32)[cluster]
    run.folder.write_assignments(probabilities)
    assigned = run.folder.read_assignments()
    content = {
        "task": run.task,
        "orientation": run.orientation,
        "arm": run.arm,
        "seed": run.seed,
        "key": run.key,
        "spec": run.spec,
        "data": {
            "name": run.data.name,
            "sha256": {"test_images.npy": "0" * 64, "train_images.npy": "1" * 64},
        },
        "scores": {
            orientation: {split: metrics.scores(each[split], assigned[split].cluster) for split in IMAGES}
            for orientation, each in targets.items()
        },
        "shares": {split: metrics.shares(assigned[split].cluster, run.clusters) for split in IMAGES},
        "questions": {
            "budget": run.budget,
            "asked": run.budget,
            "asked_must": run.budget // 3,
            "asked_cannot": run.budget - run.budget // 3,
            "implied_must": 10 * run.seed if asks else 0,
            "implied_cannot": run.budget,
            "placed": 20,
            "neighbourhoods": 2,
            "largest_component": 7,
            "closure": getattr(run.settings, "closure", None) if asks else None,
        },
        "epochs": 2,
    }
    provenance = {
        "code": "abcdef123456",
        "python": "3.11.0",
        "platform": "Some-System",
        "versions": {"torch": "2.0", "numpy": "2.0"},
        "study": run.study,
        "device": "cpu",
        "threads": 1,
        "seconds": 60.0 + run.seed,
        "peak_memory_mb": 500,
        "finished": "2025-01-01T00:00:00+0000",
    }
    artifacts.write_json(run.path / "provenance.json", provenance)
    artifacts.write_json(run.path / "metrics.json", content)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own, with params.yaml, as the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    return tmp_path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder results/ with every run of both studies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("made"))
        Path("params.yaml").write_text(PARAMS)
        for plan in Plans(config.load()).studies.values():
            for run in plan.all_runs():
                pretend(run)
        return Path("results").resolve()


@pytest.fixture
def made_up() -> Callable[[Run], None]:
    """`pretend`, for runs that no report of the two studies shows."""
    return pretend


@pytest.fixture
def plan(folder: Path, made: Path) -> Plan:
    """The study `small`, every run made."""
    shutil.copytree(made, folder / "results", dirs_exist_ok=True)
    return Plan(config.load())


@pytest.fixture
def paper(folder: Path, made: Path) -> Plan:
    """The study of the paper's tasks, every run made."""
    shutil.copytree(made, folder / "results", dirs_exist_ok=True)
    return Plan(config.load(), "paper")


@pytest.fixture
def summary(plan: Plan) -> pd.DataFrame:
    """Every run of the study `small`, collected."""
    return stats.collect(plan.all_runs())


@pytest.fixture
def images(plan: Plan) -> Images:
    """What the runs of the study `small` did with each image, on-request tables included."""
    return Images(run for report in [*plan.catalogue.tables, *plan.reports] for run in plan.runs(report))


@pytest.fixture(scope="session")
def projection() -> Callable[[Plan, Path], None]:
    """Writes coordinates as `pcl precompute` would, without a network."""

    def write(plan: Plan, path: Path) -> None:
        draw = np.random.default_rng(0)
        labels = np.arange(60) % 10
        artifacts.write_arrays(
            path,
            index=np.arange(60),
            labels=labels,
            classes=np.array([str(digit) for digit in range(10)]),
            panels=np.array(["before", "default", "personalized"]),
            ways=np.array(["t-SNE", "UMAP"]),
            xy=draw.normal(size=(2, 3, 60, 2)).astype(np.float32),
            runs=np.array([run.path.as_posix() for run in plan.runs("fig5")]),
            targets_default=labels // 5,
            clusters_default=np.array(["low", "high"]),
            targets_personalized=labels % 2,
            clusters_personalized=np.array(["even", "odd"]),
        )

    return write


@pytest.fixture(scope="session")
def drawings(
    made: Path, projection: Callable[[Plan, Path], None], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Both figures of the study `small`, drawn once: the content of their .svg and .csv files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("drawings"))
        Path("params.yaml").write_text(PARAMS)
        shutil.copytree(made, "results")
        plan = Plan(config.load())
        stats.write(stats.collect(plan.all_runs()), Path("summary.csv"))
        projection(plan, Path("fig5.npz"))
        for name, source in {"fig4": "summary.csv", "fig5": "fig5.npz"}.items():
            drawing.write(plan.figure(name).drawing(Path(source)), Path(name))
        return {path.name: path.read_text() for path in Path().glob("fig*.[sc]*")}
