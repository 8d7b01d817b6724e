"""Any text, in any script, as LaTeX that pdfLaTeX takes without a package, and as Markdown that shows it as it is."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from pcl.report.words import one_line

MEANT = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{char: f"{{{char}}}" for char in "[]*"},  # which mean something after the end of a row
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{"–": r"\textendash{}", "—": r"\textemdash{}", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\dots{}"},
    **{"ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}"},
    **{"ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "§": r"\S{}", "¶": r"\P{}", "©": r"\copyright{}", "£": r"\pounds{}"},
    **{"¿": "?`", "¡": "!`", "\xa0": "~", "•": r"\textbullet{}", "⁄": "/"},
}
MATHS = {
    **{"±": r"\pm", "∓": r"\mp", "×": r"\times", "÷": r"\div", "−": "-", "·": r"\cdot", "°": r"^\circ", "µ": r"\mu"},
    **{"≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "≈": r"\approx", "≡": r"\equiv", "∝": r"\propto", "∼": r"\sim"},
    **{"→": r"\rightarrow", "←": r"\leftarrow", "↔": r"\leftrightarrow", "↑": r"\uparrow", "↓": r"\downarrow"},
    **{"⇒": r"\Rightarrow", "⇔": r"\Leftrightarrow", "∞": r"\infty", "√": r"\surd", "∂": r"\partial", "∇": r"\nabla"},
    **{"∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∈": r"\in", "∉": r"\notin", "⊂": r"\subset", "⊆": r"\subseteq"},
    **{"∪": r"\cup", "∩": r"\cap", "∅": r"\emptyset", "∀": r"\forall", "∃": r"\exists", "¬": r"\neg", "∧": r"\wedge"},
    **{"∨": r"\vee", "‖": r"\|", "′": "'", "«": r"\ll", "»": r"\gg", "ℓ": r"\ell", "ℝ": r"\mathbf{R}"},
    **{"ε": r"\varepsilon", "ϵ": r"\epsilon", "φ": r"\varphi", "ϕ": r"\phi", "ϑ": r"\vartheta", "ς": r"\varsigma"},
    **{"λ": r"\lambda", "Λ": r"\Lambda", "ο": "o", "ϱ": r"\varrho", "ϖ": r"\varpi"},
    **{greek: rf"\mathrm{{{latin}}}" for greek, latin in zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)},
}
ACCENTS = {
    **{"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": "."},
    **{"\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0323": "d", "\u0331": "b"},
}
RAISED = {"<super>": "superscript", "<sub>": "subscript"}


def latex(text: str) -> str:
    """The text on one line; Greek and signs as mathematics, and what no command makes by its number, U+4E2D."""
    return "".join(map(_sign, unicodedata.normalize("NFC", one_line(text)))).replace("--", "-{}-")


def markdown(text: str) -> str:
    """The text on one line, with a backslash before all that Markdown or HTML would take for its own."""
    return re.sub(r"([\\`*\[\]<>&|~#$]|(?<!\w)_|_(?!\w))", r"\\\1", one_line(text))


@cache
def _sign(char: str) -> str:
    if char in MEANT:
        return MEANT[char]
    if char in MATHS:
        return f"${MATHS[char]}$"
    if char.isascii():
        return char
    name, kind = unicodedata.name(char, ""), unicodedata.category(char)
    if found := re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name):
        letter = found[2].lower()
        return f"$\\{letter if found[1] == 'SMALL' else letter.capitalize()}$"
    if kind in ("Cf", "Zs"):
        return "" if kind == "Cf" else " "
    tag, *codes = unicodedata.decomposition(char).split() or [""]
    if tag.startswith("<"):
        made = latex("".join(chr(int(code, 16)) for code in codes))
        return rf"\text{RAISED[tag]}{{{made}}}" if tag in RAISED else made
    base, *marks = list(unicodedata.normalize("NFD", char))
    if marks and all(mark in ACCENTS for mark in marks):
        made = _sign(base)
        for mark in marks:
            made = rf"\{ACCENTS[mark]}{{{made}}}"
        return made
    return rf"\texttt{{U+{ord(char):04X}}}\allowbreak{{}}"
