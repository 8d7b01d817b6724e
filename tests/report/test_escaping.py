"""Any label, in any script, in LaTeX and Markdown; and the LaTeX put before pdfLaTeX, where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl import config, stats
from pcl.intervals import Images
from pcl.plan import Plan
from pcl.report import tables
from pcl.report.tables.escaping import latex, markdown
from pcl.report.words import one_line

LABELS = (
    r"λ = 1e-5, α₂ ≥ ½, xᵝ, Ωμέγα",
    r"[x] 100 % of $5 & #1_{a}^b ~ \alpha <b>|\n",
    "Ångström, Übergröße, Łódź, naïve, ő",
    "聚类 кластер التجميع ☃ 😀",
    "a--b * **c** `d`\n\tand _e_ “f” – …\x1b[0m\u200b",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("λ = 1e-5", r"$\lambda$ = 1e-5"),
        ("Δ, ε, ς, ο, Α", r"$\Delta$, $\varepsilon$, $\varsigma$, $o$, $\mathrm{A}$"),
        ("ά", r"\'{$\alpha$}"),
        ("0.7 ± 0.1", r"0.7 $\pm$ 0.1"),
        ("x² and x₀, ½", r"x\textsuperscript{2} and x\textsubscript{0}, 1/2"),
        ("é and e\u0301", r"\'{e} and \'{e}"),
        ("中", r"\texttt{U+4E2D}\allowbreak{}"),
        ("[a] -- b", r"{[}a{]} -{}- b"),
        ("one\n\n two", "one two"),
    ],
)
def test_latex_of_what_occurs(text: str, expected: str) -> None:
    assert latex(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_latex_is_ascii_on_one_line_with_every_brace_closed(text: str) -> None:
    found = latex(text)
    assert found.isascii() and "\n" not in found and latex(text) == found
    bare = re.sub(r"\\[&%$#_{}]", "", found)
    depth = 0
    for char in bare:
        depth += (char == "{") - (char == "}")
        assert depth >= 0
    assert depth == 0 and bare.count("$") % 2 == 0
    assert not re.search(r"[&%#]", bare)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_markdown_keeps_every_sign_and_gives_none_a_meaning(text: str) -> None:
    found = markdown(text)
    assert re.sub(r"\\(.)", r"\1", found) == one_line(text)
    assert not re.search(r"[`*\[\]<>&|~#$]", re.sub(r"\\.", "", found)) and "\n" not in found


@pytest.fixture
def labelled(plan: Plan) -> Plan:
    """The plan with a label of every kind in rows, groups, titles and notes."""
    content = plan.config.model_dump()
    for arm, label in zip(content["arms"].values(), LABELS, strict=True):
        arm |= {"title": label, "note": f"About {label}."}
    for table in content["tables"].values():
        table |= {"title": LABELS[1], "rows": dict(zip(LABELS[1:], table["rows"].values(), strict=False))}
    return Plan(config.validate(config.Config, content, "params.yaml"), plan.name)


def filled(plan: Plan) -> list[tables.FilledTable]:
    """Every table, those on request too, as far as its runs were made."""
    runs = plan.all_runs()
    every = Images(run for name in plan.catalogue.tables for run in plan.runs(name) if run.folder.last.exists())
    return [tables.build(plan, name, stats.collect(runs), every) for name in plan.catalogue.tables]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_pdflatex_takes_every_table_and_it_fits_the_page(labelled: Plan, columns: str, tmp_path: Path) -> None:
    inputs = []
    for table in filled(labelled):
        (tmp_path / f"{table.name}.tex").write_text(tables.to_latex(table, "c"), encoding="utf-8")
        inputs.append(rf"\input{{{table.name}}}\clearpage")
    packages = r"\usepackage{booktabs}\usepackage{graphicx}"
    lines = [rf"\documentclass[{columns}]{{article}}", packages, r"\begin{document}", *inputs, r"\end{document}"]
    (tmp_path / "d.tex").write_text("\n".join(lines))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "d.tex"], cwd=tmp_path, capture_output=True, check=False
    )
    log = done.stdout.decode(errors="replace")
    assert not re.findall(r"^!.*|^Overfull.*", log, re.MULTILINE) and done.returncode == 0
    assert len(re.findall(r"\[\d+", log)) >= len(inputs)
