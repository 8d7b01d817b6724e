"""Whatever is edited in params.yaml: `pcl check` refuses it by its key, or every run can be planned and named."""

import copy
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pcl import config, inventory
from pcl.errors import UserError
from pcl.plan import Plans

SMOKE = config.read_yaml(Path(__file__).with_name("params.smoke.yaml"))
ODD = (
    *("", "a b", "../x", "a$(b)", "{a}", "a{b", "(", "-x", "any", "é", "x" * 300, "index", "none"),
    *(0, -1, 1, 2, 3, 7, 10**6, 10**30, 0.5, -0.5, 1e-300, 1e300, float("nan"), float("inf"), True, False, None),
    *([], {}, [1, 1], ["pcl", "pcl"], ["default", "default"], [0.0, 0.0], [1.0, 0.5]),
)


def places(content, path=()):
    """The path of every key and list entry."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in pairs:
        yield (*path, name)
        if isinstance(value, dict | list):
            yield from places(value, (*path, name))


PLACES = sorted(places(SMOKE), key=str)


@st.composite
def edits(draw):
    """A path, the params.yaml after an edit there, and what was done."""
    content, path = copy.deepcopy(SMOKE), draw(st.sampled_from(PLACES))
    here = content
    for name in path[:-1]:
        here = here[name]
    kinds = ["remove", "replace", *(["repeat"] if isinstance(here, list) else ["rename", "add"])]
    kind = draw(st.sampled_from(kinds))
    if kind == "remove":
        del here[path[-1]]
    elif kind == "repeat":
        here.append(here[path[-1]])
    else:
        odd = copy.deepcopy(draw(st.sampled_from(ODD)))
        if kind == "replace":
            here[path[-1]] = odd
        else:
            here[str(odd)] = here.pop(path[-1]) if kind == "rename" else copy.deepcopy(here[path[-1]])
    return path, content


def planned(content, path):
    """Every run and report of every study, after the checks that `pcl check` makes; raises UserError."""
    YAML(typ="safe", pure=True).dump(content, path)
    plans = Plans(config.load(path))
    problems = inventory.problems(plans)
    if problems:
        raise UserError("\n".join(problems))
    return plans


@settings(max_examples=120)
@given(edit=edits())
def test_it_is_refused_by_its_key_or_every_run_is_planned(tmp_path_factory, edit):
    path, content = edit
    file = tmp_path_factory.mktemp("edit") / "params.yaml"
    try:
        plans = planned(content, file)
    except UserError as error:
        # Of a thing that is gone, what still names it.
        keys = "|".join(map(re.escape, [*config.Config.model_fields, *map(str, path)]))
        assert re.search(rf"(?<![\w-])({keys})(?![\w-])", str(error)), str(error)
        return
    for plan in plans.studies.values():
        for report in plan.reports:
            assert re.fullmatch(r"[\w-]+", report, re.ASCII)
            if report in plan.config.figures:
                plan.precomputed(report)
        for run in plan.all_runs():
            assert re.fullmatch(r"results/runs/[\w/+-]+", run.path.as_posix(), re.ASCII)
            assert plans.run_at(run.path).path == run.path
            if run.pretraining:
                assert re.fullmatch(r"results/pretrain/[\w/-]+", run.pretraining.path.as_posix(), re.ASCII)
