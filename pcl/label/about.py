"""What a session is about, as a person has said it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pcl import artifacts
from pcl.config import Strict
from pcl.errors import UserError

Mode = Literal["place", "pair", "tap"]


class About(Strict):
    """What a session is about, as a person has said it.

    Attributes:
        folder: of the pictures.
        criterion: what "same" means.
        clusters: how many groups there are; None: nobody knows.
        budget: answers after which to stop; None: no end.
        features: by whose likeness pictures are compared.
        mode: what a question looks like.
    """

    folder: str
    criterion: str = Field("", max_length=200)
    clusters: int | None = Field(None, ge=2)
    budget: int | None = Field(None, ge=1)
    features: str
    mode: Mode = "place"


def create(place: Path, about: About) -> None:
    """Begin a session in a folder of its own; raises UserError where that cannot be."""
    write(place, about)


def checked(values: Mapping[str, Any]) -> About:
    """What a session is about; raises UserError where a value is wrong."""
    try:
        return About.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def write(place: Path, about: About) -> None:
    """Write what a session is about."""
    artifacts.write(place / "session.json", artifacts.as_json(about.model_dump()))


def read(place: Path) -> About:
    """What a session is about.

    Raises:
        UserError: there is no session, or its file is damaged.
    """
    path = place / "session.json"
    try:
        return About.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{place}: no session ({error.strerror}); `pcl label FOLDER` begins one") from error
    except ValidationError as error:
        raise UserError(
            f"{path}: damaged ({error.errors()[0]['msg']}); the answers in log.jsonl are whole"
        ) from error
