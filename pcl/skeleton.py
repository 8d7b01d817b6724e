"""First versions of new plug-ins: files that run, pass the contract, and are there to be changed."""

from __future__ import annotations

from pathlib import Path
from string import Template

from pcl import artifacts, registry
from pcl.errors import UserError

PACKAGE = Path(__file__).parent
TEMPLATES = PACKAGE / "skeletons"


def method(name: str, *, network: bool) -> list[Path]:
    """Write the file and the page of a new method, which trains a network of images or clusters features.

    Raises:
        UserError: the name is none for a method, is taken, or there are no pages beside the package.
    """
    pages = PACKAGE.parent / "docs" / "methods"
    if not name.isidentifier() or not name.islower() or name.startswith("_") or name == "base":
        raise UserError(
            f"{name}: not a name for a method; use small letters, digits and underscores, such as my_method"
        )
    if name in registry.names("pcl.methods", "Method") or (PACKAGE / "methods" / f"{name}.py").exists():
        raise UserError(f"{name}: pcl/methods/{name}.py is there already; choose another name")
    if not pages.is_dir():
        raise UserError(f"{pages}: no such folder; start this command in a checkout of the project")
    kind = "network" if network else "frozen"
    written = []
    for template, path in (
        (f"{kind}.py.txt", PACKAGE / "methods" / f"{name}.py"),
        (f"{kind}.md.txt", pages / f"{name}.md"),
    ):
        text = Template((TEMPLATES / template).read_text(encoding="utf-8"))
        artifacts.write(path, text.substitute(name=name, Name="".join(part.title() for part in name.split("_"))))
        written.append(path)
    return written
