"""Stage 7: the scores of every run in one tidy table, and their spread over seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.errors import EmptyDataError, ParserError

from pcl import artifacts
from pcl.config import METRICS
from pcl.errors import UserError
from pcl.folder import SPLITS
from pcl.plan import Run

QUESTIONS = (
    "asked",
    "asked_must",
    "asked_cannot",
    "implied_must",
    "implied_cannot",
    "placed",
    "neighbourhoods",
    "closure",
)
COLUMNS = (
    *("task", "orientation", "method", "arm", "title", "budget", "seed", "key", "split"),
    *METRICS,
    *("min_share", "max_share", "found"),
    *QUESTIONS,
    "run",
)
COUNTS = ("budget", "seed")
AGAIN = "make it again with `pcl collect`"
# A key such as 07e10259 would otherwise be read as a number.
TEXTS = ("task", "orientation", "method", "arm", "title", "key", "split", "closure", "run")


def collect(runs: Iterable[Run]) -> pd.DataFrame:
    """One row per run, scored orientation and split, with the columns `COLUMNS`.

    Raises:
        UserError: a run is missing or unreadable, or was made with other settings than params.yaml now says.
    """
    return pd.DataFrame([row for run in runs for row in _rows(run)], columns=list(COLUMNS))


def content(frame: pd.DataFrame) -> str:
    """What `collect` returned as CSV."""
    return frame.to_csv(index=False, lineterminator="\n")


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write `content`."""
    artifacts.write(path, content(frame))


def read(path: Path) -> pd.DataFrame:
    """The frame that `write` wrote.

    Raises:
        UserError: the file is missing or is no summary of runs.
    """
    kinds = dict.fromkeys(COLUMNS, float) | dict.fromkeys(COUNTS, int) | dict.fromkeys(TEXTS, str)
    try:
        frame = pd.read_csv(path, dtype=kinds, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); build it with `snakemake {path}`") from error
    except (EmptyDataError, ParserError, ValueError, OverflowError) as error:
        cause = str(error).splitlines()[0]
        raise UserError(f"{path}: not a summary of runs, or cut short ({cause}); {AGAIN}") from error
    if tuple(frame.columns) != COLUMNS:
        raise UserError(f"{path}: its columns are not those of a summary; {AGAIN}")
    return frame


def read_of(path: Path, runs: Iterable[Run]) -> pd.DataFrame:
    """The same, held against the runs that it must have.

    Raises:
        UserError: also where a run is missing, cut short or there twice: what was collected of other reports, or
            before params.yaml was edited.
    """
    frame = read(path)
    rows = list(zip(frame["run"], frame["orientation"], frame["split"], strict=True))
    wanted = {(run.path.as_posix(), place, split) for run in runs for place in run.targets for split in SPLITS}
    missing = sorted({run for run, *_ in wanted - set(rows)})
    if missing:
        raise UserError(f"{path}: lacks {len(missing)} of the runs that are asked for, such as {missing[0]}; {AGAIN}")
    twice = next((run for run, n in Counter(rows).items() if n > 1), None)
    if twice is not None:
        raise UserError(f"{path}: has {' '.join(twice)} twice; {AGAIN}")
    return frame


def of_runs(frame: pd.DataFrame, runs: Iterable[Run]) -> pd.DataFrame:
    """The rows of a summary that belong to the given runs; rows of other settings are left out."""
    return frame[frame["run"].isin([run.path.as_posix() for run in runs])]


def aggregate(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean, standard deviation (ddof = 1, NaN for one row) and n of every metric in every group of `by`.

    Returns:
        One row per group and metric with the columns of `by`, `metric`, `mean`, `std` and `n`.
    """
    long = frame.melt(id_vars=by, value_vars=list(METRICS), var_name="metric")
    groups = long.groupby([*by, "metric"], sort=False)["value"]
    return groups.agg(mean="mean", std="std", n="count").reset_index()


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    path = run.folder.last
    if not path.exists():
        raise UserError(f"{path}: not there yet; make it with `snakemake --cores 2 {path}`")
    recorded = run.folder.read_last()
    _check(run, recorded, path)
    try:
        questions = {name: recorded["questions"][name] for name in QUESTIONS}
        for orientation, splits in recorded["scores"].items():
            for split, scores in splits.items():
                shares = recorded["shares"][split]
                yield {
                    "task": run.task,
                    "orientation": orientation,
                    "method": run.method_name,
                    "arm": run.arm,
                    "title": run.title,
                    "budget": run.budget,
                    "seed": run.seed,
                    "key": run.key,
                    "split": split,
                    **{name: scores[name] for name in METRICS},
                    "min_share": min(shares),
                    "max_share": max(shares),
                    "found": sum(share > 0 for share in shares),
                    **questions,
                    "closure": questions["closure"] or "",
                    "run": run.path.as_posix(),
                }
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: incomplete ({error}); delete {run.path} and {_again(path)}") from error


def _check(run: Run, recorded: Any, path: Path) -> None:
    """Refuse numbers made with other settings than those planned."""
    found = _flat({name: recorded.get(name) for name in ("spec", "seed")} if isinstance(recorded, dict) else {})
    # Through JSON and back, as the recorded one came.
    wanted = _flat(json.loads(json.dumps({"spec": run.spec, "seed": run.seed})))
    wrong = sorted(name for name in found | wanted if found.get(name, "—") != wanted.get(name, "—"))
    if wrong:
        made = ", ".join(f"{name} {found.get(name, '—')}" for name in wrong)
        now = ", ".join(f"{name} {wanted.get(name, '—')}" for name in wrong)
        raise UserError(f"{path}: made with {made}; params.yaml now says {now}. Delete {run.path} and {_again(path)}")


def _again(path: Path) -> str:
    return f"run `snakemake --cores 2 {path}`"


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested mappings under dotted names."""
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree}
    dotted = {name: f"{prefix}.{name}" if prefix else name for name in tree}
    return {key: leaf for name, below in tree.items() for key, leaf in _flat(below, dotted[name]).items()}
