"""Which shared code a method's numbers depend on, and in which version: part of every run's key.

Files of `pcl/losses/` and `pcl/networks/` have a `VERSION`, raised by hand whenever they would give other numbers; so
has the engine. Which of them a method uses is read off its source, and nothing of it is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcl.methods.base import Method

ROOT = Path(__file__).parent
SHARED = ("losses", "networks")
ENGINE = "engine/stage"


def of_modules(modules: Iterable[str]) -> dict[str, int]:
    """File of shared code -> version, of all that some modules of the package use, directly or through others."""
    return {ENGINE: _version(ROOT / f"{ENGINE}.py")} | _shared(modules)


def of_method(method: type[Method]) -> dict[str, int]:
    """The same for a method, with what it derives from; the engine counts where it trains the network."""
    names = (kind.__module__ for kind in method.__mro__)
    modules = [name for name in names if name.startswith("pcl.methods.")]
    return of_modules(modules) if method.network else _shared(modules)


def _shared(modules: Iterable[str]) -> dict[str, int]:
    found = {name for module in modules for name in _used(_path(module))}
    todo = list(found)
    while todo:
        more = _used(ROOT / f"{todo.pop()}.py") - found
        found |= more
        todo += more
    return {name: _version(ROOT / f"{name}.py") for name in sorted(found)}


@cache
def _used(path: Path) -> frozenset[str]:
    """The files of shared code that a file names: as `losses.pairs`, or in an import."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in SHARED:
            names.add(f"{node.value.id}/{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module:
            for module in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                package, *words = module.removeprefix("pcl.").split(".")
                if package in SHARED and words:
                    names.add(f"{package}/{words[0]}")
    return frozenset(name for name in names if (ROOT / f"{name}.py").exists())


@cache
def _version(path: Path) -> int:
    found = re.search(r"^VERSION = (\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{path} has no VERSION"
    return int(found[1])


def _path(module: str) -> Path:
    spec = find_spec(module)  # a plug-in may lie outside the package's own folder
    assert spec is not None and spec.origin is not None, module
    return Path(spec.origin)
