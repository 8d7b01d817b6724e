"""From a path back to the study and the run that write it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from pcl import layout
from pcl.config import Config
from pcl.errors import UserError
from pcl.plan.catalogue import Catalogue
from pcl.plan.identities import Features, Run
from pcl.plan.study import Plan
from pcl.plan.tasks import Tasks


class Plans:
    """The studies of params.yaml together: what writes the file at a given path."""

    def __init__(self, config: Config) -> None:
        """Nothing is resolved before it is asked for."""
        self.config = config
        tasks, self.catalogue = Tasks(config), Catalogue(config)
        self.studies = {name: Plan(config, name, tasks, self.catalogue) for name in config.studies}

    @property
    def selected(self) -> Plan:
        """The study whose reports lie directly in reports/."""
        return self.studies[self.config.study]

    def run(self, task: str, orientation: str, arm: str, budget: int, key: str, seed: int) -> Run:
        """The run that writes such a folder, in whichever study, shown in a report or not.

        Raises:
            UserError: there is none; the message says what params.yaml makes of the same words now.
        """
        words = {"task": task, "orientation": orientation, "arm": arm, "budget": budget, "key": key, "seed": seed}
        wanted = layout.RUN.path(**words)
        now = []
        for name, plan in self.studies.items():
            try:
                run = plan.run(task, orientation, arm, seed, budget)
                if run.path == wanted:
                    return run
                now.append(f"study {name} has {run.path}")
            except UserError as error:
                now.append(f"study {name}: {error}")
        raise _unknown(wanted, now)

    def precomputing(self, figure: str, key: str) -> Plan:
        """The study in which the precomputed part of a figure carries a key; raises UserError if there is none."""
        wanted = layout.FIGURE.path(figure=figure, key=key)
        for plan in self.studies.values():
            if plan.concerns(figure) and plan.precomputed(figure) == wanted:
                return plan
        raise UserError(f"{wanted}: no study of params.yaml has this file")

    def features(self, scope: str, name: str, key: str, seed: int) -> tuple[Plan, Features, str]:
        """The representation in such a folder, with a study and a task that have it; UserError if there is none."""
        wanted, now = layout.FEATURES.path(scope=scope, name=name, key=key, seed=seed), []
        for (study, plan), task in product(self.studies.items(), self.config.tasks):
            try:
                found = plan.features(task, name, seed)
                if found.path == wanted:
                    return plan, found, task
                now.append(f"study {study} has {found.path}")
            except UserError as error:
                now.append(f"study {study}: {error}")
        raise UserError(
            f"{wanted}: " + "\n  ".join(["no arm of params.yaml has these features", *dict.fromkeys(now)])
        )

    def run_at(self, path: Path) -> Run:
        """The run whose folder, or a file in it, is at a path.

        Raises:
            UserError: the path is not one of a run, or `run` knows none there.
        """
        words = layout.RUN.words(path)
        if words is None or not (words["budget"] + words["seed"]).isdecimal():
            raise UserError(f"{path}: not a run folder; `pcl runs` lists them all")
        budget, seed = int(words.pop("budget")), int(words.pop("seed"))
        return self.run(**words, budget=budget, seed=seed)

    def pretraining(self, scope: str, orientation: str, name: str, key: str, seed: int) -> Run:
        """A run that starts from the pretraining in such a folder.

        Raises:
            UserError: there is none.
        """
        words = {"scope": scope, "orientation": orientation, "name": name, "key": key, "seed": seed}
        wanted = layout.PRETRAINING.path(**words)
        now = []
        for (study, plan), arm in product(self.studies.items(), self.catalogue.arms):
            try:
                if not plan.pretrains(arm, name):
                    continue
                for run in plan.possible([arm], seed):
                    if run.pretraining is not None:
                        if run.pretraining.path == wanted:
                            return run
                        now.append(f"study {study} has {run.pretraining.path}")
            except UserError as error:
                now.append(f"study {study}: {error}")
        raise _unknown(wanted, now)


def _unknown(path: Path, now: list[str]) -> UserError:
    lines = dict.fromkeys(["no run of params.yaml writes this folder (`pcl runs` lists them all)", *now])
    return UserError(f"{path}: " + "\n  ".join(lines))
