"""The commands of a reviewer: whether the numbers are right, which have moved, and what a study would cost."""

from __future__ import annotations

import json
from dataclasses import asdict
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


@click.command()
@click.argument("base")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with the cells that moved by less.")
@STUDY
@click.pass_context
def compare(ctx: click.Context, base: str, as_json: bool, study: str | None) -> None:
    """Say which cells of the tables have moved against BASE by more than their spread, as Markdown.

    BASE is a folder of tables, or a revision of git, whose reports/metrics/ is taken.
    """
    from pcl import moved

    plan = plan_of(ctx, study)
    found = moved.compare(base, Path("reports", "" if plan.name == plan.config.study else plan.name))
    click.echo(json.dumps(moved.as_json(found), indent=2) if as_json else moved.as_markdown(found))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@STUDY
@click.pass_context
def plan(ctx: click.Context, as_json: bool, study: str | None) -> None:
    """Say what a study takes: runs, hours and disk by method, measured by the runs on disk, and what is shared."""
    from pcl import cost
    from pcl.plan import Plans

    plans = Plans(configuration.load(ctx.obj))
    found = cost.of_study(plan_of(ctx, study), plans)
    click.echo(json.dumps(asdict(found), indent=2) if as_json else "\n".join(cost.words(found)))


@click.command()
@click.argument("out", type=layout.path)
@STUDY
@click.pass_context
def crate(ctx: click.Context, out: Path, study: str | None) -> None:
    """Write a finished study to OUT, a .zip, as an RO-Crate: all that its numbers follow from but the images."""
    from pcl import crate as crates

    count = crates.write(plan_of(ctx, study), out, ctx.obj)
    click.echo(f"{out}: {count} files of results and reports, and params.yaml and the workflow")


COMMANDS = (verify, compare, plan, crate)
"""In the order in which they are listed."""
