"""The names in params.yaml: every one of them points to something, and no two things have one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pcl.errors import did_you_mean

if TYPE_CHECKING:
    from pcl.config import Config

ORIENTATIONS = {"any": "runs that belong to no orientation have this name", "before": "figures call untrained so"}
STUDIES = ("data", "tasks", "features", "pretrain", "runs", "figures", "summary", "metrics")
"""Folders beside those of studies in results/ and reports/."""
REPORTS = ("index", "findings", "runs", "page", "theme", "filter", "count")
"""The page's file, and the places on it that a link can lead to."""


def problems(config: Config) -> Iterator[str]:
    """A line for every name that points to nothing, or that another thing has."""
    yield from _taken(config)
    yield from _missing("study", [config.study], config.studies, "study")
    for name, arm in config.arms.items():
        for other in ("source", "answers"):
            named = getattr(arm, other)
            yield from _missing(f"arms.{name}.{other}", [named] if named else [], config.arms, "arm")
        yield from _missing(f"arms.{name}.features", arm.features, config.representations, "representation")
    for name, representation in config.representations.items():
        yield from _missing(f"representations.{name}", representation.named, config.arms, "arm")
    for key, tables in _tables(config):
        for name, table in tables.items():
            yield from _missing(f"{key}.{name}", table.arms, config.arms, "arm")
            titles = getattr(table, "titles", {})
            yield from _missing(f"{key}.{name}.titles", titles, table.arms, "arm of the table")
    for name, pair in config.switches.items():
        first, second = (config.arms.get(arm) for arm in pair.arms)
        for word in ("method", "oracle", "features", "source", "answers"):
            if first and second and getattr(first, word) != getattr(second, word):
                yield f"switches.{name}.arms: {' and '.join(pair.arms)} differ in {word}; name two that do not"
    for name, figure in config.every_figure.items():
        here = "figures" if name in config.figures else "figures_on_request"
        yield from _missing(f"{here}.{name}", figure.named, config.arms, "arm")
        yield from _missing(f"{here}.{name}", figure.of_tasks, config.tasks, "task")
    for name, study in config.studies.items():
        here = f"studies.{name}"
        yield from _missing(f"{here}.tasks", study.tasks, config.tasks, "task")
        yield from _missing(f"{here}.ablation", [study.ablation], study.tasks, "task of the study")
        yield from _missing(f"{here}.projection", [study.projection], study.tasks, "task of the study")
        yield from _missing(f"{here}.budgets", study.budgets, study.tasks, "task of the study")
        for task in study.tasks:
            if task not in study.budgets:
                yield f"{here}.budgets.{task}: required, but not given"


def _tables(config: Config) -> Iterable[tuple[str, Any]]:
    made = (("cross", config.cross), ("switches", config.switches))
    return ("tables", config.tables), ("on_request", config.on_request), *made


def _missing(where: str, names: Iterable[str], known: Iterable[str], what: str) -> Iterator[str]:
    known = list(known)
    return (f"{where}: no {what}{did_you_mean(name, known)}" for name in names if name not in known)


def _taken(config: Config) -> Iterator[str]:
    """Names that something else has, be it in other letters: on some disks those are one file."""
    for name, task in config.tasks.items():
        yield from _alike({f"tasks.{name}.orientations": task.orientations}, "orientation", ORIENTATIONS)
    for key in ("datasets", "tasks", "representations", "arms"):
        yield from _alike({key: getattr(config, key)}, key.removesuffix("s"))
    yield from _alike(
        {"studies": config.studies}, "study", dict.fromkeys(STUDIES, "a folder beside it has this name")
    )
    reports = {"figures": config.figures, "figures_on_request": config.figures_on_request, **dict(_tables(config))}
    yield from _alike(reports, "table or figure", dict.fromkeys(REPORTS, "the page has a place of this name"))


def _alike(
    entries: Mapping[str, Mapping[str, Any]], what: str, reserved: Mapping[str, str] | None = None
) -> Iterator[str]:
    reserved = reserved or {}
    taken: set[str] = set()
    for key, names in entries.items():
        for name in names:
            if name.lower() in reserved:
                yield f"{key}.{name}: {reserved[name.lower()]}; give it another"
            elif name.lower() in taken:
                yield f"{key}.{name}: another {what} has this name; give it its own"
            taken.add(name.lower())
