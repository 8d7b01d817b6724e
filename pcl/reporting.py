"""The commands that gather scores and make tables, figures and the page of them."""

from __future__ import annotations

from pathlib import Path

import click

from pcl import layout, numerics
from pcl.options import STUDY, THREADS, plan_of, use_threads


@click.command()
@click.option(
    "--out", type=layout.path, required=True, help="The CSV to write: a row per run, orientation and split."
)
@click.option("--report", "reports", multiple=True, help="A table or figure; all of them unless given.")
@STUDY
@click.pass_context
def collect(ctx: click.Context, out: Path, reports: tuple[str, ...], study: str | None) -> None:
    """Gather the scores of the runs behind tables and figures."""
    from pcl import stats

    plan = plan_of(ctx, study)
    runs = {run.path: run for report in reports or plan.reports for run in plan.runs(report)}
    stats.write(stats.collect(runs.values()), out)


@click.command()
@click.argument("figure")
@click.option("--out", type=layout.path, required=True, help="The .npz to write.")
@STUDY
@THREADS
@click.pass_context
def precompute(ctx: click.Context, figure: str, out: Path, study: str | None, threads: int) -> None:
    """Compute what takes long in a figure, such as features in two dimensions."""
    plan = plan_of(ctx, study)
    use_threads(threads)
    numerics.want(plan.study.numerics)
    plan.figure(figure).precompute(out)


@click.command()
@click.argument("name")
@click.option("--summary", type=layout.path, required=True, help="What `pcl collect` wrote.")
@click.option("--out", type=layout.path, required=True, help="Where to write, less the endings .csv, .md and .tex.")
@STUDY
@click.pass_context
def table(ctx: click.Context, name: str, summary: Path, out: Path, study: str | None) -> None:
    """Fill one table."""
    from pcl import stats
    from pcl.intervals import Images
    from pcl.report import tables

    plan = plan_of(ctx, study)
    tables.write(tables.build(plan, name, stats.read_of(summary, plan.runs(name)), Images(plan.runs(name))), out)


@click.command()
@click.argument("name")
@click.option("--source", type=layout.path, required=True, help="What `pcl collect` or `pcl precompute` wrote of it.")
@click.option(
    "--out", type=layout.path, required=True, help="Where to write, less the endings .svg, .png, .pdf and .csv."
)
@STUDY
@click.pass_context
def figure(ctx: click.Context, name: str, source: Path, out: Path, study: str | None) -> None:
    """Draw one figure."""
    from pcl.report import drawing

    drawing.write(plan_of(ctx, study).figure(name).drawing(source), out)


@click.command()
@click.option("--summary", type=layout.path, required=True, help="What `pcl collect` wrote of all reports.")
@click.option("--figure", "drawn", type=layout.path, multiple=True, help="An SVG that `pcl figure` wrote.")
@click.option("--out", type=layout.path, required=True, help="The page to write, beside the tables and figures.")
@STUDY
@click.pass_context
def page(ctx: click.Context, summary: Path, drawn: tuple[Path, ...], out: Path, study: str | None) -> None:
    """Put the tables, the figures and every run on one page."""
    from pcl import stats
    from pcl.report import page as report

    plan = plan_of(ctx, study)
    report.write(plan, stats.read_of(summary, plan.all_runs()), drawn, out)


COMMANDS = (collect, precompute, table, figure, page)
"""In the order of the data flow."""
