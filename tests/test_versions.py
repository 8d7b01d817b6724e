"""The versions of shared code in a key: found in the source, and complete."""

import importlib
import re
from pathlib import Path

import pytest

from pcl import registry, versions

METHODS = registry.names("pcl.methods", "Method")
FILES = [path for package in versions.SHARED for path in sorted((versions.ROOT / package).glob("[!_]*.py"))]


def method_of(name):
    return registry.get("pcl.methods", "Method", name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_of_shared_code_has_a_version(path):
    module = importlib.import_module(f"pcl.{path.parent.name}.{path.stem}")
    assert type(module.VERSION) is int and module.VERSION >= 1


@pytest.mark.parametrize("name", METHODS)
def test_whatever_a_method_names_is_found(name):
    """Every word after `losses.` or `networks.` in its file is a file that counts."""
    text = Path(importlib.import_module(f"pcl.methods.{name}").__file__).read_text()
    named = {f"{package}/{word}" for package, word in re.findall(r"\b(losses|networks)\.(\w+)", text)}
    assert named <= versions.of_method(method_of(name)).keys()


def test_what_is_used_through_others_counts():
    """SPICE takes its neighbours from `graph`, which takes the balance from `contrastive`."""
    assert {"losses/pseudo", "losses/graph", "losses/contrastive"} <= versions.of_method(method_of("spice")).keys()
    assert "losses/gaussian" not in versions.of_method(method_of("spice"))


def test_what_a_method_derives_from_counts():
    """SDEC's target distribution is in the file of its family."""
    assert "losses/student" in versions.of_method(method_of("sdec"))


def test_a_method_without_a_network_of_images_counts_what_it_uses_and_not_the_engine():
    assert versions.of_method(method_of("kmeans")) == {}
    assert versions.of_method(method_of("spherepair")).keys() == {"losses/spherical", "networks/dense"}


@pytest.mark.parametrize(("raised", "arms"), [("losses/gaussian", {"dcgmm"}), ("networks/attention", {"pcl"})])
def test_a_raised_version_moves_the_runs_that_use_it_and_no_other(plan, monkeypatch, raised, arms):
    before = {name: plan.run("digits10-2", "personalized", name, 0).key for name in ("pcl", "dcc", "dcgmm", "cc")}
    version = versions._version
    monkeypatch.setattr(versions, "_version", lambda path: version(path) + (path == versions.ROOT / f"{raised}.py"))
    again = type(plan)(plan.config)
    after = {name: again.run("digits10-2", "personalized", name, 0).key for name in before}
    assert {name for name in before if before[name] != after[name]} == arms
