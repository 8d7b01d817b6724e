"""Arms whose network stands on a representation in the place of images: `backbone: {frozen: NAME}`."""

from __future__ import annotations

from typing import Any

from pcl.errors import UserError, did_you_mean
from pcl.plan.catalogue import Catalogue


def frozen_of(settings: Any) -> str | None:
    """The representation that the settings of an arm name for its backbone."""
    backbone = getattr(settings, "backbone", None)
    return None if backbone is None else backbone.frozen


def check(known: Catalogue, study: str, arm: str) -> None:
    """Hold the frozen backbone of an arm against the representations there are.

    Raises:
        UserError: there is none of that name, it keeps no views though the method draws some, or its network is,
            perhaps by way of others, that of the arm itself.
    """
    here, method = f"arms.{arm}.settings (in study {study}): backbone.frozen", known.method(arm)
    name = frozen_of(known.settings(study, arm))
    assert name is not None, "an arm with a frozen backbone is checked"
    if name not in known.config.representations:
        raise UserError(f"{here}: no representation{did_you_mean(name, known.config.representations)}")
    if getattr(method, "draws_views", False) and not getattr(known.config.representations[name], "views", 0):
        raise UserError(
            f"{here}: {name} keeps no random views, which {known.arm(arm).method} learns from; set "
            f"representations.{name}.views, such as 4"
        )
    passed: list[str] = []
    todo = [arm]
    while todo:
        other = todo.pop()
        if other in passed:
            raise UserError(
                f"{here}: {name} is made by the network of {other}, which stands on {name} itself; give that arm a "
                "backbone of its own"
            )
        passed.append(other)
        below = frozen_of(known.settings(study, other))
        if below in known.config.representations:
            todo += known.config.representations[below].named
