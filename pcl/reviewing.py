"""The commands of a reviewer: whether the numbers are right, which have moved, and what a study would cost."""

from __future__ import annotations

from pathlib import Path

import click

from pcl import config as configuration
from pcl import layout
from pcl.errors import UserError
from pcl.options import STUDY, plan_of


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=layout.path)
@STUDY
@click.pass_context
def verify(ctx: click.Context, paths: tuple[Path, ...], study: str | None) -> None:
    """Hold files against their digests, and compute anew what follows from others: scores, tables, figures.

    PATH is a run's folder, a report, or a folder of results/ or reports/; without one, all of the study is verified.
    """
    from pcl import verify as verifying
    from pcl.plan import Plans

    plans = Plans(configuration.load(ctx.obj))
    steps = [step for path in paths for step in verifying.at(plans, path)] or verifying.of_study(plan_of(ctx, study))
    problems = verifying.problems(steps)
    if problems:
        raise UserError("\n  ".join([f"{len(problems)} files are not what they should be", *problems]))
    for step in steps if paths else ():
        click.echo(f"right: {step.last}")
    click.echo(f"verified: {len(steps)} data sets, targets, features, pretrainings, runs and reports are right")


COMMANDS = (verify,)
"""In the order in which they are listed."""
