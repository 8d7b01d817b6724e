"""How the settings of an arm come about: layers, of which the later ones win."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pcl import registry
from pcl.config import Arm, Config, Strict, validate
from pcl.errors import UserError, did_you_mean
from pcl.methods.base import DeepSettings, Method


def resolve(config: Config, study: str, name: str, arm: Arm, method: type[Method]) -> Any:
    """The settings of an arm of some name, and of a method, in a study.

    A method's own defaults, then the study's training scale, the arm's preset, the study's settings of the method,
    and the arm's settings; later ones win.

    Raises:
        UserError: a setting is unknown or wrong, or there is no such preset or strategy.
    """
    scale = config.studies[study]
    if arm.preset is not None and arm.preset not in method.presets:
        raise UserError(f"arms.{name}.preset: {arm.method} has no preset{did_you_mean(arm.preset, method.presets)}")
    layers = (
        {field: value for field, value in scale.training.items() if field in method.Settings.model_fields},
        method.presets[arm.preset] if arm.preset else {},
        scale.methods.get(arm.method, {}),
        arm.settings,
    )
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merged(merged, layer)
    return validate(method.Settings, merged, f"arms.{name}.settings (in study {study})")


def unknown_keys(config: Config, study: str) -> Iterator[str]:
    """The settings in a study that no method has, a line each."""
    here, scale = f"studies.{study}", config.studies[study]
    methods = registry.names("pcl.methods", "Method")
    known = {name for method in methods for name in _fields(method)}
    for name in scale.training.keys() - known:
        yield f"{here}.training.{name}: unknown key{did_you_mean(name, DeepSettings.model_fields)}"
    for method, settings in scale.methods.items():
        if method not in methods:
            yield f"{here}.methods: no such{did_you_mean(method, methods)}"
            continue
        for name in settings.keys() - _fields(method).keys():
            yield f"{here}.methods.{method}.{name}: unknown key{did_you_mean(name, _fields(method))}"


def _fields(method: str) -> dict[str, Any]:
    settings: type[Strict] = registry.get("pcl.methods", "Method", method).Settings
    return dict(settings.model_fields)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One layer of settings over another; mappings are merged key by key."""
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
