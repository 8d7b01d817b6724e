"""Rules of the code that no linter knows: where randomness lives, which way imports point, what docstrings say."""

import ast
from pathlib import Path

import pytest

from pcl import registry

PACKAGE = Path(registry.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}
PLUGINS = [
    (package, name, plugin)
    for package, name in (
        ("datasets", "Dataset"),
        ("oracles", "Oracle"),
        ("strategies", "Strategy"),
        ("methods", "Method"),
    )
    for plugin in registry.names(f"pcl.{package}", name)
]


def named(path):
    """A file as it is called in messages."""
    return path.relative_to(PACKAGE).as_posix()


def found(pattern):
    """Every node of the package for which a function of the node holds, as file:line."""
    return [
        f"{named(path)}:{node.lineno}" for path, tree in TREES.items() for node in ast.walk(tree) if pattern(node)
    ]


def dotted(node):
    """`a.b.c` of an attribute chain."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def modules(node):
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


class TestNumerics:
    def test_no_operation_whose_last_bit_depends_on_the_processor(self):
        """On a CPU torch leaves these to MKL, which starts from the processor's estimate of 1/x or 1/√x: Intel's
        and AMD's differ. `x.rsqrt()` and `reciprocal` divide and take roots as IEEE 754 says."""
        estimated = {"sqrt", "tan", "atan", "asin", "acos", "log2", "log10"}
        estimated |= {f"{name}_" for name in estimated}

        def depends(node):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                return False
            halves = node.func.attr == "pow" and any(ast.unparse(a) in ("0.5", "1 / 2") for a in node.args)
            return (node.func.attr in estimated or halves) and dotted(node.func).split(".")[0] not in ("math", "np")

        assert found(depends) == []
        assert found(lambda n: dotted(n) == "torch.optim.RMSprop") == []


class TestRandomnessAndDevices:
    def test_devices_are_arguments(self):
        assert found(lambda n: isinstance(n, ast.Attribute) and n.attr == "cuda" and dotted(n) != "torch.cuda") == []
        assert found(lambda n: isinstance(n, ast.Call) and dotted(n.func).endswith(".cuda")) == []

    def test_numpy_draws_from_generators_only(self):
        allowed = {"np.random", "np.random.Generator", "np.random.default_rng", "np.random.PCG64"}
        assert found(lambda n: dotted(n).startswith("np.random") and dotted(n) not in allowed) == []
        assert found(lambda n: "numpy.random" in modules(n)) == []

    def test_python_s_own_generator_is_not_used(self):
        assert found(lambda n: "random" in modules(n)) == []

    def test_only_seed_touches_what_is_global_in_torch(self):
        seeding = ("torch.manual_seed", "torch.random.fork_rng", "torch.seed", "torch.set_rng_state")
        places = found(lambda n: dotted(n) in seeding or dotted(n).startswith("torch.cuda.manual_seed"))
        assert {place.partition(":")[0] for place in places} == {"seed.py"}

    def test_every_draw_names_its_generator(self):
        """`uniform_`, `randperm` and their like fall back on the global generator without one."""
        drawing = {
            "rand",
            "randn",
            "randint",
            "randperm",
            "normal",
            "bernoulli",
            "multinomial",
            "rand_like",
            "randn_like",
        }
        in_place = {"uniform_", "normal_", "random_", "bernoulli_", "exponential_"}

        def draws(node):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                return False
            name = dotted(node.func)
            drawn = (
                name.removeprefix("torch.") in drawing if name.startswith("torch.") else node.func.attr in in_place
            )
            return drawn and "generator" not in {keyword.arg for keyword in node.keywords}

        assert found(draws) == []


class TestStatements:
    def test_library_code_does_not_print(self):
        assert found(lambda n: isinstance(n, ast.Call) and dotted(n.func) == "print") == []

    def test_there_is_no_global_state(self):
        assert found(lambda n: isinstance(n, ast.Global | ast.Nonlocal)) == []

    def test_only_config_reads_yaml(self):
        readers = found(lambda n: {name.split(".")[0] for name in modules(n) if name} & {"yaml", "ruamel", "oyaml"})
        assert {place.partition(":")[0] for place in readers} == {"config.py"}

    def test_nothing_is_unpickled_with_trust(self):
        loads = found(
            lambda n: (
                isinstance(n, ast.Call)
                and dotted(n.func) == "torch.load"
                and not any(k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in n.keywords)
            )
        )
        assert loads == []
        assert (
            found(lambda n: any(k.arg == "allow_pickle" and k.value.value for k in getattr(n, "keywords", []))) == []
        )


# The order of the data flow; the first serve everyone.
STAGES = (
    (
        "errors",
        "types",
        "seed",
        "values",
        "references",
        "config",
        "seals",
        "artifacts",
        "provenance",
        "registry",
        "progress",
        "metrics",
        "schedules",
        "assignment",
        "layout",
        "versions",
        "numerics",
    ),
    ("limits",),
    ("datasets",),
    ("orientations",),
    ("constraints",),
    ("neighbourhoods", "propagation", "margins", "ridge"),
    ("oracles",),
    ("beliefs",),
    ("strategies", "losses"),
    ("engine",),
    ("networks", "representations"),
    ("methods",),
    ("sorting", "switches"),
    ("folder",),
    ("plan",),
    ("run",),
    ("stats", "intervals", "inventory", "cost", "sources"),
    ("report",),
    ("moved", "verify", "label"),
    ("crate",),
    ("estimator",),
    ("options", "reporting", "reviewing", "gpus", "warm"),
    ("skeleton", "cli", "__main__"),
)
RANK = {name: rank for rank, names in enumerate(STAGES) for name in names}


def stage(path):
    """The part of the package that a file belongs to."""
    return named(path).split("/")[0].removesuffix(".py")


def imported_at_once(tree):
    """Import statements that run when the module is imported: not in functions, not for type checkers."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def parts(node):
    """The parts of the package that an import statement names."""
    for module in modules(node):
        if module and module.startswith("pcl.") and module.split(".")[1] in RANK:
            yield module.split(".")[1]


class TestImports:
    def test_every_file_has_its_place_in_the_order(self):
        assert {stage(path) for path in FILES} - {"__init__"} == set(RANK)

    @pytest.mark.parametrize("path", FILES, ids=named)
    def test_point_to_earlier_stages_only(self, path):
        rank = RANK.get(stage(path), 0)
        later = {
            f"line {node.lineno}: {part}"
            for node in imported_at_once(TREES[path])
            for part in parts(node)
            if RANK[part] > rank
        }
        assert later == set()

    def test_plugins_do_not_import_each_other(self):
        siblings = {(package, plugin) for package, _, plugin in PLUGINS}
        for package, _, plugin in PLUGINS:
            path = PACKAGE / package / f"{plugin}.py"
            for node in ast.walk(TREES[path]):
                for module in modules(node):
                    words = tuple((module or "").split(".")[1:3])
                    assert words not in siblings - {(package, plugin)} or words[0] != package, (
                        f"{named(path)}: {module}"
                    )


class TestPlugins:
    @pytest.mark.parametrize(("package", "name", "plugin"), PLUGINS)
    def test_says_where_it_comes_from(self, package, name, plugin):
        docstring = registry.get(f"pcl.{package}", name, plugin).__doc__ or ""
        words = ("Source:", "Licence:") if package == "datasets" else ("Source:",)
        assert any(f"    {word} " in docstring for word in words), "a line that begins with Source:"
        assert docstring.partition("\n")[0].endswith((".", "!")), "the first line is one sentence"

    @pytest.mark.parametrize("plugin", [plugin for package, _, plugin in PLUGINS if package == "methods"])
    def test_a_method_is_one_short_file(self, plugin):
        assert len((PACKAGE / "methods" / f"{plugin}.py").read_text().splitlines()) <= 200

    def test_what_methods_have_in_common_is_no_plugin_and_serves_several(self):
        plugins = {plugin for package, _, plugin in PLUGINS if package == "methods"}
        shared = {path.stem for path in (PACKAGE / "methods").glob("*.py")} - plugins - {"__init__"}
        assert {"base", "embedded"} <= shared
        for name in shared:
            users = {
                plugin
                for plugin in plugins
                for node in ast.walk(TREES[PACKAGE / "methods" / f"{plugin}.py"])
                if f"pcl.methods.{name}" in modules(node)
            }
            assert len(users) > 1, name

    def test_there_is_no_list_of_them(self):
        """The folder is the registry: no module of the package names its plug-ins."""
        for package in {package for package, _, _ in PLUGINS}:
            text = ast.dump(TREES[PACKAGE / package / "__init__.py"])
            names = [plugin for where, _, plugin in PLUGINS if where == package]
            assert not [name for name in names if f"'{name}'" in text]


def public(tree, inside=""):
    """Public functions and classes, and the public methods of public classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{inside}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{node.name}.")


class TestDocstrings:
    @pytest.mark.parametrize("path", FILES, ids=named)
    def test_everything_public_has_one(self, path):
        tree = TREES[path]
        missing = [name for name, node in public(tree) if ast.get_docstring(node) is None]
        assert missing == []
        assert ast.get_docstring(tree), "the module's own"

    @pytest.mark.parametrize("path", FILES, ids=named)
    def test_first_lines_are_sentences(self, path):
        for name, node in public(TREES[path]):
            first = ast.get_docstring(node).partition("\n")[0]
            assert first[-1] in ".:;?!", f"{name}: {first}"
