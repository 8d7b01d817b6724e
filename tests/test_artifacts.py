"""Files are whole or absent, and equal content gives equal bytes."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl import artifacts, seals
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

    def test_a_link_is_followed(self, path):
        link, unmade = path.with_name("link"), path.with_name("unmade")
        old(path).chmod(0o640)
        link.symlink_to("file")
        unmade.symlink_to("other")
        for each in (link, unmade):
            artifacts.write(each, "new")
            assert each.is_symlink() and each.read_text() == "new"
        assert path.read_text() == path.with_name("other").read_text() == "new"
        assert path.stat().st_mode & 0o777 == 0o640, "the rights that it had"

    def test_a_device_or_a_pipe_is_written_to(self, tmp_path):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        artifacts.write(pipe, lambda file: file.write(b"new"))
        assert os.read(reader, 9) == b"new" and pipe.is_fifo()
        os.close(reader)
        artifacts.write(Path("/dev/null"), "new")
        assert Path("/dev/null").is_char_device()

    def test_a_folder_or_a_file_without_rights_is_one_message(self, path, monkeypatch):
        with pytest.raises(UserError, match=r"deep: cannot be written \(Is a directory\)"):
            artifacts.write(old(path).parents[1], "new")
        monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anything
        with pytest.raises(UserError, match=r"file: cannot be written \(Permission denied\)"):
            artifacts.write(path, "new")
        assert path.read_text() == "old"

    def test_what_kills_have_left_goes_with_the_next_write(self, path):
        dead = subprocess.Popen(["true"])
        dead.wait()
        lives = path.with_name(f".file.{os.getppid()}")
        others = [path.with_name(name) for name in (f".else.{dead.pid}", ".file.swp", "file.1")]
        left = path.with_name(f".file.{dead.pid}")
        old(path)
        for each in (left, lives, *others):
            each.write_text("half")
        artifacts.write(path, "new")
        assert not left.exists() and all(each.exists() for each in (lives, *others))
        artifacts.sweep(path.parent)
        assert [each.name for each in (lives, *others) if not each.exists()] == [others[0].name]

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
        path = tmp_path / "metrics.json"
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{path}: damaged.*; {seals.remake(path)}"):
            artifacts.read_json(path)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"metrics\.json: cannot be read \(No such file or directory\)"):
            artifacts.read_json(tmp_path / "metrics.json")


class TestArrays:
    def test_equal_arrays_give_equal_bytes_at_any_time(self, tmp_path, monkeypatch):
        arrays = {"index": np.arange(5), "cluster": np.array([0, 1, 1, 0, 2], np.int64)}
        first, second = (tmp_path / folder / "a.npz" for folder in ("now", "later"))
        artifacts.write_arrays(first, **arrays)
        later = time.time() + 10**7
        monkeypatch.setattr(time, "time", lambda: later)
        monkeypatch.setattr(time, "localtime", lambda *when: time.gmtime(later))
        artifacts.write_arrays(second, **arrays)
        assert first.read_bytes() == second.read_bytes()
        assert all((artifacts.read_arrays(first)[name] == array).all() for name, array in arrays.items())

    def test_they_come_back_without_pickle(self, tmp_path):
        artifacts.write_arrays(tmp_path / "a.npz", names=np.array(["one", "two"]), x=np.float32([[1, 2]]))
        with np.load(tmp_path / "a.npz", allow_pickle=False) as saved:
            assert saved["names"].tolist() == ["one", "two"]
            assert saved["x"].dtype == np.float32

    def test_a_file_of_another_name_is_refused(self, tmp_path):
        """The name holds the key of what belongs there."""
        artifacts.write_arrays(tmp_path / "one.npz", x=np.arange(3))
        (tmp_path / "one.npz").rename(tmp_path / "two.npz")
        with pytest.raises(UserError, match=r"two\.npz: damaged, or not the file.*delete it and run: snakemake"):
            artifacts.read_arrays(tmp_path / "two.npz")

    def test_what_an_earlier_version_wrote_is_read(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=np.arange(3))
        assert artifacts.read_arrays(tmp_path / "a.npz")["x"].tolist() == [0, 1, 2]


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
