"""Write docs/methods/README.md: every registered method with its source, licence, labels and cost.

From the code: which methods there are, whether they use answers and train a network, their version. From a method's
page: the paragraph **Source.**, the first sentence of *Cost*, and in the register of differences the rows that say
that labels choose nothing here.
"""

from __future__ import annotations

import re
from pathlib import Path

from pcl import registry
from pcl.errors import UserError
from pcl.methods.base import Method

FOLDER = Path(__file__).parent / "methods"
HEAD = """# Methods

Made by `make docs` from what is registered and from the pages of the methods. Nothing is copied from any code that is
named here: it was read, or run, for its facts. True labels select nothing in this project, neither epoch nor run nor
setting; the last column but one says where the released code does select by them.

| method | source | code read, and its licence | answers | trains | version | the release selects by | cost |
|---|---|---|---|---|---:|---|---|
"""
CODE = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{7,}")
LICENCE = re.compile(r"\s*(?:\(([^)]*(?:MIT|BSD|Apache|CC |licence)[^)]*)\)|[^.;]*?\bhas (no licence file))")


def table() -> str:
    """The page."""
    return HEAD + "".join(map(_row, registry.names("pcl.methods", "Method")))


def _row(name: str) -> str:
    method: type[Method] = registry.get("pcl.methods", "Method", name)
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    title, said = page.splitlines()[0].removeprefix("# "), _source(name, page)
    read = [f"{found[0]}, {_licence(said[found.end() :])}" for found in CODE.finditer(said)]
    cells = [
        f"[{title}]({name}.md)",
        _paper(said),
        "; ".join(read) or "none",
        "bought" if method.supervised else "none",
        "a network" if method.network else "on features",
        str(method.version),
        _selects(page),
        _cost(name, page),
    ]
    return "| " + " | ".join(cells) + " |\n"


def _source(name: str, page: str) -> str:
    """The paragraph on one line."""
    found = re.search(r"^\*\*Source\.\*\* (.*?)\n\n", page, re.MULTILINE | re.DOTALL)
    if found is None:
        raise UserError(f"docs/methods/{name}.md: has no paragraph that begins with **Source.**")
    return " ".join(found[1].split())


def _paper(said: str) -> str:
    """The first sentence, as far as it is about no code."""
    if said.startswith("Ours"):
        return "ours"
    first = re.split(r"(?<=\.) (?=[A-Z])", said)[0].replace(" (below: the paper)", "")
    before, *code = CODE.split(first)
    return (before.rpartition(";")[0] or before if code else first.partition("; computed")[0]).strip(" .,") or "–"


def _licence(after: str) -> str:
    """What the words after a commit say of its licence."""
    found = LICENCE.match(after)
    return (found[1] or found[2]) if found else "no licence named"


def _selects(page: str) -> str:
    """What the register says that labels choose in the released code."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if "labels choose nothing" in line]
    return "; ".join(row[3] for row in rows) or "–"


def _cost(name: str, page: str) -> str:
    """The first sentence that is about cost; what FE is, the pages say."""
    found = re.search(r"^## Cost\n\n(.*?)(?=\n\n|\Z)", page, re.MULTILINE | re.DOTALL)
    if found is None:
        raise UserError(f"docs/methods/{name}.md: has no section ## Cost")
    sentences = re.split(r"(?<=\.) (?=[A-Z])", " ".join(found[1].split()))
    told = [sentence for sentence in sentences if not sentence.startswith("FE: ")]
    return told[0].replace("|", "\\|")


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(table(), encoding="utf-8")
