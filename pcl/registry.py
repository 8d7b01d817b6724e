"""The folder is the registry: a plug-in is found by its file name, and nothing lists them."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from pcl.config import did_you_mean
from pcl.errors import UserError


def names(package: str, class_name: str) -> list[str]:
    """The plug-ins in a package: its modules, less `base`, that define the class."""
    folder = importlib.import_module(package)
    found = sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if m.name != "base")
    return [name for name in found if hasattr(importlib.import_module(f"{package}.{name}"), class_name)]


def get(package: str, class_name: str, name: str) -> Any:
    """The class of one plug-in.

    Raises:
        UserError: no module of the package has that name and class.
    """
    known = names(package, class_name)
    if name not in known:
        raise UserError(f"{package.rpartition('.')[2]}: no such{did_you_mean(name, known)}")
    return getattr(importlib.import_module(f"{package}.{name}"), class_name)
