"""Settings that count training images: each says in its own type how many there must be for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True)
class Needs:
    """Marks a setting of value v that needs `each` · v + `more` training images, and says what for.

    Written into the setting's type: `neighbours: Annotated[PositiveInt, Needs("neighbours of an image", more=1)]`.
    """

    what: str
    each: int = 1
    more: int = 0


def exceeded(settings: BaseModel, images: int, above: str = "") -> Iterator[str]:
    """A message for every setting, nested ones among them, that needs more training images than there are."""
    for name, field in type(settings).model_fields.items():
        value, key = getattr(settings, name), f"{above}{name}"
        if isinstance(value, BaseModel):
            yield from exceeded(value, images, f"{key}.")
        for need in field.metadata:
            if isinstance(need, Needs) and value is not None and need.each * value + need.more > images:
                most = (images - need.more) // need.each
                yield (
                    f"{key}: {value} {need.what}, but there are only {images} training images; "
                    + (f"lower {key} to {most} at most" if most > 0 else "give it more images")
                )
