"""Files are whole or absent, and equal content gives equal bytes."""

import errno
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl import artifacts
from pcl.errors import UserError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "down" / "file"


def old(path):
    """A file that was there before, in its folder."""
    path.parent.mkdir(parents=True)
    path.write_text("old")
    return path


class TestWrite:
    @pytest.mark.parametrize("content", [b"new", "new", lambda file: file.write(b"new")])
    def test_bytes_text_or_a_writer(self, path, content):
        artifacts.write(path, content)
        artifacts.write(path, content)
        assert path.read_bytes() == b"new"
        assert [file.name for file in path.parent.iterdir()] == ["file"]

    @pytest.mark.parametrize(
        "failure", [OSError(errno.EIO, "Input/output error"), ValueError("no"), KeyboardInterrupt()]
    )
    def test_a_failing_writer_leaves_the_old_file(self, path, failure):
        def half(file):
            file.write(b"ne")
            raise failure

        with pytest.raises((UserError, ValueError, KeyboardInterrupt)):
            artifacts.write(old(path), half)
        assert path.read_text() == "old"
        assert [file.name for file in path.parent.iterdir()] == ["file"]

    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_a_full_disk_is_one_message_and_loses_nothing(self, path, monkeypatch, call):
        def full(*arguments):
            raise OSError(errno.ENOSPC, "No space left on device")

        old(path)
        monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (type(path), "replace")), full)
        with pytest.raises(UserError, match=r"file: cannot be written \(No space left on device\); nothing was lost"):
            artifacts.write(path, "new")
        assert path.read_text() == "old"
        assert [file.name for file in path.parent.iterdir()] == ["file"]

    def test_a_file_where_a_folder_should_be(self, tmp_path):
        (tmp_path / "deep").write_text("in the way")
        with pytest.raises(UserError, match=r"deep/down/file: cannot be written \((Not a directory|File exists)\)"):
            artifacts.write(tmp_path / "deep" / "down" / "file", "new")
        assert (tmp_path / "deep").read_text() == "in the way"

    def test_a_killed_process_leaves_the_old_file(self, path):
        code = (
            "import sys, os; from pathlib import Path; from pcl import artifacts\n"
            "artifacts.write(Path(sys.argv[1]), lambda f: (f.write(b'ne'), f.flush(), os.kill(os.getpid(), 9)))"
        )
        killed = subprocess.run([sys.executable, "-c", code, str(old(path))], check=False)
        assert killed.returncode == -9
        assert path.read_text() == "old"


class TestJSON:
    def test_the_order_of_keys_does_not_matter(self, tmp_path):
        artifacts.write_json(tmp_path / "a", {"x": 1, "y": {"b": 2, "a": [None, True]}})
        artifacts.write_json(tmp_path / "b", {"y": {"a": [None, True], "b": 2}, "x": 1})
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        assert artifacts.read_json(tmp_path / "a") == {"x": 1, "y": {"a": [None, True], "b": 2}}

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_what_is_no_number_is_not_written(self, path, number):
        with pytest.raises(ValueError, match="JSON compliant"):
            artifacts.write_json(path, {"loss": number})
        assert not path.exists()

    @pytest.mark.parametrize("content", [b'{"a": ', b"", b"\xff\xfe", b"word"])
    def test_a_damaged_file_says_what_to_do(self, tmp_path, content):
        (tmp_path / "metrics.json").write_bytes(content)
        with pytest.raises(
            UserError, match=r"metrics\.json: not valid JSON .*; delete its folder and run the step again"
        ):
            artifacts.read_json(tmp_path / "metrics.json")

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"metrics\.json: cannot be read \(No such file or directory\)"):
            artifacts.read_json(tmp_path / "metrics.json")


class TestArrays:
    def test_equal_arrays_give_equal_bytes_at_any_time(self, tmp_path, monkeypatch):
        arrays = {"index": np.arange(5), "cluster": np.array([0, 1, 1, 0, 2], np.int64)}
        artifacts.write_arrays(tmp_path / "a.npz", **arrays)
        later = time.time() + 10**7
        monkeypatch.setattr(time, "time", lambda: later)
        monkeypatch.setattr(time, "localtime", lambda *when: time.gmtime(later))
        artifacts.write_arrays(tmp_path / "b.npz", **arrays)
        assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()

    def test_they_come_back_without_pickle(self, tmp_path):
        artifacts.write_arrays(tmp_path / "a.npz", names=np.array(["one", "two"]), x=np.float32([[1, 2]]))
        with np.load(tmp_path / "a.npz", allow_pickle=False) as saved:
            assert saved["names"].tolist() == ["one", "two"]
            assert saved["x"].dtype == np.float32


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


class TestKey:
    @given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
    def test_eight_digits_whatever_the_order(self, spec):
        found = artifacts.key(spec)
        assert len(found) == 8
        assert int(found, 16) >= 0
        assert artifacts.key(dict(reversed(spec.items()))) == found
        assert artifacts.key(json.loads(json.dumps(spec))) == found, "as it comes back from metrics.json"

    @given(json_values, json_values)
    def test_other_content_is_another_key(self, one, other):
        if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
            assert artifacts.key({"x": one}) != artifacts.key({"x": other})


class TestProvenance:
    def test_names_code_versions_and_what_it_is_told(self):
        found = artifacts.provenance(seconds=1.5)
        assert found["seconds"] == 1.5
        assert set(artifacts.PACKAGES) == set(found["versions"])
        json.dumps(found)

    @pytest.fixture
    def checkout(self, tmp_path):
        """A checkout with one commit, and a file that was changed after it."""
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        (tmp_path / "pcl").mkdir()
        (tmp_path / "pcl" / "artifacts.py").write_text("")
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
            subprocess.run(["git", "-C", str(tmp_path), *who, *command], check=True)
        (tmp_path / "pcl" / "artifacts.py").write_text("changed")
        return tmp_path

    def test_in_a_checkout_it_is_a_commit_that_says_whether_files_differ(self, checkout, monkeypatch):
        monkeypatch.setattr(artifacts, "__file__", str(checkout / "pcl" / "artifacts.py"))
        found = artifacts.revision()
        assert found.endswith("-dirty")
        assert int(found.removesuffix("-dirty"), 16)

    def test_in_the_checkout_of_something_else_or_without_git_it_is_unknown(self, checkout, monkeypatch):
        monkeypatch.setattr(artifacts, "__file__", str(checkout / "site-packages" / "pcl" / "artifacts.py"))
        assert artifacts.revision() == "unknown"
        monkeypatch.setattr(artifacts, "__file__", str(checkout / "pcl" / "artifacts.py"))
        monkeypatch.setenv("PATH", str(checkout))
        assert artifacts.revision() == "unknown"

    def test_before_the_first_commit_it_is_unknown(self, tmp_path, monkeypatch):
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
        monkeypatch.setattr(artifacts, "__file__", str(tmp_path / "pcl" / "artifacts.py"))
        assert artifacts.revision() == "unknown"
