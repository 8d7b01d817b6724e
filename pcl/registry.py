"""The folder is the registry: a plug-in is found by its file name, and nothing lists them."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pcl.errors import UserError, did_you_mean


def names(package: str, class_name: str) -> list[str]:
    """The plug-ins in a package: its modules, less `base`, that define the class."""
    return [name for name, path in _files(package) if _defines(path, class_name)]


def get(package: str, class_name: str, name: str) -> Any:
    """The class of one plug-in, whose module alone is imported.

    Raises:
        UserError: no module of the package has that name and class.
    """
    module = f"{package}.{name}"
    found = getattr(sys.modules.get(module), class_name, None) if name != "base" else None
    if found is not None:  # planning asks thousands of times
        return found
    known = names(package, class_name)
    if name not in known:
        raise UserError(f"{package.rpartition('.')[2]}: no such{did_you_mean(name, known)}")
    return getattr(importlib.import_module(module), class_name)


def _files(package: str) -> Iterator[tuple[str, Path]]:
    folders = [Path(folder) for folder in importlib.import_module(package).__path__]
    for module in sorted(pkgutil.iter_modules(map(str, folders)), key=lambda module: module.name):
        if module.name != "base" and not module.ispkg:
            yield module.name, Path(module.module_finder.path) / f"{module.name}.py"  # type: ignore[union-attr]


@cache
def _defines(path: Path, class_name: str) -> bool:
    """Whether a file defines a class; read and not imported, because what it imports may be heavy."""
    return re.search(rf"^class {class_name}\b", path.read_text(encoding="utf-8"), re.MULTILINE) is not None
