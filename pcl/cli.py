"""The command line: every step of the pipeline by hand.

Heavy imports stay inside the commands, so that `pcl --help` and the aggregating steps start quickly.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from pcl import config as configuration
from pcl import gpus, layout, numerics, reporting, reviewing
from pcl.errors import UserError
from pcl.label import commands as label_commands
from pcl.options import BUDGET, KEY, SEED, STUDY, THREADS, plan_of, use_threads


class Commands(click.Group):
    """Commands in the order of the data flow; what a user can fix is one message and exit status 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The order of definition."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            problem = str(error)
        except OSError as error:
            if error.filename is None:
                raise
            problem = f"{error.filename}: {error.strerror}; see that it is there and may be used"
        click.echo(f"error: {problem}", err=True)
        return sys.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--params", type=layout.path, default=configuration.PARAMS, show_default=True, help="The config file.")
@click.version_option(package_name="pcl")
@click.pass_context
def main(ctx: click.Context, params: Path) -> None:
    """Personalised clustering: relabel, pretrain, ask and train, score, and draw the tables and figures."""
    ctx.obj = params


def _expect(key: str | None, path: Path, found: str) -> None:
    if key is not None and key != found:
        raise UserError(
            f"{path}: made with key {key}, but params.yaml now says {found}; that file or pictures were edited after "
            "this job was planned, so start snakemake again"
        )


@main.command()
@STUDY
@click.pass_context
def check(ctx: click.Context, study: str | None) -> None:
    """Say what is wrong with params.yaml, and what data the study has and lacks."""
    from pcl import inventory
    from pcl.plan import Plans

    plans = Plans(configuration.load(ctx.obj))
    problems = inventory.problems(plans)
    if problems:
        raise UserError("\n  ".join([f"{ctx.obj}: {len(problems)} problems", *problems]))
    plan = plan_of(ctx, study)
    for name, each in plans.studies.items():
        runs = each.all_runs()
        click.echo(f"study {name}: {sum(run.folder.complete for run in runs)} of {len(runs)} runs complete")
    for line in inventory.lacking(plan):
        click.echo(line)
    for name, state in inventory.state_of_data(plan):
        click.echo(f"data {name}: " + state.replace("\n", "\n  "))


@main.command("list")
def list_registered() -> None:
    """List data sets, orientations, methods, strategies and oracles, each with its source."""
    from pcl import inventory

    for kind, name, first_line, source in inventory.registered():
        click.echo(f"{kind} {name}: {first_line}" + (f"\n    {source}" if source else ""))


@main.group()
def new() -> None:
    """Write a first version of a new plug-in."""


@new.command("method")
@click.argument("name")
@click.option("--network", is_flag=True, help="One that trains a network; else it clusters features.")
def new_method(name: str, network: bool) -> None:
    """Write a method that passes the contract, and its page."""
    from pcl import skeleton

    for path in skeleton.method(name, network=network):
        click.echo(path)
    click.echo(f"next: name it in params.yaml, `arms: {{{name}: {{method: {name}, title: …}}}}` (docs/extending.md)")


@main.command()
@click.option("--report", help="Only the runs behind this table or figure.")
@click.option("--task", help="Only the runs of this task.")
@click.option("--arm", help="Only the runs of this arm, be it in a table or not.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every word of the path.")
@STUDY
@click.pass_context
def runs(
    ctx: click.Context, report: str | None, task: str | None, arm: str | None, as_json: bool, study: str | None
) -> None:
    """List the runs of a study: what `snakemake PATH` makes, and whether it is complete."""
    from pcl import inventory

    found = inventory.runs(plan_of(ctx, study), report, arm, task)
    if as_json:
        click.echo(json.dumps([inventory.described(run) for run in found], indent=2))
        return
    for run in found:
        click.echo(f"{'complete' if run.folder.complete else 'missing '}  {run.folder.last}")
    for line in inventory.lacking(plan_of(ctx, study), arm):
        click.echo(line, err=True)
    click.echo(f"{sum(run.folder.complete for run in found)} of {len(found)} complete", err=True)


@main.command()
@click.option("--yes", is_flag=True, help="Delete them.")
@click.pass_context
def prune(ctx: click.Context, yes: bool) -> None:
    """List, or delete, runs, pretrainings, data and targets that no report of any study needs."""
    from pcl import inventory
    from pcl.plan import Plans

    found = inventory.unused(Plans(configuration.load(ctx.obj)))
    for path in found:
        click.echo(path)
        if yes:
            inventory.delete(path)
    click.echo(f"{len(found)} {'deleted' if yes else 'unused; --yes deletes them'}", err=True)


@main.command()
@click.argument("dataset")
@click.option("--to", type=layout.path, help="The raw folder; PCL_DATA, or data, unless given.")
@click.option("--from", "source", help="A file, a folder or another address to take it from.")
@click.pass_context
def data(ctx: click.Context, dataset: str, to: Path | None, source: str | None) -> None:
    """Download a data set's published files; what broke off goes on."""
    from pcl import datasets, progress
    from pcl.datasets.download import download

    published = dataset in datasets.registry()
    chosen = datasets.make(dataset, {}, to) if published else plan_of(ctx, None).data_set(dataset).dataset
    with progress.console.status(dataset) as status:
        paths = download(chosen, source, status.update)
    for path in paths:
        click.echo(path)


@main.command()
@click.argument("dataset")
@KEY
@click.pass_context
def prepare(ctx: click.Context, dataset: str, key: str | None) -> None:
    """Read a data set from its own files into arrays with a manifest."""
    from pcl import datasets

    data = plan_of(ctx, None).data_set(dataset)
    _expect(key, data.path, data.key)
    datasets.prepare(data.dataset, data.path)


@main.command()
@click.argument("task")
@click.argument("orientation")
@KEY
@click.pass_context
def relabel(ctx: click.Context, task: str, orientation: str, key: str | None) -> None:
    """Map a data set's classes to the target clusters of an orientation."""
    from pcl import datasets, orientations

    target = plan_of(ctx, None).target(task, orientation)
    if target is None:
        raise UserError(f"tasks.{task}.orientations.{orientation}: null, so there are no target clusters to write")
    _expect(key, target.path, target.key)
    orientations.write(target.map, datasets.load(target.data.path), target.path)


@main.command()
@click.argument("task")
@click.argument("name")
@SEED
@STUDY
@THREADS
@KEY
@click.pass_context
def represent(
    ctx: click.Context, task: str, name: str, seed: int, study: str | None, threads: int, key: str | None
) -> None:
    """Make features of all images of a task, without any answer."""
    plan = plan_of(ctx, study)
    features = plan.features(task, name, seed)
    _expect(key, features.path, features.key)
    use_threads(threads)
    numerics.want(plan.study.numerics)
    gpus.take()
    from pcl.run import execute

    click.echo(execute.represent(features))


def _on_a_run(command: Callable[[Any, str | None], None]) -> Callable[..., None]:
    """A command on one run: the words and options that name it, its threads, and the key that it must have."""

    @click.argument("place", nargs=3, metavar="TASK ORIENTATION ARM")
    @SEED
    @BUDGET
    @STUDY
    @THREADS
    @KEY
    @click.pass_context
    @wraps(command)
    def with_the_run(
        ctx: click.Context, /, place: tuple[str, str, str], seed: int, budget: int | None, study: str | None,
        threads: int, key: str | None,
    ) -> None:  # fmt: skip
        task, orientation, arm = place
        run = plan_of(ctx, study).run(task, orientation, arm, seed, budget)
        use_threads(threads)
        numerics.want(run.numerics)
        gpus.take()
        command(run, key)

    return with_the_run


@main.command()
@_on_a_run
def pretrain(run: Any, key: str | None) -> None:
    """Train what arms and budgets share, on a first few random answers."""
    from pcl.run import execute

    if run.pretraining is not None:
        _expect(key, run.pretraining.path, run.pretraining.key)
    click.echo(execute.pretrain(run))


@main.command()
@_on_a_run
def train(run: Any, key: str | None) -> None:
    """Ask, train, assign and score one run."""
    from pcl.run import execute

    _expect(key, run.path, run.key)
    if run.interactive:  # no rule asks a person
        for features in run.representations:
            execute.represent(features)
        if run.pretraining is not None:
            execute.pretrain(run)
    click.echo(execute.train(run))


for _command in (*reporting.COMMANDS, *reviewing.COMMANDS, *label_commands.COMMANDS):
    main.add_command(_command)
