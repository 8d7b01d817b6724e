"""What the rules ask of params.yaml: which run writes a path, and what it needs. Nothing here imports torch."""

import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))  # pcl from beside this folder, installed or not

from pcl import config as configuration
from pcl import inventory, layout, warm
from pcl.errors import UserError
from pcl.plan import Plans

if config or workflow.config_settings.configfiles:
    raise WorkflowError(
        "--config and --configfile change nothing here; edit params.yaml, or try a setting with `dvc exp run -S KEY=VALUE`"
    )
try:
    PLANS = Plans(configuration.load())
except UserError as error:
    raise WorkflowError(str(error))
CONFIG = PLANS.config


def pcl_of_this_folder():
    """What `pcl` is in a job: the Python and the package that planned it, whatever PATH and installed packages are."""
    folders = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    words = shlex.join(["env", f"PYTHONPATH={folders}", sys.executable, "-P", "-m", "pcl"])
    return f'set -euo pipefail; pcl() {{ {words} "$@"; }}; '


PRETRAINING = layout.PRETRAINING.template
RUN = layout.RUN.template
FIGURE = layout.FIGURE.template
FEATURES = layout.FEATURES.template


@cache
def find(**place):
    place |= {name: int(place[name]) for name in ("budget", "seed") if name in place}
    return PLANS.pretraining(**place) if "scope" in place else PLANS.run(**place)


@cache
def features_at(**place):
    return PLANS.features(**place | {"seed": int(place["seed"])})


def features_of(wildcards):
    """The representation at a path, and the study that it is of."""
    return features_at(**wildcards)


def run_of(wildcards):
    """The run at a path, or one that starts from the pretraining at a path."""
    return find(**wildcards)


def plan_of(wildcards):
    """The study of a run or a figure's own file; of a report, the one its folder names, or the selected one."""
    if "at" in wildcards.keys():
        return PLANS.studies[wildcards.at[:-1] or CONFIG.study]
    if "name" in wildcards.keys() and "orientation" not in wildcards.keys():
        return features_of(wildcards)[0]
    if "figure" in wildcards.keys():
        return PLANS.precomputing(wildcards.figure, wildcards.key)
    return PLANS.studies[run_of(wildcards).study]


def study_of(wildcards):
    return plan_of(wildcards).name


def asks(resource):
    """How much of a resource the study gives to a job."""
    return lambda wildcards: getattr(plan_of(wildcards).study.resources, resource)


def needed_to_pretrain(wildcards):
    """Data, targets and what its network stands on. Content is in the path, dates mean nothing: hence ancient()."""
    run = run_of(wildcards)
    if run.interactive and not run.folder.complete:
        raise WorkflowError(f"arm {run.arm} asks a person, which no job can do; answer by hand: {run.command}")
    targets = [target.path for target in run.targets.values()]
    frozen = [run.frozen.last] if run.frozen else []
    return [ancient(str(path)) for path in (run.data.path / "manifest.json", *targets, *frozen)]


def needed_to_train(wildcards):
    """Data, targets, pretraining where there is one, and the runs whose features or answers are taken."""
    run = run_of(wildcards)
    others = [run.pretraining, run.source, run.answers]
    more = [other.folder.last for other in others if other] + [own.last for own in run.features if own != run.frozen]
    return needed_to_pretrain(wildcards) + [ancient(str(path)) for path in more]


def needed_to_represent(wildcards):
    """Data, and the network where there is one."""
    features = features_of(wildcards)[1]
    network = [features.network.folder.last] if features.network else []
    return [ancient(str(path)) for path in (features.data.path / "manifest.json", *network)]


def scores(runs):
    """The last file that each run writes."""
    return [str(run.folder.last) for run in runs]


def drawn_from(plan, at, figure):
    """What a figure is drawn from: a file of its own that took long to compute, or the summary of its runs."""
    return str(plan.precomputed(figure) or f"results/summary/{at}{figure}.csv")


def images_of(runs):
    """What says of every image which cluster it was given and which it should have."""
    targets = {str(target.path) for run in runs for target in run.targets.values()}
    return [ancient(path) for path in [*scores(runs), *sorted(targets)]]


def kind_of(wildcards):
    """The file of a figure's kind."""
    return f"report/figures/{CONFIG.every_figure[wildcards.figure].kind}.py"


def code(*patterns):
    """Source files of pcl, which what is cheap takes as inputs: made again when they change, which no run is."""
    found = {path for pattern in patterns for path in (ROOT / "pcl").glob(pattern)}
    names = sorted(os.path.relpath(path) for path in found if path.is_file() and path.suffix != ".pyc")
    # With --directory a name may lead through a folder with braces, which Snakemake would fill in.
    return [name for name in names if "{" not in name]


def one_of(names):
    """An expression for these names alone; it matches nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def reports(at, names):
    """Those of some tables or figures that the study has whose reports lie there."""
    shown = PLANS.studies[at[:-1] or CONFIG.study].reports
    return [name for name in names if name in shown]


def tables(at):
    return [f"reports/{at}{name}.csv" for name in reports(at, CONFIG.tables)]


def figures(at):
    return [f"reports/{at}{name}.svg" for name in reports(at, CONFIG.figures)]


warm.offer(os.environ)
shell.prefix(pcl_of_this_folder().replace("{", "{{").replace("}", "}}"))  # single braces would be filled in
inventory.date_back([layout.RESULTS, "reports"], ["params.yaml", *code("**/*")])
