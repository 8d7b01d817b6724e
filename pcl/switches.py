"""What two arms of one method set differently, and an arm with one of these settings as the other has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic.fields import FieldInfo

from pcl.config import Strict, validate
from pcl.engine.stage import DeepSettings
from pcl.strategies.base import Choice

S = TypeVar("S", bound=Strict)


class Leaf(NamedTuple):
    """One setting: its field, its name in that field where this is a mapping, its value, and what it is in words."""

    field: str
    inner: str | None
    value: Any
    words: str


def leaves(settings: Strict) -> dict[str, Leaf]:
    """Every setting by its name, with dots where settings are nested; values as JSON has them.

    The name of a chosen strategy is one. The strategy's own settings stand under `query` where a network is trained.
    """
    found: dict[str, Leaf] = {}
    for field, value in settings.model_dump(mode="json").items():
        own, info = getattr(settings, field), type(settings).model_fields[field]
        if isinstance(own, Choice):
            found[field] = _leaf(field, field, None, own.name, info)
            prefix = "query" if isinstance(settings, DeepSettings) else field
            found |= _nested(prefix, field, own.settings, own.fields)
        elif isinstance(own, Strict):
            found |= _nested(field, field, value, type(own).model_fields)
        else:
            found[field] = _leaf(field, field, None, value, info)
    return found


def differing(first: Strict, second: Strict) -> list[str]:
    """The settings of one method whose values differ, in the order in which the method has them.

    Where two have chosen different strategies, or only one has a nested mapping at all, that is one setting.
    """
    one, other = leaves(first), leaves(second)
    found: dict[str, None] = {}
    for name in one | other:
        here, there = one.get(name), other.get(name)
        if here and there and here.value == there.value:
            continue
        field = (here or other[name]).field
        apart = field in one and field in other and one[field].value != other[field].value
        found[name if here and there and not apart else field] = None
    return list(found)


def flipped(base: S, other: S, switch: str, where: str) -> S:
    """The settings `base` with one of `differing` as `other` has it.

    Raises:
        UserError: the method takes no such combination; the message begins with `where`.
    """
    known = leaves(base).get(switch)
    field, inner = (switch, None) if known is None else (known.field, known.inner)
    mine, value = getattr(base, field), getattr(other, field)
    if inner is not None and isinstance(mine, Choice):
        value = {"name": mine.name, **mine.settings, inner: value.settings[inner]}
    elif inner is not None:
        value = mine.model_copy(update={inner: getattr(value, inner)})
    own = {name: getattr(base, name) for name in type(base).model_fields}
    found: S = validate(type(base), own | {field: value}, where)
    return found


def shown(settings: Strict, switch: str) -> str:
    """The value of a setting as params.yaml has it."""
    known = leaves(settings).get(switch)
    value = settings.model_dump(mode="json")[switch] if known is None else known.value
    return value if isinstance(value, str) else json.dumps(value)


def _nested(prefix: str, field: str, values: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Leaf]:
    named = {name: f"{prefix}.{name}" for name in values}
    return {named[name]: _leaf(named[name], field, name, value, fields[name]) for name, value in values.items()}


def _leaf(name: str, field: str, inner: str | None, value: Any, info: FieldInfo) -> Leaf:
    return Leaf(field, inner, value, info.description or name)
