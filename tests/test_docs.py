"""README.md and docs/ say what is so: their commands parse, their links and files exist, their tables hold."""

import csv
import importlib
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel
from ruamel.yaml import YAML

from pcl import artifacts, config, inventory, orientations, registry, sources, switches
from pcl.cli import main
from pcl.engine.stage import DeepSettings
from pcl.plan import Plan, Plans
from pcl.run import execute

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
METHODS = registry.names("pcl.methods", "Method")
TOOLS = ("make", "snakemake", "dvc", "pcl")
SOURCES = tuple(f".{suffix}" for suffix in ("py", "smk", "yaml", "yml", "toml", "md", "lock"))
FOREIGN = ("config.yaml", "profile.yaml")

each_page = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
each_method = pytest.mark.parametrize("method", METHODS)


# --- what a page holds


def fences(page: Path, *languages: str) -> list[str]:
    """The text of the page's fenced blocks in some languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [text for language, text in found if language in languages]


def prose(page: Path) -> str:
    """The page without its fenced and indented blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return re.sub(r"^    .*$", "", text, flags=re.M)


def spans(page: Path) -> list[str]:
    """The code spans of the page's prose."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def commands(page: Path) -> list[tuple[bool, list[str]]]:
    """The command lines of a page, as words, each with whether it is whole: in a block, not in a sentence."""
    blocks = [text.replace("\\\n", " ") for text in fences(page, "sh", "bash", "console")]
    lines = [(True, line) for block in blocks for line in block.splitlines()]
    lines += [(False, span) for span in spans(page)]
    found = []
    for whole, line in lines:
        for part in re.split(r"\s(?:&&|\|\|?|;)\s", line.removeprefix("$ ")):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words.pop(0)
            if words[:3] == ["python", "-m", "pcl"]:
                words = words[2:]
            if words and words[0] in TOOLS and (len(words) > 1 or whole):
                found.append((whole, words))
    return found


def used(page: Path, tool: str) -> list[tuple[bool, list[str]]]:
    """The arguments that the page's commands give to one tool."""
    return [(whole, words[1:]) for whole, words in commands(page) if words[0] == tool]


def table_below(page: Path, heading: str) -> list[dict[str, str]]:
    """The rows of the first table below a heading, by column."""
    section = re.search(rf"^##+ {re.escape(heading)}$(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S)
    assert section, f"{page.name} has no section {heading!r}"
    table = re.search(r"(?:^\|.*\n)+", section[1], re.M)
    assert table, f"{page.name}, {heading}: no table"
    head, _, *body = ([cell.strip() for cell in line[1:-1].split("|")] for line in table[0].splitlines())
    return [dict(zip(head, cells, strict=True)) for cells in body]


def slug(heading: str) -> str:
    """The anchor of a heading, as forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def read(text: str) -> object:
    """What YAML means, as params.yaml is read."""
    return YAML(typ="safe", pure=True).load(text)


def merged(below, above):
    both = isinstance(below, dict) and isinstance(above, dict)
    return {**below, **{k: merged(below.get(k), v) for k, v in above.items()}} if both else above


EXAMPLES = [(page, text) for page in PAGES for text in fences(page, "yaml") if "arms:" in text]
PICTURES = [text for text in fences(ROOT / "docs" / "data.md", "yaml") if "datasets:" in text]


@cache
def plans() -> Plans:
    return Plans(config.load(ROOT / "params.yaml"))


# --- commands


@each_page
def test_make_targets_exist(page):
    asked = {word for _, words in used(page, "make") for word in words if re.fullmatch(r"[a-z][\w-]*", word)}
    if asked:
        assert asked <= set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.M))


@each_page
def test_pcl_commands_parse(page):
    for whole, words in used(page, "pcl"):
        line = " ".join(["pcl", *words])
        if not words or words[0].startswith("-"):
            assert not words or words[0] in {option for parameter in main.params for option in parameter.opts} | {
                "-h",
                "--help",
            }
            continue
        command = main.commands.get(words[0])
        if isinstance(command, click.Group):
            command, words = command.commands.get(words[1]), words[1:]
        assert command is not None, f"{line}: no such command; known: {', '.join(main.commands)}"
        options = {o for parameter in command.params for o in parameter.opts + parameter.secondary_opts}
        given = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
        assert given <= options | {"--help"}, line
        if whole and "--help" not in given:
            with click.Context(main) as above:
                asked = command.make_context(words[0], words[1:], parent=above).params
            if "place" in asked:
                plans().selected.run(*asked["place"], asked["seed"], asked["budget"])
            elif asked.get("task"):
                assert asked["task"] in plans().config.tasks, line


def target_of(word: str) -> str:
    """A target with its key filled in where the page leaves it open."""
    found = re.fullmatch(r"results/runs/([^/]+)/([^/]+)/([^/]+)/q(\d+)/KEY/seed(\d+)/metrics\.json", word)
    if found is None:
        return word
    task, orientation, arm, budget, seed = found.groups()
    return str(plans().selected.run(task, orientation, arm, int(seed), int(budget)).path / "metrics.json")


def test_snakemake_commands_parse_and_their_targets_can_be_made(tmp_path):
    """A dry run of all targets at once, with the examples of arms and tables in params.yaml."""
    from snakemake.cli import get_argument_parser

    parser, targets = get_argument_parser(), set()
    for page in PAGES:
        for _, words in used(page, "snakemake"):
            try:
                found = parser.parse_args(words).targets or []
            except SystemExit:
                pytest.fail(f"{page.name}: snakemake {' '.join(words)}: not understood")
            targets |= {target_of(word) for word in found if not re.search(r"[…<{$]", word)}
    assert targets
    params = config.read_yaml(ROOT / "params.yaml")
    for text in (*PICTURES, *(text for _, text in EXAMPLES)):
        params = merged(params, read(text))
    YAML(typ="safe", pure=True).dump(params, tmp_path / "params.yaml")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"), "-n"]
    done = subprocess.run(
        [*command, "--quiet", "all", "--", *sorted(targets)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_page
def test_dvc_commands_parse(page):
    from dvc.cli.parser import get_main_parser

    parser = get_main_parser()
    for _, words in used(page, "dvc"):
        line = " ".join(["dvc", *words])
        try:
            found = parser.parse_args(words)
        except (SystemExit, Exception) as error:
            pytest.fail(f"{line}: not understood ({error})")
        if words[0] == "repro":
            stages = config.read_yaml(ROOT / "dvc.yaml")["stages"]
            assert {target.partition("@")[0] for target in found.targets} <= set(stages), line


# --- links and files


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: no such file"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
            assert anchor in map(slug, headings), f"{target}: no such heading"


@each_page
def test_files_that_are_named_exist(page):
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"results", "reports", "logs", "data"}
    for span in spans(page):
        if not re.fullmatch(r"[\w.<>*/-]+", span) or span in FOREIGN:
            continue
        if span.endswith(SOURCES) or ("/" in span and span.split("/")[0] in folders):
            pattern = re.sub(r"<[^>]*>", "*", span).rstrip("/")
            assert any(ROOT.glob(pattern)) or any(page.parent.glob(pattern)), f"{span}: no such file"


def test_rules_and_packages_of_the_flow_exist():
    files = (ROOT / "workflow").rglob("*.smk")
    rules = {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.M)}
    flow = table_below(ROOT / "README.md", "The flow")
    assert {name for row in flow for name in re.findall(r"`(\w+)`", row["rule"])} == rules


def test_the_studies_of_the_readme_are_those_of_params():
    rows = table_below(ROOT / "README.md", "Other studies")
    assert [row["study"].strip("`") for row in rows] == list(plans().config.studies)


def test_the_index_links_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    missing = [p.name for p in PAGES if ROOT / "docs" in p.parents and p.name != "README.md" and p.name not in index]
    assert not missing


@each_page
def test_nothing_is_left_to_fill_in(page):
    assert not re.findall(r"<<[^>]*>>", page.read_text())


# --- worked examples


@pytest.mark.parametrize(("page", "text"), EXAMPLES, ids=[page.stem for page, _ in EXAMPLES])
def test_examples_of_arms_fit_params(page, text, worked_method):
    added = read(text)
    content = merged(config.read_yaml(ROOT / "params.yaml"), added)
    plan = Plan(config.validate(config.Config, content, str(page)))
    plan.check()
    for arm in added["arms"]:
        assert plan.run(plan.study.tasks[0], "personalized", arm, 0).arm == arm
    for table in added.get("tables", {}):
        assert set(added["arms"]) <= {run.arm for run in plan.runs(table)}


@pytest.mark.parametrize("there", [True, False])
def test_the_example_of_own_pictures_is_one(tmp_path, there):
    """As it stands, in the shipped params.yaml, with the folders that the page names and without them."""
    (text,) = PICTURES
    for name in ("beach", "forest", "kitchen", "office") if there else ():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(100):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "photos" / name / f"{number}.png")
    YAML(typ="safe", pure=True).dump(
        merged(config.read_yaml(ROOT / "params.yaml"), read(text)), tmp_path / "params.yaml"
    )
    plans = Plans(config.load(tmp_path / "params.yaml"))
    assert inventory.problems(plans) == []
    (state,) = inventory.state_of_data(plans.studies["photos"])
    assert (state[0], state[1].startswith("400 pictures in ")) == ("photos", there)
    found = {name: plan.every_report for name, plan in plans.studies.items()}
    assert found["photos"] == ["purpose"] and "purpose" not in found["demo"] and "table3" in found["demo"]
    assert {run.arm for run in plans.studies["photos"].runs("purpose")} == {"kmeans", "pcl"}


def test_the_example_of_an_orientation_of_a_task_is_one():
    (text,) = [text for text in fences(ROOT / "docs" / "extending.md", "yaml") if text.startswith("tasks:")]
    content = merged(config.read_yaml(ROOT / "params.yaml"), read(text))
    targets = Plan(config.validate(config.Config, content, "params.yaml")).targets("digits10-2")
    assert list(targets) == ["default", "personalized", "loops"]


def test_the_example_of_an_orientation_is_one(tmp_path):
    (text,) = [text for text in fences(ROOT / "docs" / "extending.md", "yaml") if text.startswith("dataset:")]
    (tmp_path / "example.yaml").write_text(text)
    for name in ("default", "personalized"):
        assert len(orientations.load("example", name, folder=tmp_path, clusters=2).clusters) == 2


@pytest.fixture
def worked_method(tmp_path_factory, monkeypatch):
    """Every file written out in docs/extending.md, registered for the length of a test; the name of the method."""
    written, modules = {}, []
    for text in fences(ROOT / "docs" / "extending.md", "python"):
        path = re.match(r"# (pcl/(\w+)/(\w+)\.py)\n", text)
        assert path and not (ROOT / path[1]).exists()
        package, folder = importlib.import_module(f"pcl.{path[2]}"), tmp_path_factory.mktemp("plugins")
        (folder / f"{path[3]}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        written[path[2]] = path[3]
        modules.append((package, path[3]))
    yield written["methods"]
    for package, name in modules:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)


def test_the_worked_method_runs(worked_method, workspace, tiny_config):
    content = tiny_config.model_dump()
    content["arms"]["worked"] = {"method": worked_method, "title": "worked"}
    plan = Plan(config.validate(config.Config, content, "params.yaml"))
    folder = execute.train(plan.run("digits10-2", "personalized", "worked", 0))
    assert (folder / "metrics.json").exists()


# --- the pages of methods


def page_of(method: str) -> Path:
    return ROOT / "docs" / "methods" / f"{method}.md"


@each_method
def test_every_method_has_a_page_that_names_its_source(method):
    docstring = registry.get("pcl.methods", "Method", method).__doc__
    text = page_of(method).read_text()
    assert "**Source.**" in text
    read = sources.code_read(registry.get("pcl.methods", "Method", method))
    said = " ".join(text.split())
    assert all(code in text for code in read)
    assert all(
        ("licence" if licence in ("none", "evaluation only") else licence) in said for licence in read.values()
    )
    year = re.search(r"Source:.*?\b((?:19|20|AAAI-)\d\d)\b", docstring, re.S)
    assert year and year[1] in text


def values_of(settings: BaseModel) -> dict[str, object]:
    """Setting -> value, with dots where settings are nested."""
    return {name: leaf.value for name, leaf in switches.leaves(settings).items()}


@each_method
def test_every_setting_stands_on_the_page_with_its_default(method):
    settings = registry.get("pcl.methods", "Method", method).Settings
    defaults = values_of(settings())
    shared = values_of(DeepSettings()) if issubclass(settings, DeepSettings) else {}
    own = {name for name, value in defaults.items() if name not in shared or shared[name] != value}
    shown = {row["setting"].strip("`"): read(row["default"]) for row in table_below(page_of(method), "Settings")}
    assert shown == {name: defaults[name] for name in own}


@each_method
def test_a_setting_is_called_on_its_page_what_tables_of_switches_call_it(method):
    settings = registry.get("pcl.methods", "Method", method).Settings()
    shown = {row["setting"].strip("`"): row[""] for row in table_below(page_of(method), "Settings")}
    described = {name: leaf.words for name, leaf in switches.leaves(settings).items() if leaf.words != name}
    assert all(shown[name].startswith(words) for name, words in described.items() if name in shown)


def test_the_register_says_what_each_preset_sets():
    method = registry.get("pcl.methods", "Method", "pcl")
    values = {name: values_of(method.Settings(**preset)) for name, preset in method.presets.items()}
    register = table_below(page_of("pcl"), "Register of differences")
    assert [row["#"] for row in register if row["#"] != "–"] == [str(number) for number in range(1, 16)]
    for row in register:
        setting = row["setting"].strip("`")
        for preset, known in values.items():
            assert read(row[f"`{preset}`"]) == known[setting], f"row {row['#']}, {preset}"
    # A switch that two presets set differently is a difference between them: it belongs to the register.
    differing = {name for name in values["paper"] if len({str(known[name]) for known in values.values()}) > 1}
    assert differing <= {row["setting"].strip("`") for row in register}


@each_method
def test_published_numbers_are_those_of_the_paper(method):
    from pcl.report import tables

    printed = {}
    for table in [*tables.published().tables.values(), *tables.published("occ-table2").tables.values()]:
        for rows in table.rows.values():
            for row, by_column in rows.items():
                for column, (*_, acc) in by_column.items():
                    task, _, orientation = column.partition(", ")
                    printed.setdefault((task, orientation or table.orientation, table.arms.get(row)), acc)
    page, config = page_of(method), plans().config
    shown = {config.arms[arm].method for table in config.tables.values() for arm in table.arms}
    if method not in shown and "## Numbers" not in page.read_text():
        return
    for row in table_below(page, "Numbers"):
        place = tuple(row[name].strip("`") for name in ("task", "orientation", "arm"))
        assert row["published"] == (f"{printed[place]:.3f}" if place in printed else "–")


# --- numbers of the demo


@pytest.fixture
def filling(monkeypatch):
    """docs/fill.py, which `make docs` runs."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    fill = importlib.import_module("fill")
    yield fill
    fill._read.cache_clear()


def test_the_table_of_methods_is_what_code_and_pages_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    audit = importlib.import_module("audit")
    found, page = audit.table(), (ROOT / "README.md").read_text()
    assert audit.readme(page) == page, "run `make docs`"
    assert all(
        f"(docs/methods/{method}.md)" in audit.IN_README.search(page)[0] for method in METHODS if method != "pcl"
    )
    assert found == (ROOT / "docs/methods/README.md").read_text(), "run `make docs`"
    assert all(f"]({method}.md)" in found for method in METHODS)


@each_page
def test_numbers_of_the_demo_are_those_of_its_tables(page, filling):
    assert filling.fill(page.read_text()) == page.read_text(), "run `make docs`"


@each_page
def test_every_mean_with_a_spread_says_which_table_it_is_from(page):
    named = "|".join([*plans().studies, "seeds"])
    text = re.sub(rf"<!-- (?:{named}): [\w, -]+ -->\n\n(?:\|.*\n)+", "", page.read_text())
    text = re.sub(rf"<!-- ({named}): [^>]+ -->[^<]*<!-- /\1 -->", "", text)
    assert not re.findall(r"\d ± \d.*", text)


def test_learning_curves_are_those_of_their_table_over_five_seeds(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs/results/curves")
    curves = importlib.import_module("curves")
    with (curves.HERE / "curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and {row["n"] for row in rows} == {"5"}
    assert curves.page(rows) == (curves.HERE / "README.md").read_text()


MEASURED = [name for name in ("theorems", "reshuffled") if (ROOT / f"docs/results/{name}/README.md").exists()]


@pytest.mark.parametrize("name", MEASURED)
def test_pages_of_what_was_measured_are_those_of_their_files(name, monkeypatch):
    """Five seeds behind every row."""
    monkeypatch.syspath_prepend(ROOT / "docs/results" / name)
    made = importlib.import_module(name)
    rows = rows_of(made.HERE / f"{name}.csv")
    assert made.page(rows) == (made.HERE / "README.md").read_text()
    groups = {tuple(row[key] for key in ("arm", "network", "answer") if key in row) for row in rows}
    assert len({(row["seed"], *group) for group in groups for row in rows}) == 5 * len(groups)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_each_switch_is_worth_follows_from_its_seeds(monkeypatch):
    """Means and differences of the table, from the file that has every seed; an arm has all seeds, or is not run."""
    monkeypatch.syspath_prepend(ROOT / "docs/results/switches")
    made = importlib.import_module("switches")
    table, seeds = (rows_of(made.HERE / f"{name}.csv") for name in ("switches", "seeds"))
    assert made.page(table, seeds) == (made.HERE / "README.md").read_text()
    item, numbers = plans().catalogue.tables[made.TABLE], [str(seed) for seed in plans().selected.study.seeds]
    assert {row["arm"] for row in table} == set(item.arms)
    acc = {(row["arm"], row["seed"]): float(row["acc"]) for row in seeds if row["split"] == "test"}
    for row in table:
        own = [acc.get((row["arm"], seed)) for seed in numbers]
        if row[f"{made.TASK} ACC n"] == "0":
            assert own == [None] * len(numbers) and row[f"{made.TASK} ACC mean"] == "not run"
            continue
        assert float(row[f"{made.TASK} ACC mean"]) == pytest.approx(np.mean(own), abs=1e-5)
        base = [acc.get((item.against.get(row["arm"]), seed)) for seed in numbers]
        if base[0] is not None:
            apart = np.mean(np.subtract(own, base))
            assert float(row[f"{made.TASK} ACC difference"]) == pytest.approx(apart, abs=1e-5)
    assert {row["key"] for row in seeds} <= {run.key for run in plans().selected.runs(made.TABLE)}, "other settings"


def test_numbers_of_the_labelling_page_are_those_of_its_benchmark():
    """Each row of the two tables of label.md, from the files that benchmarks/label.py wrote."""
    text = (ROOT / "docs/label.md").read_text()
    cards, sizes = (
        json.loads((ROOT / "benchmarks" / name).read_text()) for name in ("label.json", "label-sizes.json")
    )
    for way, own in cards.items():
        (row,) = re.findall(rf"^\| {way}\b.* \| (\d+) \| (\.\d+) \|$", text, re.M)
        assert row == (str(own["answers"]), f"{own['accuracy']:.3f}".removeprefix("0")), way
    for name, own in sizes.items():
        (row,) = re.findall(rf"^\| {name} \| ([\d.]+) s \| (\d+) ms \| (\d+) ms \|$", text, re.M)
        assert abs(float(row[0]) - own["first question, s"]) < 0.5, name
        assert row[1:] == tuple(str(own[f"key to next picture, {what} ms"]) for what in ("median", "p95")), name
    clocks = [[own[f"key to next picture, {what} ms"] for own in cards.values()] for what in ("median", "p95")]
    said = " | ".join(f"{min(each)} to {max(each)} ms" for each in clocks)
    assert f"| 1,751 cards | {cards['court']['first question, s']} s | {said} |" in text


TABLES = sorted(path for study in plans().studies for path in (ROOT / "docs/results" / study).glob("*.csv"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_tables_in_the_docs_have_rows_that_params_names(path):
    with path.open(newline="") as file:
        arms = [row["arm"] for row in csv.DictReader(file)]
    assert set(arms) <= set(plans().catalogue.tables[path.stem].arms)


def above_chance(found: dict[str, str]) -> bool:
    """Whether a row of a table has a mean ACC that is more than its spread above the bound of chance on some task."""
    for column in (name.removesuffix(" mean") for name in found if name.endswith(" ACC mean")):
        task, _, orientation = column.removesuffix(" ACC").partition(", ")
        mean, std = found[f"{column} mean"], found[f"{column} std"]
        bounds = chances(task)
        bound = bounds[orientation] if orientation else max(bounds.values())
        if std[:1].isdigit() and float(mean) - float(std) > bound:
            return True
    return False


@cache
def chances(task: str) -> dict[str, float]:
    """Orientation -> the share of the largest cluster of test images and two standard errors of it."""
    plan = plans().selected
    labels = plan.data(task).dataset.read(print)["test"].labels
    found = {}
    for name, target in plan.targets(task).items():
        counts = np.bincount(target.map.relabel(labels))
        share = counts.max() / counts.sum()
        found[name] = share + 2 * (share * (1 - share) / counts.sum()) ** 0.5
    return found


def test_every_method_of_the_table_of_all_beats_chance_outside_its_spread_on_some_task():
    """By the tables of the demo as they are committed; an arm under another strategy is another arm."""
    known, above = plans().config, set()
    for path in sorted((ROOT / "docs/results/demo").glob("*.csv")):
        if not plans().catalogue.tables[path.stem].budgets:
            with path.open(newline="") as file:
                above |= {row["arm"] for row in csv.DictReader(file) if above_chance(row)}
    assert {known.arms[arm].method for arm in known.on_request["everything"].arms} == {
        known.arms[arm].method for arm in above & known.arms.keys()
    } & set(METHODS)


PAGE = """
| task | orientation | arm | ours | published |
|---|---|---|---|---|
| `digits10-4` | personalized | `dcc` | 0.542 ± 0.007 | 0.1 |

<!-- demo: table2, table3 -->

| task | orientation | arm | ours | published |
|---|---|---|---|---|
| `digits10-4` | default | `dcc` | old | 0.1 |
| `digits10-4` | personalized | `dcc` | 0.542 ± 0.007 | 0.2 |
| `digits10-4` | personalized | `pcl` | old | 0.2 |
| `cifar10-2` | personalized | `dcc` | old | 0.3 |

<!-- demo: cross -->

| method | closure | `random` | `hard` |
|---|---|---|---|
| DCC | full | old | 0.473 ± 0.012 |

They imply <!-- demo: cross dcc+hard digits10-4 implied -->1<!-- /demo --> pairs, score
<!-- demo: cross dcc+hard digits10-4 ACC mean -->0.5<!-- /demo -->, and 7 stays 7.
Over seeds <!-- seeds: adc d test_acc spread -->?<!-- /seeds -->, <!-- seeds: adc d test_acc mean -->?<!-- /seeds -->,
at least <!-- seeds: adc d test_acc least -->?<!-- /seeds -->.

<!-- switches -->

| anything |
|---|
"""
SWITCHES = """arm,method,d ACC mean,d ACC n,d ACC difference,d ACC low,d ACC high
a,A,0.5,5,n/a,n/a,n/a
a+x,what x is: 1 → 2,0.6,5,0.1,0.05,0.2
a+y,y: 0 → 1,not run,0,n/a,n/a,n/a
b,B,0.7,5,0.2,-0.1,0.4
b+y,y: 1 → 0,0.5,4,-0.2,-0.3,-0.1
b+x,what x is: 2 → 1,0.6,5,-0.1,-0.2,0.1
"""
WORTH = """<!-- switches -->

| setting | as printed → as released | the rest as printed | the rest as released |
|---|---|---:|---:|
| what x is | 1 → 2 | **+0.100 [+0.050, +0.200]** | +0.100 [−0.100, +0.200] |
| y | 0 → 1 | not run | +0.200 [+0.100, +0.300] |
| all of them | | +0.200 [−0.100, +0.400] | |
"""


def test_only_what_is_marked_is_filled_in(filling, tmp_path, monkeypatch):
    tables = {
        "table2": "arm,digits10-4 ACC mean,digits10-4 ACC std\ndcc,0.61,0.01\n",
        "table3": "arm,digits10-4 ACC mean,digits10-4 ACC std\ndcc,0.7,0.0204\npcl,0.8,n/a\n",
        "cross": "group,method,arm,digits10-4 ACC mean,digits10-4 ACC std,digits10-4 implied\n"
        "DCC,random,dcc,not run,not run,not run\nDCC,hard,dcc+hard,0.25,0.125,7363.4\n",
    }
    for name, text in tables.items():
        artifacts.write(tmp_path / "demo" / f"{name}.csv", text)
    artifacts.write(tmp_path / "cifar" / "cross.csv", tables["cross"].replace("7363.4", "12"))
    artifacts.write(tmp_path / "switches" / "switches.csv", SWITCHES)
    artifacts.write(tmp_path / "seeds" / "seeds.csv", "arm,task,test_acc\nadc,d,0.3\nadc,e,1\ndcc,d,1\nadc,d,0.5\n")
    monkeypatch.setattr(filling, "RESULTS", tmp_path)
    filling._read.cache_clear()
    found = filling.fill(PAGE)
    before, after = (text.partition("<!-- switches -->")[0] for text in (PAGE, found))
    assert found.removeprefix(after) == WORTH
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert [new for _, new in changed] == [
        "| `digits10-4` | default | `dcc` | 0.610 ± 0.010 | 0.1 |",
        "| `digits10-4` | personalized | `dcc` | 0.700 ± 0.020 | 0.2 |",
        "| `digits10-4` | personalized | `pcl` | 0.800 (n = 1) | 0.2 |",
        "| `cifar10-2` | personalized | `dcc` | not run | 0.3 |",
        "| DCC | full | not run | 0.250 ± 0.125 |",
        "They imply <!-- demo: cross dcc+hard digits10-4 implied -->7,363<!-- /demo --> pairs, score",
        "<!-- demo: cross dcc+hard digits10-4 ACC mean -->0.250<!-- /demo -->, and 7 stays 7.",
        "Over seeds <!-- seeds: adc d test_acc spread -->0.400 ± 0.141<!-- /seeds -->, "
        "<!-- seeds: adc d test_acc mean -->0.400<!-- /seeds -->,",
        "at least <!-- seeds: adc d test_acc least -->0.300<!-- /seeds -->.",
    ]
    assert filling.fill(found) == found
    with pytest.raises(SystemExit, match="has no 'digits10-4 asked' of the arm 'dcc'"):
        filling.fill("<!-- demo: cross dcc digits10-4 asked -->1<!-- /demo -->")
    with pytest.raises(SystemExit, match="has no row of the arm 'pcl' on 'd'"):
        filling.fill("<!-- seeds: pcl d test_acc mean -->1<!-- /seeds -->")
    other = "<!-- cifar: cross dcc+hard digits10-4 implied -->{}<!-- /cifar -->"
    assert filling.fill(other.format("?")) == other.format("12"), "another study's number comes from its own folder"
    number = "<!-- demo: switches b+x d ACC difference -->{}<!-- /demo -->"
    assert filling.fill(number.format("?")) == number.format("−0.100")
