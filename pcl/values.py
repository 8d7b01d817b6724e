"""What may stand in params.yaml: names that are safe in a path and a command, lists without repeats, numbers."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler, field_validator

LEAST, MOST = 1e-30, 1e12

T = TypeVar("T")


def check_name(name: str) -> str:
    """The name; raises ValueError where it could not stand in a path, a command, a pattern and a key of `dvc -S`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise ValueError(
            "a name that paths are made from has at most 64 letters, digits, _ and -, and begins with no sign"
        )
    return name


def each_once(values: list[T]) -> list[T]:
    """The list; raises ValueError where it has something twice."""
    twice = [str(value) for value, times in Counter(values).items() if times > 1]
    if twice:
        raise ValueError(f"given twice: {', '.join(twice)}; once is enough")
    return values


Name = Annotated[str, AfterValidator(check_name)]
Once = Annotated[list[T], AfterValidator(each_once)]
Some = Annotated[list[T], Field(min_length=1), AfterValidator(each_once)]
Count = Annotated[int, Field(ge=0)]


class Strict(BaseModel):
    """A mapping of the config: an unknown key is an error, as is a number that is none as written, or not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _a_number_as_written(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        found = read(value)
        _hold(value, found)
        return found


def _hold(value: Any, found: Any) -> None:
    """Raise ValueError where a number was no number in the file, or is of a size that no computation can hold."""
    if isinstance(found, list | tuple) and isinstance(value, list | tuple):
        for one, other in zip(value, found, strict=True):
            _hold(one, other)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        if isinstance(value, bool | str):
            raise ValueError("Input should be a number, without quotes")
        if found and not LEAST < abs(found) < MOST:
            raise ValueError(f"Input should be 0, or between {LEAST} and {MOST} in size")
