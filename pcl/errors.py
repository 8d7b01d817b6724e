"""The one exception that a person is meant to read, and the words that many of its messages end in."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any


class UserError(Exception):
    """Something the user can fix: the message names the key or file and says what to do.

    The command line prints it as one message without a traceback and exits with status 2.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f" {name!r}; did you mean {near[0]!r}?"
    return f" {name!r}; known: {', '.join(names) or 'none'}"


def gathered(checks: Iterable[Callable[[], Any]]) -> list[str]:
    """The lines of all that some checks raise, each once."""
    found: dict[str, None] = {}
    for check in checks:
        try:
            check()
        except UserError as error:
            found |= dict.fromkeys(str(error).splitlines())
    return list(found)
