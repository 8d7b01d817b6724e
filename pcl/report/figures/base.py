"""What a kind of figure gives, so that it can be planned, drawn and shown.

Planning reads every kind, so a kind imports pandas, matplotlib and the like inside its functions only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pcl.config import FigureSettings
from pcl.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from pcl.intervals import Images
    from pcl.plan import Plan, Run
    from pcl.report.findings import Finding


class Drawing(NamedTuple):
    """A figure ready to be drawn."""

    draw: Callable[[str], Canvas]
    """From the colour of text and lines to the figure."""
    numbers: str
    """What is drawn, as CSV."""
    titles: Mapping[str, str] = {}
    """The gid of a drawn thing -> what an SVG says of it under a pointer."""


class Figure(ABC):
    """One figure of a study. The first line of a kind's docstring and its source stand in `pcl list`."""

    Settings: ClassVar[type[FigureSettings]]
    settings: FigureSettings
    precomputed: ClassVar[bool] = False
    """Whether it is drawn from a file of its own, which `precompute` writes, and not from the summary of its runs."""

    def __init__(self, plan: Plan, name: str) -> None:
        """The figure that params.yaml gives this name, in the study of a plan."""
        self.plan, self.name, self.settings = plan, name, plan.config.every_figure[name]

    @property
    def task(self) -> str:
        """The task that it shows: the study's task for ablations, where the kind says no other."""
        return self.plan.study.ablation

    @property
    @abstractmethod
    def orientations(self) -> list[str]:
        """The orientations that it shows."""

    @abstractmethod
    def runs(self) -> Iterable[Run]:
        """The runs that it shows; one may come up twice."""

    @property
    def empty(self) -> bool:
        """Whether the study gives it nothing to show, so that it is left out there."""
        return False

    def check(self) -> None:
        """Raise UserError where its runs can be planned, but have nothing that it could show."""
        return

    def precompute(self, out: Path) -> None:
        """Write what takes long to compute, as an .npz; its path carries a key over the settings and the runs.

        Raises:
            UserError: this kind is drawn from the summary.
        """
        raise UserError(f"figure {self.name}: is drawn from the summary of its runs; there is nothing to precompute")

    @abstractmethod
    def drawing(self, source: Path) -> Drawing:
        """The figure, given the file it is drawn from.

        Raises:
            UserError: the file is missing, damaged or of other runs.
        """

    @abstractmethod
    def caption(self, images: Images) -> str:
        """What a reader must know, in sentences: on how many images, and what the marks are."""

    @abstractmethod
    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """What it shows, for who cannot see it."""

    def finding(self, summary: pd.DataFrame, images: Images) -> Finding | None:
        """What the page says of it among its headlines; None if nothing."""
        return None
