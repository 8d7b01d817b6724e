"""What tasks are made of, whatever the study: data sets, orientations, target clusters."""

from __future__ import annotations

from functools import cache

from pcl import datasets, orientations
from pcl.config import Config, Task
from pcl.errors import UserError, did_you_mean
from pcl.plan.identities import Data, Target


class Tasks:
    """The tasks of params.yaml; each data set and file is looked at once."""

    def __init__(self, config: Config) -> None:
        """Nothing is resolved before it is asked for."""
        self.config = config

    def task(self, name: str) -> Task:
        """A task as params.yaml describes it; raises UserError where there is none."""
        if name not in self.config.tasks:
            raise UserError(f"task: no such task{did_you_mean(name, self.config.tasks)}")
        return self.config.tasks[name]

    @cache  # noqa: B019 - tasks live as long as the process
    def data_set(self, name: str) -> Data:
        """A data set by its name; raises UserError where there is none."""
        return Data(datasets.make(name, self.config.datasets.get(name, {}), root=self.config.root))

    def data(self, task: str) -> Data:
        """The data set of a task; raises UserError where there is none."""
        return self.data_set(self.task(task).dataset)

    @cache  # noqa: B019
    def orientations(self, task: str) -> dict[str, orientations.Map]:
        """The orientations of a task by name; raises UserError where it has none, though its classes are known."""
        chosen = self.task(task)
        found = orientations.maps(task, chosen.dataset, chosen.orientations)
        if not found and self.data(task).dataset.classes():
            hint = did_you_mean(task, orientations.available())
            raise UserError(f"tasks.{task}: has no file in {orientations.FOLDER} and no `orientations`{hint}")
        return found

    @cache  # noqa: B019
    def target(self, task: str, orientation: str) -> Target | None:
        """The target clusters of a task in an orientation; None where nobody knows them.

        Raises:
            UserError: there is no such orientation, its map does not fit the data set, or it has another number of
                clusters than the task.
        """
        known, data, clusters = self.orientations(task), self.data(task), self.task(task).clusters
        if orientation not in known:
            raise UserError(f"tasks.{task}: no orientation{did_you_mean(orientation, known)}")
        if known[orientation].groups is None:
            return None
        found = orientations.resolve(task, orientation, known[orientation], data.dataset, clusters)
        return Target(task, orientation, data, found)

    def targets(self, task: str) -> dict[str, Target]:
        """The target clusters of a task in every orientation in which somebody knows them.

        Raises:
            UserError: what is wrong with any of them.
        """
        found, problems = {}, []
        for name in self.orientations(task):
            try:
                found[name] = self.target(task, name)
            except UserError as error:
                problems.append(str(error))
        if problems:
            raise UserError("\n".join(problems))
        return {name: target for name, target in found.items() if target is not None}
