"""What code was read for a method, and its licence."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcl import config
from pcl.errors import UserError

if TYPE_CHECKING:
    from pcl.methods.base import Method

CODE = re.compile(r"([\w.-]+/[\w.-]+)@[0-9a-f]{7,}")
LICENCES = Path(__file__).with_name("licences.yaml")
UNLICENSED = "none"


def code_read(method: type[Method]) -> dict[str, str]:
    """Repository and commit -> licence, or "none", of the code that the method's docstring names.

    Raises:
        UserError: the licence of one of them is in no list.
    """
    found = {}
    for named in CODE.finditer(method.__doc__ or ""):
        if named[1] not in _licences():
            raise UserError(f"{LICENCES}: {named[1]}: required, but not given; {method.__module__} names it")
        found[named[0]] = _licences()[named[1]]
    return found


@cache
def _licences() -> dict[str, Any]:
    return config.read_yaml(LICENCES)
