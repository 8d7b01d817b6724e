"""What the rules ask of params.yaml: which run leaves a path, and what it needs. Nothing here imports torch."""

import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir).parent))  # pcl from beside this folder, installed or not

from pcl import config as configuration
from pcl.errors import UserError
from pcl.plan import Plans

try:
    CONFIG = configuration.load()
except UserError as error:
    raise WorkflowError(str(error))
PLANS = Plans(CONFIG)
CURVES = [name for name, figure in CONFIG.figures.items() if figure.kind == "curve"]
PROJECTIONS = [name for name in CONFIG.figures if name not in CURVES]

DATA = "results/data/{dataset}/{key}"
TARGETS = "results/tasks/{task}/{orientation}/{key}"
PRETRAINING = "{scope}/{orientation}/{method}/{key}/seed{seed}"
RUN = "{task}/{orientation}/{arm}/q{budget}/{key}/seed{seed}"


@cache
def find(**place):
    place |= {name: int(place[name]) for name in ("budget", "seed") if name in place}
    try:
        return PLANS.pretraining(**place) if "scope" in place else PLANS.run(**place)
    except UserError as error:
        raise WorkflowError(str(error))


def run_of(wildcards):
    """The run at a path, or one that starts from the pretraining at a path."""
    return find(**wildcards)


def plan_of(wildcards):
    """The study of a report: the one its folder is named after, or the one params.yaml selects."""
    return PLANS.studies[wildcards.at.rstrip("/") or CONFIG.study]


def asks(resource):
    """How much of a resource the study of a run gives to it."""
    return lambda wildcards: getattr(PLANS.studies[run_of(wildcards).study].study.resources, resource)


def needed_to_pretrain(wildcards):
    """Data and targets. Their content is in the path, so their dates mean nothing: hence ancient()."""
    run = run_of(wildcards)
    targets = [target.path for target in run.targets.values()]
    return [ancient(str(path)) for path in (run.data.path / "manifest.json", *targets)]


def needed_to_train(wildcards):
    """Data, targets, pretraining where there is one, and the run whose features are clustered."""
    run = run_of(wildcards)
    more = [run.pretraining.path / "spec.json"] if run.pretraining else []
    more += [run.source.path / "metrics.json"] if run.source else []
    return needed_to_pretrain(wildcards) + [ancient(str(path)) for path in more]


def scores(runs):
    """The last file that each run writes."""
    return [str(run.path / "metrics.json") for run in runs]


def reports(at):
    """One file of every table and figure of a study."""
    suffixes = {**dict.fromkeys(CONFIG.tables, "csv"), **dict.fromkeys(CONFIG.figures, "svg")}
    return [f"reports/{at}{name}.{suffix}" for name, suffix in suffixes.items()]
