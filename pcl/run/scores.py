"""What a run is worth: the content of its metrics.json and of its history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pcl import datasets, metrics
from pcl.engine.known import Known
from pcl.engine.trainable import Trainable
from pcl.folder import Assigned as Clustered
from pcl.oracles.log import Assigned
from pcl.plan import Run
from pcl.run import inputs
from pcl.run.inputs import Labels

if TYPE_CHECKING:
    from pcl.engine.events import Epoch
    from pcl.engine.session import Session


@dataclass(frozen=True)
class History:
    """Adds a row to a session's history after every epoch: losses, questions, and scores, for reading only."""

    method: Trainable
    session: Session
    labels: Labels

    def epoch_ended(self, epoch: Epoch) -> None:
        """Add a row."""
        self.session.history.append(self._row(epoch))

    def _row(self, epoch: Epoch) -> dict[str, Any]:
        session, known = self.session, self.session.known
        row: dict[str, Any] = {"stage": epoch.stage, "epoch": epoch.number}
        row |= {f"loss_{name}": float(f"{value:.6g}") for name, value in epoch.losses.items()}
        row |= {"asked": known.spent, "remaining": known.remaining}
        row["implied"] = known.constraints.implied_must + known.constraints.implied_cannot
        if epoch.ended or epoch.number % session.images.settings.evaluate_every == 0:
            self.method.start_evaluation(session)
            clusters = session.predict(self.method.probabilities).argmax(1).numpy()
            for orientation, target in self.labels.items():
                found = metrics.scores(target["train"], clusters)
                row |= {f"{orientation}_{name}": found[name] for name in ("acc", "nmi")}
        return row


def scores(labels: Labels, assigned: Mapping[str, Clustered]) -> dict[str, Any]:
    """Orientation -> split -> metric."""
    return {
        orientation: {
            split: metrics.scores(target[split][found.index], found.cluster) for split, found in assigned.items()
        }
        for orientation, target in labels.items()
    }


def questions(run: Run, known: Known) -> dict[str, Any]:
    """What was asked and what followed from it, counted apart."""
    constraints = known.constraints
    assigned = [answer for answer in known.answers if isinstance(answer, Assigned)]
    counted: dict[str, Any] = {}
    if assigned:
        pairs = known.spent - sum(answer.chosen is not None for answer in assigned)
        counted["pair_equivalents"] = pairs + sum(answer.pair_equivalents(run.clusters) for answer in assigned)
        counted["bits"] = round(pairs + sum(answer.bits for answer in assigned), 3)
    placed = run.method(run.settings, run.clusters, run.budget).placed(known)
    return {
        "budget": run.budget,
        "asked": known.spent,
        "asked_must": constraints.asked_must,
        "asked_cannot": constraints.asked_cannot,
        "implied_must": constraints.implied_must,
        "implied_cannot": constraints.implied_cannot,
        "largest_component": constraints.largest_component if run.method.supervised else 0,
        "placed": len(placed.images) if placed else None,
        "neighbourhoods": placed.count if placed else None,
        "closure": constraints.closure if run.method.supervised else None,
        **counted,
    }


def content(run: Run, labels: Labels, count: int, manifest: datasets.Manifest | None) -> dict[str, Any]:
    """The content of metrics.json, from the other files that are there: equal for equal runs.

    Args:
        run: has written them.
        labels: target clusters.
        count: training images.
        manifest: of the data; without it, nothing is said of them.
    """
    assigned = run.folder.read_assignments()
    data = {name: array.sha256 for name, array in manifest.arrays.items()} if manifest else None
    return {
        "task": run.task,
        "orientation": run.orientation,
        "arm": run.arm,
        "seed": run.seed,
        "key": run.key,
        "spec": run.spec,
        "data": {"name": run.data.name, "sha256": data} if data else None,
        "scores": scores(labels, assigned),
        "shares": {split: metrics.shares(found.cluster, run.clusters or 0) for split, found in assigned.items()},
        "clusters": {"given": run.clusters, "found": {s: len(set(a.cluster.tolist())) for s, a in assigned.items()}},
        "questions": questions(run, inputs.answered(run, count)),
        "epochs": run.folder.epochs(),
    }
