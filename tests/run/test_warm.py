"""Runs forked from a process with everything imported: what they do, and how they end, is as by hand."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pcl import warm

ROOT = Path(__file__).parents[2]
TRAIN = ("train", "digits10-2", "any")


@pytest.fixture(scope="module")
def folder(empty):
    """A folder with the smoke study, data and target clusters."""
    folder = empty("warm")
    content = (ROOT / "tests/params.smoke.yaml").read_text()
    long = "\n  long: {method: cc, title: long, settings: {epochs: 10000}}"
    assert content.count("\narms:") == 1
    (folder / "params.yaml").write_text(content.replace("\narms:", f"\narms:{long}"))
    return folder


@pytest.fixture(scope="module")
def owner():
    """A process that lives as long as the tests of this file."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def environment(owner):
    """One in which runs share imports while the owner lives."""
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    warm.offer(environment)
    environment[warm.NAME] = f"{owner.pid}-{environment[warm.NAME].partition('-')[2]}"
    return environment


def server(environment):
    """The process from which runs are forked; None where there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection, suppress(ConnectionRefusedError):
        connection.connect(warm.address(environment[warm.NAME]))
        return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return None


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def eventually(holds, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def start(folder, environment, *words, threads=1):
    command = [sys.executable, "-P", "-m", "pcl", *words, "--threads", str(threads)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process):
    out, said = process.communicate(timeout=300)
    return process.returncode, out, said


@pytest.fixture
def long(folder, environment):
    """A long run under way: the process that waits, and the fork that works."""
    process = start(folder, environment, *TRAIN, "long")
    eventually(lambda: server(environment) and children(server(environment)))
    assert "long" in process.stderr.readline()
    (fork,) = children(server(environment))
    yield process, int(fork)
    process.kill()
    process.communicate()
    eventually(lambda: not children(server(environment)))


def test_a_run_writes_the_same_bytes_and_says_the_same(folder, environment):
    cold = {name: value for name, value in environment.items() if name != warm.NAME}
    done, files = [], []
    for each in (environment, cold):
        code, out, _ = ended(start(folder, each, *TRAIN, "cc"))
        (run,) = (folder / "results/runs/digits10-2/any/cc/q0").glob("*/seed0")
        files.append({path.name: path.read_bytes() for path in run.iterdir() if path.name != "provenance.json"})
        shutil.rmtree(run)
        done.append((code, out))
    assert done[0] == done[1] == (0, f"{run.relative_to(folder)}\n")
    assert files[0] == files[1]
    assert {"metrics.json", "assignments.npz", "model.safetensors", "history.csv"} <= set(files[0])


def test_an_error_is_that_of_the_run(folder, environment):
    code, out, said = ended(start(folder, environment, *TRAIN, "nobody"))
    assert (code, out) == (2, "")
    assert "no such arm 'nobody'" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_run(long, number):
    process, fork = long
    process.send_signal(number)
    code, _, _ = ended(process)
    assert code == (-number if number == signal.SIGTERM else 1)
    assert not Path(f"/proc/{fork}").exists()


def test_who_is_killed_takes_the_run_along(long):
    process, fork = long
    process.kill()
    eventually(lambda: not Path(f"/proc/{fork}").exists())


def test_without_the_server_a_run_is_cut_off_and_the_next_one_starts_another(folder, environment, long):
    process, fork = long
    os.kill(server(environment), signal.SIGKILL)
    code, _, said = ended(process)
    assert code == 1
    assert "start again" in said
    eventually(lambda: not Path(f"/proc/{fork}").exists())
    assert ended(start(folder, environment, *TRAIN, "nobody"))[0] == 2
    assert server(environment)


@pytest.mark.parametrize(
    ("threads", "more", "words"),
    [(2, {}, [*TRAIN, "nobody"]), (1, {"PCL_NUMERICS": "native"}, [*TRAIN, "nobody"]), (1, {}, ["collect"])],
)
def test_what_needs_other_imports_starts_by_itself(folder, environment, threads, more, words):
    other = dict(environment) | more
    warm.offer(other)  # of this process, for which nothing has been started
    assert ended(start(folder, other, *words, threads=threads))[0] == 2
    assert server(other) is None


def test_all_ends_with_the_owner(folder):
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(["sleep", "1000"]) as process:
        environment[warm.NAME] = f"{process.pid}-ends"
        assert ended(start(folder, environment, *TRAIN, "nobody"))[0] == 2
        assert server(environment)
        process.kill()
    eventually(lambda: server(environment) is None)
