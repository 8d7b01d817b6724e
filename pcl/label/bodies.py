"""What the page may send, and how it is read."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pcl.config import Strict

LONGEST = 1 << 20  # bytes of a body: the numbers of 100,000 pictures
Read = TypeVar("Read", bound=Strict)
Pair = tuple[int, int]


class Nothing(Strict):
    """A request that says all by its address."""


class Answer(Strict):
    """An answer to the question that stands; `chosen` are the pictures that were tapped."""

    question: str
    reply: Literal["same", "different", "unsure", "none", "choose", "tap"]
    group: int | None = None
    chosen: list[int] = Field(default_factory=list)
    seconds: float | None = Field(None, ge=0)


class Settled(Strict):
    """How a contradiction is settled; `drop` are the earlier answers that no longer count."""

    pair: Pair
    same: bool
    keep: Literal["new", "old", "unsure"]
    drop: list[Pair] = Field(default_factory=list)


class Flip(Strict):
    """An earlier answer that is to say the opposite."""

    number: int


class Move(Strict):
    """Pictures for a group, or for a new one."""

    images: list[int]
    group: int | None


class Merge(Strict):
    """Groups that are to be one."""

    groups: list[int]


class Rename(Strict):
    """A name for a group."""

    group: int
    name: str


class ModeOf(Strict):
    """What questions look like."""

    mode: Literal["place", "pair", "tap"]


class About(Strict):
    """What the session is about; what is not sent stays."""

    criterion: str = ""
    clusters: int | None = None
    budget: int | None = None


async def read(request: Request, kind: type[Read]) -> Read:
    """The body of a request.

    Raises:
        HTTPException: it is no JSON (415), too long (413), or not what is expected (422).
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "content-type: application/json is expected")
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > LONGEST:
            raise HTTPException(413, f"the body is longer than {LONGEST:,} bytes")
    try:
        return kind.model_validate_json(bytes(content) or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        raise HTTPException(422, f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from error
