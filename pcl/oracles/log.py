"""The answer log: every question of a run in order, one JSON line each (answers.jsonl)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from pcl.errors import UserError
from pcl.oracles.base import Assignment, Question, Reply


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

    @property
    def facts(self) -> list[tuple[int, int, bool | None]]:
        """The pairs that it says something about; an image beside itself is no pair."""
        return [(self.i, self.j, self.same)] if self.i != self.j else []


@dataclass(frozen=True)
class Assigned(Answer):
    """One question about an image i and prototypes, of which j is the first.

    Attributes:
        chosen: the number of the prototype that the image is with, from 1; 0: none of them; None is unsure.
        others: the prototypes after the first.
    """

    chosen: int | None = None
    others: tuple[int, ...] = ()

    @property
    def prototypes(self) -> tuple[int, ...]:
        """All of them, in the order in which they were offered."""
        return (self.j, *self.others)

    @property
    def facts(self) -> list[tuple[int, int, bool | None]]:
        """What was held against the image before the choice differs from it."""
        if self.chosen is None:
            return [(self.i, self.j, None)]
        seen = self.prototypes[: self.chosen or None]
        return [(self.i, other, number == self.chosen) for number, other in enumerate(seen, start=1)]

    def pair_equivalents(self, clusters: int | None) -> int:
        """How many pairs would have said the same, asked in this order: the last of all clusters is implied."""
        asked = len(self.facts) if self.chosen is not None else 0
        return asked if clusters is None else min(asked, clusters - 1)

    @property
    def bits(self) -> float:
        """log₂(T + 1), if it was answered."""
        return math.log2(len(self.prototypes) + 1) if self.chosen is not None else 0.0


def answered(question: Question, number: int, reply: Reply) -> Answer:
    """The answer to a question of either kind; raises ValueError where an assignment has no such prototype."""
    said: dict[str, Any] = {name: value for name, value in vars(question).items() if name != "clusters"}
    if not isinstance(question, Assignment):
        return Answer(number=number, same=None if reply is None else bool(reply), **said)
    chosen = None if reply is None else int(reply)
    return Assigned(number=number, same=_first(chosen), chosen=chosen, **said)


def _first(chosen: int | None) -> bool | None:
    return None if chosen is None else chosen == 1


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
_ASSIGNED = {name: types for name, types in _TYPES.items() if name != "same"} | {
    "chosen": (int, type(None)),
    "others": (list,),
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
    record = vars(answer) | {"terms": terms}
    if isinstance(answer, Assigned):
        del record["same"]  # which `chosen` says
    return record


def _parsed(line: str, where: str, number: int) -> Answer:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not a line of JSON ({error}); restore the line") from error
    known = _ASSIGNED if isinstance(record, dict) and "chosen" in record else _TYPES
    if not isinstance(record, dict) or record.keys() != known.keys():
        raise UserError(f"{where}: an answer has exactly the keys {', '.join(known)}")
    for key, types in known.items():
        if type(record[key]) not in types:
            raise UserError(f"{where}: {key} cannot be {record[key]!r}")
    if not {type(value) for value in record["terms"].values()} <= {int, float}:
        raise UserError(f"{where}: terms are numbers, not {record['terms']!r}")
    if record["number"] != number:
        raise UserError(
            f"{where}: answer {record['number']} stands where answer {number} belongs; restore the missing "
            'lines (to withdraw an answer, set its "same", or "chosen", to null)'
        )
    if known is _TYPES:
        return Answer(**record)
    others, chosen = record.pop("others"), record["chosen"]
    if not {type(image) for image in others} <= {int} or not 0 <= (chosen or 0) <= len(others) + 1:
        raise UserError(f"{where}: chosen is one of 0 to {len(others) + 1}, and others are images")
    return Assigned(same=_first(chosen), others=tuple(others), **record)
