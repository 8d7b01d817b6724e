"""Who answers "same cluster?": each file is an oracle, named in params.yaml by its file name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from pcl import registry
from pcl.config import did_you_mean
from pcl.errors import UserError
from pcl.oracles.base import BudgetExhausted, Oracle

__all__ = ["BudgetExhausted", "Oracle", "get", "make", "names"]


def names() -> list[str]:
    """The oracles that there are."""
    return registry.names(__name__, "Oracle")


def get(name: str) -> type[Oracle]:
    """The class of one oracle.

    Raises:
        UserError: there is no oracle of that name.
    """
    return registry.get(__name__, "Oracle", name)


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
    oracle = get(name)
    known = inspect.signature(oracle).parameters.keys() - {"labels", "budget", "seed"}
    for setting in sorted(settings.keys() - known):
        raise UserError(f"oracle {name}: no such setting{did_you_mean(setting, known)}")
    for setting in sorted(known - settings.keys()):
        raise UserError(f"oracle {name}: the setting {setting!r} is missing")
    return oracle(labels, budget=budget, seed=seed, **settings)
