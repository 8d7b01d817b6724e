"""Who answers "same cluster?": each file is an oracle, named in params.yaml by its file name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcl import registry
from pcl.config import Strict, validate
from pcl.errors import UserError
from pcl.oracles.base import Assignment, Context, Oracle, Question

__all__ = ["Assignment", "Context", "Oracle", "Question", "check", "get", "make", "names", "spec"]


def names() -> list[str]:
    """The oracles that there are."""
    return registry.names(__name__, "Oracle")


def get(name: str) -> type[Oracle]:
    """The class of one oracle.

    Raises:
        UserError: there is no oracle of that name.
    """
    oracle: type[Oracle] = registry.get(__name__, "Oracle", name)
    return oracle


def check(name: str, settings: Mapping[str, Any]) -> Strict:
    """The settings of an oracle.

    Raises:
        UserError: no such oracle, or a setting is unknown, missing or wrong.
    """
    found: Strict = validate(get(name).Settings, dict(settings), f"oracle {name}")
    return found


def spec(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What an oracle's answers depend on but for the targets and the seed; a file counts by its content.

    Raises:
        UserError: no such oracle, or a file of its settings cannot be read.
    """
    oracle, values = get(name), check(name, settings).model_dump(mode="json")
    counted = {key: _digest(value) if key in oracle.files else value for key, value in values.items()}
    return {"name": name, "version": oracle.version, "settings": counted}


def make(name: str, settings: Mapping[str, Any], context: Context) -> Oracle:
    """An oracle that sees the context.

    Raises:
        UserError: no such oracle, or a setting is unknown, missing or wrong.
    """
    return get(name)(check(name, settings), context)


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); an arm's oracle answers from it") from error
