"""Write what README.md and docs/methods/README.md say of every method: source, licence, labels, cost, scores.

From the code: which methods there are, whether they use answers and train a network, their version, what code was
read for them, and its licence. From a method's page: its title, the paragraph **Source.**, the first sentence of
*Cost*, and in the register of differences the rows that say that labels choose nothing here.
"""

from __future__ import annotations

import csv
import re
import textwrap
from pathlib import Path

from pcl import registry
from pcl.errors import UserError
from pcl.methods.base import Method
from pcl.report.tables.described import COLUMNS, EXPLAINED
from pcl.sources import CODE, UNLICENSED, code_read

FOLDER = Path(__file__).parent / "methods"
README = Path(__file__).parents[1] / "README.md"
IN_README = re.compile(r"(<!-- methods -->\n\n)(?:\|.*\n)+")
MADE = Path(__file__).parent / "results" / "demo" / "everything.csv"
SAID = (
    "Five seeds of the demo, mean ± standard deviation on test images, by "
    "`snakemake --cores 2 reports/everything.csv`. All that ask have as many questions, but an answer to IDC, which "
    f"of several prototypes an image is like, says more than one about a pair. {EXPLAINED}"
)
SIDE = f"\n## Side by side\n\n{textwrap.fill(SAID, 118)}\n\n<!-- demo: everything -->\n\n"
GROUPS = ("asks nothing", "asks, and trains a network", "learns from answers, without a network of images")
HEAD = """# Methods

Made by `make docs` from what is registered and from the pages of the methods. Nothing is copied from any code that is
named here: it was read, or run, for its facts. True labels select nothing in this project, neither epoch nor run nor
setting; the last column but one says where the released code does select by them.

| method | source | code read, and its licence | answers | trains | version | the release selects by | cost |
|---|---|---|---|---|---:|---|---|
"""


def table() -> str:
    """The page."""
    return HEAD + "".join(map(_row, registry.names("pcl.methods", "Method"))) + side_by_side()


def side_by_side() -> str:
    """What the table `everything` says of every arm, and its ACC; nothing before that table has been made."""
    if not MADE.exists():
        return ""
    with MADE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    places = [column.removesuffix(" mean") for column in rows[0] if column.endswith(" ACC mean")]
    lines = [["", "method", *COLUMNS, *places], ["---"] * (2 + len(COLUMNS)) + ["---:"] * len(places)]
    for row in rows:
        scores = [f"{float(row[f'{at} mean']):.3f} ± {float(row[f'{at} std']):.3f}" for at in places]
        lines.append([row["group"], row["method"], *(row[column] for column in COLUMNS), *scores])
    return SIDE + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def readme(page: str) -> str:
    """The page README.md with its table of methods, one row, made anew."""
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in registry.names("pcl.methods", "Method"):
        if name != "pcl":
            groups[_group(registry.get("pcl.methods", "Method", name))].append(
                f"[{_title(name)}](docs/methods/{name}.md)"
            )
    lines = ["| " + " | ".join(cells) + " |" for cells in (groups, ["---"] * 3, map(", ".join, groups.values()))]
    return IN_README.sub(lambda found: found[1] + "".join(f"{line}\n" for line in lines), page)


def _group(method: type[Method]) -> str:
    nothing, network, frozen = GROUPS
    if not method.supervised:
        return nothing
    return network if method.network else frozen


def _title(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def _row(name: str) -> str:
    method: type[Method] = registry.get("pcl.methods", "Method", name)
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    said = _source(name, page)
    read = [f"{code}, {_licence(licence)}" for code, licence in code_read(method).items()]
    cells = [
        f"[{_title(name)}]({name}.md)",
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


def _licence(named: str) -> str:
    """The licence in words."""
    return "no licence file" if named == UNLICENSED else named


def _selects(page: str) -> str:
    """What the register says that labels choose in the released code."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if "labels choose nothing" in line]
    return "; ".join(row[3] for row in rows) or "–"


def _cost(name: str, page: str) -> str:
    """The first sentence that is about cost; what FE is, the pages say."""
    found = re.search(r"^## Cost\n\n(.*?)(?=\n\n|\Z)", page, re.MULTILINE | re.DOTALL)
    if found is None:
        raise UserError(f"docs/methods/{name}.md: has no section ## Cost")
    told = re.sub(r"^FE: .*? counts three(?:, and so does the decoder)?(?:: |\. )", "", " ".join(found[1].split()))
    return re.split(r"(?<=\.) (?=\S)", told)[0].replace("|", "\\|")


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(table(), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")
