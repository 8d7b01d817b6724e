"""The runs behind every table and figure of one study."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from pcl import layout, registry, switches
from pcl.artifacts import key
from pcl.config import Table
from pcl.errors import UserError, did_you_mean
from pcl.plan.budget import check as check_budget
from pcl.plan.budget import check_size
from pcl.plan.catalogue import Switched
from pcl.plan.identities import Run
from pcl.plan.runs import Runs
from pcl.plan.settings import unknown_keys


class Plan(Runs):
    """The runs behind every table and figure of one study."""

    @property
    def reports(self) -> list[str]:
        """The study's tables and figures, in the order of params.yaml."""
        return [name for name in (*self.config.tables, *self.config.figures) if self.concerns(name)]

    @property
    def every_report(self) -> list[str]:
        """The same with tables and figures that are made on request."""
        return [name for name in (*self.catalogue.tables, *self.config.every_figure) if self.concerns(name)]

    def concerns(self, report: str) -> bool:
        """Whether a table or figure is of this study: its orientations are those of a task, or, wrongly, of none."""
        if report in self.catalogue.tables:
            item = self.catalogue.tables[report]
            tasks, shown = self.tasks(item), set(item.orientations)
        else:
            figure = self.figure(report)
            if figure.empty:
                return False
            tasks, shown = [figure.task], set(figure.orientations)
        if any(shown <= self.orientations(task).keys() for task in tasks):
            return True
        return not any(shown <= self.orientations(task).keys() for task in self.config.tasks)

    def title(self, arm: str) -> str:
        """An arm's title; of one with a setting as another arm has it, with the values of both."""
        chosen = self._arm(arm)
        if not isinstance(chosen, Switched):
            return chosen.title
        here, there = (switches.shown(self.settings(name), chosen.switch) for name in (chosen.base, chosen.other))
        return f"{chosen.title}: {here} → {there}"

    def runs(self, report: str) -> list[Run]:
        """The runs behind one table or figure, each once."""
        return list({run.path: run for run in self._of(report)}.values())

    def remarks(self, report: str) -> list[str]:
        """What must be said of the data and features that the runs behind one table or figure rest on."""
        behind = {}
        todo = self.runs(report)
        while todo:
            run = todo.pop()
            if run.path not in behind:
                behind[run.path] = [
                    of for of in (run.data.dataset.remark, *(own.kind.remark for own in run.representations)) if of
                ]
                todo += run.takes_from
        return sorted({remark for remarks in behind.values() for remark in remarks})

    def all_runs(self) -> list[Run]:
        """The runs behind every table and figure, each once."""
        return list({run.path: run for report in self.reports for run in self.runs(report)}.values())

    def lacking(self, item: Table) -> set[tuple[str, str]]:
        """(arm, task) of what a table leaves out, as the arm needs K and the task has none."""
        return {(arm, task) for task in self.tasks(item) for arm in item.arms if self.needs_clusters(task, arm)}

    def refused(self, item: Table) -> dict[tuple[str, str], str]:
        """(arm, task) of what a table leaves out, as the arm with its one changed setting cannot run, -> why."""
        places = product(item.arms, self.tasks(item))
        reasons = {(arm, task): self._refused(task, item.orientation, arm) for arm, task in places}
        return {place: reason for place, reason in reasons.items() if reason is not None}

    def _refused(self, task: str, orientation: str, arm: str) -> str | None:
        """Why an arm with one setting as another arm has it does not run, if it does not."""
        chosen = self._arm(arm)
        if not isinstance(chosen, Switched):
            return None
        try:
            if self.settings(arm) == self.settings(chosen.base):
                return f"{chosen.base} and {chosen.other} have the same in study {self.name}"
            self._hold(self.run(task, orientation, arm, self.study.seeds[0]))
        except UserError as error:
            return str(error)
        return None

    def figure(self, name: str) -> Any:
        """A figure, of its kind (`pcl/report/figures/base.py`); raises UserError where there is none."""
        if name not in self.config.every_figure:
            raise UserError(f"figure: no such figure{did_you_mean(name, self.config.every_figure)}")
        kind = registry.get("pcl.report.figures", "Figure", self.config.every_figure[name].kind)
        return kind(self, name)

    def precomputed(self, figure: str) -> Path | None:
        """The file of what takes long enough in a figure to carry a key too; None where it needs only a summary."""
        if not self.figure(figure).precomputed:
            return None
        shown = self.config.every_figure[figure].model_dump(exclude={"title"})
        name = key({"shown": shown, "runs": [str(run.path) for run in self.runs(figure)]})
        return layout.FIGURE.path(figure=figure, key=name)

    def tasks(self, item: Table) -> list[str]:
        """The tasks of a table."""
        return self.study.tasks if item.tasks == "all" else [self.study.ablation]

    def check(self) -> None:
        """Raise UserError with everything in the study, and in every arm, that cannot be resolved."""
        problems = dict.fromkeys(str(problem) for problem in self._problems())
        if problems:
            raise UserError("\n".join(problems))

    def _problems(self) -> Iterator[UserError | str]:
        yield from unknown_keys(self.config, self.name)
        own = (name for name, arm in self.catalogue.arms.items() if not isinstance(arm, Switched))
        steps = [partial(self.settings, arm) for arm in own]
        steps += [partial(self.orientations, task) for task in self.study.tasks]
        steps += [partial(self._askable, report) for report in (*self.catalogue.tables, *self.config.every_figure)]
        for step in steps:
            try:
                step()
            except UserError as error:
                yield error

    def _askable(self, report: str) -> None:
        """Raise UserError where the runs of a report cannot be planned, or cannot ask what they may ask."""
        if not self.concerns(report):
            return
        if report in self.config.every_figure:
            self.figure(report).check()
        for run in self.runs(report):
            if run.seed == self.study.seeds[0]:
                self._hold(run)

    def _hold(self, run: Run) -> None:
        """Hold a run against the number of its training images, where that is known; raises UserError."""
        images = run.data.dataset.training_images()
        if images is not None:
            check_size(run, images)
            if run.budget:
                check_budget(run, images)

    def _of(self, report: str) -> Iterator[Run]:
        if report in self.catalogue.tables:
            item = self.catalogue.tables[report]
            left_out = self.lacking(item) | self.refused(item).keys()
            for task, orientation, arm in product(self.tasks(item), item.orientations, item.arms):
                if (arm, task) in left_out:
                    continue
                for budget in self.askable(task, orientation, arm, item.budgets) if item.budgets else [None]:
                    yield from (self.run(task, orientation, arm, seed, budget) for seed in self.study.seeds)
        elif report in self.config.every_figure:
            yield from self.figure(report).runs()
        else:
            known = [*self.catalogue.tables, *self.config.every_figure]
            raise UserError(f"report: no such table or figure{did_you_mean(report, known)}")
