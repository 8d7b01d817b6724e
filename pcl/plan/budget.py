"""Whether a run fits the number of its training images, and can ask what it may ask."""

from __future__ import annotations

from pcl.engine.stage import most_questions
from pcl.errors import UserError
from pcl.plan.identities import Run


class BudgetError(UserError):
    """A number of questions that an arm cannot ask."""


class NeedsClusters(UserError):
    """An arm that must be told how many clusters there are, on a task whose number nobody knows."""


def check_size(run: Run, images: int) -> None:
    """Hold a run's clusters and settings against so many training images; raises UserError where they are too few."""
    try:
        run.method(run.settings, run.clusters, run.budget).fits(images)
    except UserError as error:
        raise UserError(f"arm {run.arm} in study {run.study} on {run.data.name}: {error}") from error


def check(run: Run, images: int) -> None:
    """Hold a run's budget against the pairs, and the steps, in which it can be asked.

    Args:
        run: any; one that takes answers over asks nothing itself.
        images: training images of its data set.

    Raises:
        BudgetError: the budget is too large; the message names the key that sets it.
    """
    if run.answers is not None:
        return
    where = f"budget: {run.budget} questions for arm {run.arm}, but"
    least = (run.clusters or 2) - 1
    if not run.method.network and run.budget < least:
        raise BudgetError(
            f"{where} {run.clusters or 'any'} clusters take {least} at least; raise "
            f"studies.{run.study}.budgets.{run.task} (or curve)"
        )
    if run.method.network:
        pairs, steps = most_questions(run.method(run.settings, run.clusters, run.budget).stages(), images)
    else:
        pairs = steps = images * (images - 1) // 2
    remedy = f"lower studies.{run.study}.budgets.{run.task} (or curve)"
    if run.budget > pairs:
        raise BudgetError(f"{where} its {images} training images make only {pairs} pairs that can be asked; {remedy}")
    if run.budget > steps:
        raise BudgetError(
            f"{where} it asks no more than {steps}: one in each batch of every epoch; {remedy}, or train longer"
        )
