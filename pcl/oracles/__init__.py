"""Who answers "same cluster?": each file is an oracle, named in params.yaml by its file name."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from pcl import registry
from pcl.config import did_you_mean
from pcl.errors import UserError
from pcl.oracles.base import BudgetExhausted, Oracle

__all__ = ["BudgetExhausted", "Oracle", "check", "get", "make", "names", "spec"]


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


def check(name: str, settings: Mapping[str, Any]) -> None:
    """Hold the names of an oracle's settings against those it takes.

    Raises:
        UserError: no such oracle, or an unknown or missing setting.
    """
    signature = inspect.signature(get(name)).parameters
    taken = {k: p for k, p in signature.items() if k not in ("labels", "budget", "seed")}
    for setting in sorted(settings.keys() - taken.keys()):
        raise UserError(f"oracle {name}: no such setting{did_you_mean(setting, taken)}")
    for setting in sorted(k for k, p in taken.items() if p.default is p.empty and k not in settings):
        raise UserError(f"oracle {name}: the setting {setting!r} is missing")


def spec(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What an oracle's answers depend on but for the labels and the seed; a file counts by its content.

    Raises:
        UserError: no such oracle, or a file of its settings cannot be read.
    """
    files = get(name).files
    return {"name": name, "settings": {k: _digest(v) if k in files else v for k, v in settings.items()}}


def make(name: str, settings: Mapping[str, Any], *, labels: ArrayLike, budget: int, seed: int) -> Oracle:
    """An oracle that knows the target clusters `labels` (int [N]) and will answer `budget` questions.

    Args:
        name: its file.
        settings: what the oracle takes beyond the three below, such as `flip` of the noisy one.
        labels: target cluster per image.
        budget: answers that it may still give; after a resume, what is left.
        seed: of everything random in its answers.

    Raises:
        UserError: no such oracle, an unknown or missing setting, or a wrong value.
    """
    check(name, settings)
    return get(name)(labels, budget=budget, seed=seed, **settings)


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); an arm's oracle answers from it") from error
