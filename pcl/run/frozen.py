"""A run without a network of images: it asks about representations, learns on them, and gives clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl import progress
from pcl.engine import rounds
from pcl.engine.events import Epoch
from pcl.engine.known import Known
from pcl.methods.base import FrozenMethod
from pcl.oracles.journal import Journal
from pcl.plan import Run
from pcl.plan.budget import check as check_budget
from pcl.plan.budget import check_size
from pcl.run import inputs
from pcl.run.driver import Observer, Shown, drive, left, named
from pcl.run.inputs import Labels

Rows = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Rounds:
    """A history: after every round of questions, what is known."""

    method: FrozenMethod
    known: Known
    rows: list[dict[str, Any]] = field(default_factory=list)

    def epoch_ended(self, epoch: Epoch) -> None:
        """Add a row."""
        known, found = self.known, self.method.placed(self.known)
        row: dict[str, Any] = {"stage": epoch.stage, "epoch": epoch.number}
        row |= {"asked": known.spent, "remaining": known.remaining}
        row["implied"] = known.constraints.implied_must + known.constraints.implied_cannot
        if found is not None:
            row |= {"placed": len(found.images), "neighbourhoods": found.count}
        self.rows.append(row)


def train(run: Run, labels: Labels) -> Known:
    """Ask where the run asks, and write its answers, history and assignments; what is known in the end.

    A run that was killed asks its questions again from the first on, and hears the answers that are on disk.

    Raises:
        UserError: an input is missing, the budget cannot be asked, a question has no answer, or the answers do not
            suffice to learn.
    """
    method: FrozenMethod = run.method(run.settings, run.clusters, run.budget)  # type: ignore[assignment]
    inputs_of = inputs.frozen(run)
    check_size(run, len(inputs_of["train"]))
    known = inputs.known(run, len(inputs_of["train"]))
    history = Rounds(method, known)
    if run.asks:
        check_budget(run, len(inputs_of["train"]))
        _ask(run, method, inputs_of["train"], known, history, labels)
        run.folder.write_answers(known.answers)
        if known.remaining:
            progress.say(f"{run.path}: {left(known)}")
    run.folder.write_assignments(method.cluster(inputs_of, known, run.seed))
    run.folder.write_history(history.rows)
    return known


def _ask(
    run: Run, method: FrozenMethod, rows: NDArray[np.float32], known: Known, history: Rounds, labels: Labels
) -> None:
    """Ask all questions of a run; an answer is on disk when it is given."""

    def learn(so_far: Known) -> NDArray[np.float32]:
        return method.cluster({"train": rows}, so_far, run.seed)["train"]

    choice = method.strategy(run.settings)
    assert choice is not None, "a run that asks has a strategy"
    journal = Journal(run.folder.answers, inputs.oracle(run, labels).reply, budget=run.budget, heard=known.answers)
    training = rounds.train(choice, rows, known, run.clusters, run.seed, learn)
    with progress.reporter(run.name, None, 0) as report:
        observers: list[Observer] = [history, Shown(report, history.rows)]
        drive(named(run.folder, training), journal.answer, observers)
