"""A finished study as an RO-Crate: a .zip of what its numbers follow from, with a description that machines read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from pcl import artifacts, layout, verify
from pcl.config import PARAMS
from pcl.errors import UserError
from pcl.plan import Plan, Run

ROOT = Path(__file__).parents[1]
LEFT_OUT = (layout.RESULTS / "data", layout.RESULTS / "features")


def write(plan: Plan, out: Path, params: Path = PARAMS) -> int:
    """Write the crate of a study; the number of its files.

    In it are params.yaml, the workflow, target clusters, pretraining, runs, summaries and reports; not the images and
    features, which may be another's. Each run is an action with the time at which it ended.

    Source: Soiland-Reyes et al., "Packaging research artefacts with RO-Crate", Data Science 5(2), 2022.

    Args:
        plan: of the study.
        out: the .zip.
        params: the config file that the plan is of.

    Raises:
        UserError: a run or report is missing, the package is, or the file cannot be written.
    """
    paths = sorted(set(_paths(plan)))
    _check_finished(plan, paths)
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise UserError("RO-Crates are written by the package rocrate; pip install rocrate") from None
    crate: Any = ROCrate()
    crate.name = f"Personalised clustering, study {plan.name}: {plan.study.title}"
    crate.description = "Runs, and the tables and figures made from them; `pcl verify reports` checks them."
    crate.license = "https://spdx.org/licenses/MIT"
    workflow = crate.add_workflow(ROOT / "workflow/Snakefile", "workflow/Snakefile", main=True, lang="snakemake")
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        crate.add_file(path, f"workflow/rules/{path.name}")
    settings = crate.add_file(params, PARAMS.name)
    files = {path: crate.add_file(path, path.as_posix()) for path in paths}
    for run in plan.all_runs():
        given = [settings, *(files[target.path] for target in run.targets.values())]
        made = [files[path] for path in (run.folder.last, *run.folder.files) if path in files]
        crate.add_action(workflow, f"#{run.path}", object=given, result=made, properties=_action(run))
    crate.datePublished = max(datetime.fromisoformat(_action(run)["endTime"]) for run in plan.all_runs())
    with tempfile.TemporaryDirectory() as folder:
        crate.write_zip(Path(folder) / "crate.zip")
        with (Path(folder) / "crate.zip").open("rb") as whole:
            artifacts.write(out, lambda file: shutil.copyfileobj(whole, file))
    return len(paths)


def _check_finished(plan: Plan, paths: list[Path]) -> None:
    runs = plan.all_runs()
    lacking = [run.path for run in runs if not run.folder.complete]
    if lacking:
        raise UserError(
            f"{lacking[0]}: not complete, as are {len(lacking)} of {len(runs)} runs of study {plan.name}; "
            "run snakemake first"
        )
    if not any(path.is_relative_to(verify.REPORTS) for path in paths):
        raise UserError(f"{verify.REPORTS}: nothing of study {plan.name} is in it; run snakemake first")


def _action(run: Run) -> dict[str, str]:
    """What made a run, and when."""
    made = run.folder.read_provenance()
    ended = datetime.fromisoformat(made["finished"])
    return {
        "name": run.name,
        "description": f"`{run.command}` at revision {made['code']} on {made['device']}",
        "startTime": (ended - timedelta(seconds=made["seconds"])).isoformat(),
        "endTime": ended.isoformat(),
    }


def _paths(plan: Plan) -> Iterator[Path]:
    """Every file of a study that a step has written, but images and features."""
    for step in verify.of_study(plan):
        if any(step.last.is_relative_to(folder) for folder in LEFT_OUT):
            continue
        beside = step.last.parent
        own = step.place.rglob("*") if step.place.is_dir() else beside.glob(f"{step.place.stem}.*")
        metrics = (beside / "metrics" / step.place.stem).rglob("*")
        yield from (path for path in chain(own, metrics) if path.is_file() and path.name[0] != ".")
