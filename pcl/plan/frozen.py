"""Arms whose network stands on a representation in the place of images: `backbone: {frozen: NAME}`."""

from __future__ import annotations

from typing import Any

from pcl.config import Config
from pcl.errors import UserError, did_you_mean
from pcl.plan.settings import method_of, resolve


def frozen_of(settings: Any) -> str | None:
    """The representation that the settings of an arm name for its backbone."""
    backbone = getattr(settings, "backbone", None)
    return None if backbone is None else backbone.frozen


def check(config: Config, study: str, arm: str) -> None:
    """Hold the frozen backbone of an arm against the representations there are.

    Raises:
        UserError: there is none of that name, it keeps no views though the method draws some, or its network is,
            perhaps by way of others, that of the arm itself.
    """
    here, method = f"arms.{arm}.settings (in study {study}): backbone.frozen", method_of(config, arm)
    name = frozen_of(resolve(config, study, arm))
    assert name is not None, "an arm with a frozen backbone is checked"
    if name not in config.representations:
        raise UserError(f"{here}: no representation{did_you_mean(name, config.representations)}")
    if getattr(method, "draws_views", False) and not getattr(config.representations[name], "views", 0):
        raise UserError(
            f"{here}: {name} keeps no random views, which {config.every_arm[arm].method} learns from; set "
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
        below = frozen_of(resolve(config, study, other))
        if below in config.representations:
            todo += config.representations[below].named
