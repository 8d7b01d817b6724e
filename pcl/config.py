"""params.yaml: the one config of Snakemake, DVC and the command line, read and checked in one place.

Every mistake is reported at once, with the path of its key and, for a misspelt name, the nearest right one.
"""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
)
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pcl import references
from pcl.errors import UserError, did_you_mean
from pcl.numerics import Numerics
from pcl.values import Count, Name, Once, Some, Strict, each_once

PARAMS = Path("params.yaml")
METRICS = ("nmi", "ari", "f", "pairwise_f1", "acc")

Metric = Literal["nmi", "ari", "f", "pairwise_f1", "acc"]
Split = Literal["train", "test"]


class Task(Strict):
    """A data set, the number of clusters to find in it, and orientations beside those that come with the package."""

    dataset: str
    clusters: Annotated[int, Field(ge=2)] | None = Field(
        description="null: nobody knows; methods that can find out do"
    )
    orientations: dict[Name, dict[Any, Any] | None] = Field(
        {}, description="orientation -> cluster -> its classes; null: nobody knows the clusters"
    )


class OracleChoice(Strict):
    """Who answers "same cluster?" in a run: an oracle's name and its settings."""

    name: str = "truth"
    settings: dict[str, Any] = Field({})


class Arm(Strict):
    """A method with settings: one row of a table."""

    method: str
    title: str = Field(description="the row's name in tables, figures and the page")
    note: str | None = Field(None, description="a sentence below every table that shows the arm")
    preset: str | None = None
    settings: dict[str, Any] = Field({})
    oracle: OracleChoice = OracleChoice()
    features: Once[Name] = Field([], description="representations, side by side; without a network [pixels] if empty")
    source: str | None = Field(None, description="the arm whose clusters this one takes")
    answers: str | None = Field(None, description="the arm whose answered questions this one takes over")


def _shown_once(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    each_once([arm for arms in rows.values() for arm in arms])
    return rows


Rows = Annotated[dict[str, Some[str]], AfterValidator(_shown_once)]


class Table(Strict):
    """Which arms, in which groups, on which tasks make one table."""

    title: str
    orientation: str
    beside: str | None = Field(None, description="a second orientation, with columns of its own")
    tasks: Literal["all", "ablation"]
    split: Split = "test"
    metrics: Some[Metric] = Field(["nmi", "ari", "f", "acc"], description="its columns, in the order of the paper")
    budgets: Once[Count] = Field([], description="numbers of questions, each with its columns; the study's if empty")
    differences: bool = Field(
        False, description="with what each score differs by from the first arm of the group; rows in order of size"
    )
    described: bool = Field(False, description="with columns that say what each arm is and what it takes")
    wanted: float | None = Field(None, description="with budgets, the ACC whose price in answers the caption states")
    rows: Rows = Field(min_length=1, description="group heading -> arms, in the order of the table")
    titles: dict[str, str] = Field({}, description="arm -> its title in this table alone")

    @property
    def orientations(self) -> list[str]:
        """Those that it shows."""
        return [self.orientation] if self.beside is None else [self.orientation, self.beside]

    @property
    def arms(self) -> list[str]:
        """The arms of every group, in the order of the table."""
        return [arm for arms in self.rows.values() for arm in arms]

    @property
    def against(self) -> dict[str, str]:
        """Arm -> the first of its group; the first of a later group -> the first of the table."""
        first, groups = self.arms[0], self.rows.values()
        pairs = ((arm, first if arm == group[0] else group[0]) for group in groups for arm in group)
        return {arm: base for arm, base in pairs if arm != base}


class Cross(Strict):
    """A table of every given arm under every given strategy; made only when it is asked for by name."""

    title: str
    orientation: str
    split: Split = "test"
    arms: Some[str]
    strategies: Some[str]


class Switches(Strict):
    """A table of two arms of one method, and of each with every single setting that the other has otherwise.

    Made only when it is asked for by name.
    """

    title: str
    orientation: str
    split: Split = "test"
    metrics: Some[Metric] = Field(["acc", "nmi"], description="its columns; rows go by the first")
    arms: Annotated[list[str], Field(min_length=2, max_length=2), AfterValidator(each_once)]


class FigureSettings(Strict):
    """What the settings of every kind of figure have; the kind's own file in pcl/report/figures/ adds the rest."""

    kind: str
    title: str

    @property
    def named(self) -> list[str]:
        """The arms that the figure names."""
        return []

    @property
    def of_tasks(self) -> list[str]:
        """The tasks that the figure names."""
        return []

    @property
    def compared(self) -> list[str]:
        """Those of them that it tells apart by colour and marker."""
        return []


class RepresentationSettings(Strict):
    """What the settings of every kind of representation have; its own file in pcl/representations/ adds the rest."""

    kind: str

    @property
    def named(self) -> list[str]:
        """The arm whose network it is, if any."""
        return []


def _settings_of(package: str, class_name: str, values: Any) -> type[Strict]:
    """The settings of the kind that a mapping names."""
    from pcl import registry  # which imports this module

    kind, known = values.get("kind"), registry.names(package, class_name)
    if kind is None:
        raise PydanticCustomError("no_kind", "required, but not given; known: {known}", {"known": ", ".join(known)})
    if kind not in known:
        raise PydanticCustomError("no_kind", "no such kind{near}", {"near": did_you_mean(str(kind), known)})
    found: type[Strict] = registry.get(package, class_name, kind).Settings
    return found


def _of_its_kind(package: str, class_name: str) -> BeforeValidator:
    def validated(values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return _settings_of(package, class_name, values).model_validate(values)

    return BeforeValidator(validated)


FIGURES = ("pcl.report.figures", "Figure")
REPRESENTATIONS = ("pcl.representations", "Representation")
Figure = Annotated[SerializeAsAny[FigureSettings], _of_its_kind(*FIGURES)]
Representation = Annotated[SerializeAsAny[RepresentationSettings], _of_its_kind(*REPRESENTATIONS)]


def _with_pixels(given: Any) -> Any:
    """The representations of params.yaml, and pixels in any case."""
    return {"pixels": {"kind": "pixels"}} | given if isinstance(given, dict) else given


class Resources(Strict):
    """What one training job asks of the machine; no number depends on it."""

    threads: int = Field(1, ge=1)
    mem_mb: int = Field(2000, ge=1)
    runtime: int = Field(60, ge=1, description="minutes")
    gpu: int = Field(0, ge=0)
    devices: int = Field(1, ge=1, description="among which every batch of a run is divided")


class Study(Strict):
    """A named selection of tasks, budgets, seeds and training scale."""

    title: str
    tasks: Some[str]
    ablation: str = Field(description="the task of Tables 4 and 5 and of Fig. 4")
    projection: str = Field(description="the task of Fig. 5")
    seeds: Some[Count]
    budgets: dict[str, Count] = Field(description="task -> questions in the tables")
    curve: Once[Count] = Field([], description="numbers of questions in Fig. 4; none: a study without it")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    numerics: Numerics = Field("portable", description="portable: the same bytes on any x86-64; native: faster")
    resources: Resources = Resources()
    training: dict[str, Any] = Field({}, description="settings for every method that has them")
    methods: dict[str, dict[str, Any]] = Field({}, description="method -> settings in this study")


class Config(Strict):
    """The whole of params.yaml."""

    _root: Path = PrivateAttr(Path())

    study: str
    datasets: dict[Name, dict[str, Any]] = Field({})
    tasks: dict[Name, Task]
    representations: Annotated[dict[Name, Representation], BeforeValidator(_with_pixels)] = Field(
        {}, validate_default=True, description="features that arms without a network are given"
    )
    arms: dict[Name, Arm]
    tables: dict[Name, Table]
    on_request: dict[Name, Table] = Field({}, description="tables that are made only when asked for by name")
    cross: dict[Name, Cross] = Field({})
    switches: dict[Name, Switches] = Field({})
    figures: dict[Name, Figure] = Field(description="figure -> what it shows")
    figures_on_request: dict[Name, Figure] = Field({}, description="figures that are made when asked for by name")
    studies: dict[Name, Study]

    @property
    def root(self) -> Path:
        """The folder of params.yaml, from which relative paths in it start."""
        return self._root

    @property
    def every_figure(self) -> dict[str, FigureSettings]:
        """All figures."""
        return self.figures | self.figures_on_request


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file (`1e-3` is a number, `no` a string, a key given twice an error).

    Raises:
        UserError: the file is missing, unreadable, not YAML or not a mapping.
    """
    try:
        content = deepcopy(_parsed(path.read_bytes()))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = str(error.problem or error.context).splitlines()[0]
        raise UserError(f"{where}: not valid YAML: {problem}") from error
    except (YAMLError, ValueError) as error:
        raise UserError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping of keys to values, found {type(content).__name__}")
    return content


@lru_cache(maxsize=8)
def _parsed(content: bytes) -> Any:
    """What is in a file; one that has not changed since is not read again, which takes longer than many a run."""
    return YAML(typ="safe", pure=True).load(content)


def load(path: Path = PARAMS) -> Config:
    """The checked config; raises UserError with every mistake in it."""
    config: Config = validate(Config, read_yaml(path), str(path))
    config._root = path.parent
    problems = list(references.problems(config))
    if problems:
        raise UserError(_listed(str(path), problems))
    return config


def validate(model: type[BaseModel], values: dict[str, Any], where: str) -> Any:
    """An instance of `model`; raises UserError listing every wrong key below `where`."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            loc = item["loc"]
            # Where a key is wrong and not its value, pydantic says so behind it.
            key = ".".join(str(part) for part in loc if part != "[key]")
            if item["type"] == "extra_forbidden":
                known = _keys_at(model, values, loc[:-1])
                problems.append(f"{key}: unknown key{did_you_mean(str(loc[-1]), known)}")
            elif item["type"] == "no_kind":
                problems.append(f"{key}.kind: {item['msg']}")
            elif item["type"] == "missing":
                problems.append(f"{key}: required, but not given")
            else:
                message = item["msg"].removeprefix("Value error, ")
                # A check of several keys at once names them itself; what it found is the whole mapping.
                several = isinstance(item["input"], dict) and item["type"] == "value_error"
                found = "" if several else f" (found {item['input']!r})"
                problems.append(f"{key}: {message}{found}" if key else f"{message}{found}")
        raise UserError(_listed(where, list(dict.fromkeys(problems)))) from error


def _listed(where: str, problems: list[str]) -> str:
    if len(problems) == 1:
        return f"{where}: {problems[0]}"
    return "\n".join([f"{where}: {len(problems)} problems", *(f"  - {problem}" for problem in problems)])


def _keys_at(model: type[BaseModel], values: Any, loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the model allows at a place in the config."""
    here: Any = model
    for part in loc:
        values = values[part]
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = here.model_fields[str(part)].annotation
        else:
            here = next(kind for kind in reversed(get_args(here)) if kind is not type(None))
        if isinstance(here, UnionType):
            here = next(kind for kind in get_args(here) if kind is not type(None))
        for kinds, declared in ((FIGURES, Figure), (REPRESENTATIONS, Representation)):
            if here == declared:
                here = _settings_of(*kinds, values)
    return list(getattr(here, "model_fields", ()))
