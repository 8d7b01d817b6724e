"""Where everything lies below results/: one template for each kind of artefact, read in both directions."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path("results")


def path(given: str) -> Path:
    """A path that a person has written; `~` is a home, also where no shell has seen it (`--out=~/x.csv`)."""
    return Path(os.path.expanduser(given))  # noqa: PTH111 (unlike that of Path, it leaves alone whom nobody knows)


@dataclass(frozen=True)
class Layout:
    """A path below results/ with words in braces, as Snakemake writes its wildcards too."""

    template: str

    @property
    def pattern(self) -> str:
        """The template from the project's folder on."""
        return f"{RESULTS}/{self.template}"

    def path(self, **words: object) -> Path:
        """The path that such words make."""
        return RESULTS / self.template.format(**words)

    def words(self, path: Path) -> dict[str, str] | None:
        """The words of a path, or of a file in the folder of that path; None if it is of another kind."""
        words = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.template))
        found = re.search(f"(?:^|/){words}(?:/|$)", path.as_posix())
        return found.groupdict() if found else None

    def found(self) -> list[Path]:
        """Every path of this kind that exists."""
        return sorted(RESULTS.glob(re.sub(r"\{\w+\}", "*", self.template)))


DATA = Layout("data/{dataset}/{key}")
TARGET = Layout("tasks/{task}/{orientation}/{key}.npz")
FEATURES = Layout("features/{scope}/{name}/{key}/seed{seed}")
PRETRAINING = Layout("pretrain/{scope}/{orientation}/{name}/{key}/seed{seed}")
RUN = Layout("runs/{task}/{orientation}/{arm}/q{budget}/{key}/seed{seed}")
FIGURE = Layout("figures/{figure}/{key}.npz")
