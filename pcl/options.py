"""What several commands take on the command line, and what they do with it."""

from __future__ import annotations

import os
from typing import Any

import click

from pcl import config as configuration

STUDY = click.option("--study", help="The study whose settings count; the one params.yaml selects unless given.")
SEED = click.option("--seed", type=int, default=0, show_default=True)
BUDGET = click.option("--budget", type=int, help="Questions; the study's budget for the task unless given.")
KEY = click.option("--key", help="Stop unless the path to be written carries this key.")
THREADS = click.option("--threads", type=int, default=1, show_default=True, help="Processor threads of torch.")


def plan_of(ctx: click.Context, study: str | None) -> Any:
    """A study of the config file that the command line names."""
    from pcl.plan import Plan

    return Plan(configuration.load(ctx.obj), study)


def use_threads(count: int) -> None:
    """Torch and scikit-learn read the first variable when they are imported, which is inside the commands.

    Numba reads the second, else takes a thread for every processor, and torch then has as many.
    """
    os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = str(count)
