"""How the settings of an arm come about: layers, of which the later ones win."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pcl import registry, switches
from pcl.config import Arm, Config, Strict, Switched, validate
from pcl.errors import UserError, did_you_mean
from pcl.methods.base import DeepSettings, Method


def arm_of(config: Config, name: str) -> Arm:
    """An arm by its name; raises UserError where there is none."""
    known = config.arms if name in config.arms else config.every_arm
    if name not in known:
        raise UserError(f"arm: no such arm{did_you_mean(name, known)}")
    return known[name]


def method_of(config: Config, arm: str) -> type[Method]:
    """The method of an arm; raises UserError where there is no such arm or method."""
    name = arm_of(config, arm).method
    try:
        method: type[Method] = registry.get("pcl.methods", "Method", name)
    except UserError as error:
        raise UserError(f"arms.{arm}.method: {error}") from error
    return method


def resolve(config: Config, study: str, arm: str) -> Any:
    """The settings of an arm in a study.

    A method's own defaults, then the study's training scale, the arm's preset, the study's settings of the method,
    and the arm's settings; later ones win. Of an arm with one setting as another arm has it, that one is put in last.

    Raises:
        UserError: a setting is unknown or wrong, or there is no such method, preset or strategy.
    """
    chosen, method, scale = arm_of(config, arm), method_of(config, arm), config.studies[study]
    where = f"arms.{arm}.settings (in study {study})"
    if isinstance(chosen, Switched):
        base, other = (resolve(config, study, name) for name in (chosen.base, chosen.other))
        return switches.flipped(base, other, chosen.switch, where)
    if chosen.preset is not None and chosen.preset not in method.presets:
        hint = did_you_mean(chosen.preset, method.presets)
        raise UserError(f"arms.{arm}.preset: {chosen.method} has no preset{hint}")
    layers = (
        {name: value for name, value in scale.training.items() if name in method.Settings.model_fields},
        method.presets[chosen.preset] if chosen.preset else {},
        scale.methods.get(chosen.method, {}),
        chosen.settings,
    )
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merged(merged, layer)
    return validate(method.Settings, merged, where)


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
