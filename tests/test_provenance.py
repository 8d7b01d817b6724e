"""What an artefact says about its origin."""

import json
import subprocess
import sys

import pytest

from pcl import provenance


def test_names_code_versions_and_what_it_is_told():
    found = provenance.provenance(seconds=1.5)
    assert found["seconds"] == 1.5
    assert set(provenance.PACKAGES) == set(found["versions"])
    json.dumps(found)


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one commit, and a file that was changed after it."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    (tmp_path / "pcl").mkdir()
    (tmp_path / "pcl" / "provenance.py").write_text("")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *who, *command], check=True)
    (tmp_path / "pcl" / "provenance.py").write_text("changed")
    return tmp_path


def test_in_a_checkout_it_is_a_commit_that_says_whether_files_differ(checkout, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(checkout / "pcl" / "provenance.py"))
    found = provenance.revision()
    assert found.endswith("-dirty")
    assert int(found.removesuffix("-dirty"), 16)


def test_without_a_checkout_of_its_own_it_says_why_it_is_unknown(checkout, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(checkout / "site-packages" / "pcl" / "provenance.py"))
    assert provenance.revision() == "unknown (no checkout)"
    monkeypatch.setattr(provenance, "__file__", str(checkout / "pcl" / "provenance.py"))
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(checkout))
        assert provenance.revision() == "unknown (no git)"
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert f"git config --global --add safe.directory {checkout}" in provenance.revision()


def test_before_the_first_commit_it_is_unknown(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "pcl" / "provenance.py"))
    assert provenance.revision().startswith("unknown (")


def test_memory_is_in_mebibytes_whatever_the_system_counts_in(monkeypatch):
    kibibytes = provenance.peak_memory_mb()
    assert 10 < kibibytes < 10**5
    monkeypatch.setattr(sys, "platform", "darwin")
    assert abs(provenance.peak_memory_mb() * 1024 - kibibytes) < 1024
    monkeypatch.setitem(sys.modules, "resource", None)
    assert provenance.peak_memory_mb() is None
