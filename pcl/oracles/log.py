"""The answer log: every question of a run in order, one JSON line each (answers.jsonl)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from pcl.errors import UserError
from pcl.oracles.base import Question


@dataclass(frozen=True)
class Answer:
    """One question and what was answered.

    Attributes:
        number: place in the log, from 1; also the line of the file.
        i: an image.
        j: another image.
        same: whether they belong to the same cluster; None is unsure.
        step: training step at which it was asked.
        epoch: epoch at which it was asked.
        stage: stage in which it was asked.
        terms: the score terms that chose the pair, by name.
    """

    number: int
    i: int
    j: int
    same: bool | None
    step: int
    epoch: int
    stage: str
    terms: dict[str, float]

    @classmethod
    def to(cls, question: Question, number: int, same: bool | None) -> Answer:
        """The answer to a question."""
        return cls(number=number, same=same, **vars(question))


_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int,),
    "i": (int,),
    "j": (int,),
    "same": (bool, type(None)),
    "step": (int,),
    "epoch": (int,),
    "stage": (str,),
    "terms": (dict,),
}


def dump(answers: Iterable[Answer]) -> str:
    """The text of a log: equal answers give equal bytes, with terms by name and to 6 significant digits.

    Raises:
        ValueError: a term is not finite.
    """
    return "".join(json.dumps(_rounded(answer), allow_nan=False) + "\n" for answer in answers)


def read(path: str | PathLike[str]) -> list[Answer]:
    """The answers of a log, in order.

    Raises:
        UserError: the file is missing, or a line of it is broken, half-written or out of order.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: the answer log cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: the answer log cannot be read ({error}); save it as UTF-8") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> list[Answer]:
    """The answers in the text of a log; `where` names it in errors.

    What editors add is no damage: a byte order mark, their ends of lines, blank lines at the end.

    Raises:
        UserError: a line is broken, half-written or out of order.
    """
    text = text.removeprefix("\ufeff")
    body = text.rstrip()
    lines = body.split("\n") if body else []
    if lines and "\n" not in text[len(body) :]:
        try:
            json.loads(lines[-1])
        except json.JSONDecodeError as error:
            raise UserError(
                f"{where}:{len(lines)}: the last line is half-written, as a stopped process leaves it; "
                "delete this line, the answers before it are complete"
            ) from error
    return [_parsed(line, f"{where}:{number}", number) for number, line in enumerate(lines, start=1)]


def _rounded(answer: Answer) -> dict[str, Any]:
    terms = {name: float(f"{value:.6g}") for name, value in sorted(answer.terms.items())}
    return vars(answer) | {"terms": terms}


def _parsed(line: str, where: str, number: int) -> Answer:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not a line of JSON ({error}); restore the line") from error
    if not isinstance(record, dict) or record.keys() != _TYPES.keys():
        raise UserError(f"{where}: an answer has exactly the keys {', '.join(_TYPES)}")
    for key, types in _TYPES.items():
        if type(record[key]) not in types:
            raise UserError(f"{where}: {key} cannot be {record[key]!r}")
    if not {type(value) for value in record["terms"].values()} <= {int, float}:
        raise UserError(f"{where}: terms are numbers, not {record['terms']!r}")
    if record["number"] != number:
        raise UserError(
            f"{where}: answer {record['number']} stands where answer {number} belongs; restore the missing "
            'lines (to withdraw an answer, set its "same" to null)'
        )
    return Answer(**record)
