"""The folder is the registry: a plug-in is found by its file name, and nothing lists them."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from pcl.config import did_you_mean
from pcl.errors import UserError


def names(package: str, class_name: str) -> list[str]:
    """The plug-ins in a package: its modules, less `base`, that define the class."""
    return [name for name in _modules(package) if hasattr(_module(package, name), class_name)]


def get(package: str, class_name: str, name: str) -> Any:
    """The class of one plug-in, whose module alone is imported.

    Raises:
        UserError: no module of the package has that name and class.
    """
    found = getattr(_module(package, name), class_name, None) if name in _modules(package) else None
    if found is None:
        known = names(package, class_name)
        raise UserError(f"{package.rpartition('.')[2]}: no such{did_you_mean(name, known)}")
    return found


def _modules(package: str) -> list[str]:
    folder = importlib.import_module(package)
    return sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if m.name != "base")


def _module(package: str, name: str) -> ModuleType:
    return importlib.import_module(f"{package}.{name}")
