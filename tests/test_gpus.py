"""Which of several GPUs a process is shown; no GPU is needed for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
from pcl import gpus
gpus.take(), gpus.take()
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """A function that starts a process which takes a GPU and keeps it, and says which."""
    running = []

    def process(**variables):
        free = {name: value for name, value in os.environ.items() if name not in ("CUDA_VISIBLE_DEVICES", "PCL_GPUS")}
        environment = {**free, "PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": str(tmp_path), **variables}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started = subprocess.Popen([sys.executable, "-c", CODE], env=environment, text=True, **pipes)
        running.append(started)
        return started, started.stdout.readline().strip()

    yield process
    for each in running:
        each.kill()
        each.communicate()


def test_each_takes_another_and_then_they_share(start):
    taken = [start(PCL_GPUS="2") for _ in range(3)]
    assert [name for _, name in taken] == ["0", "1", "0"]
    taken[1][0].kill()
    taken[1][0].wait()
    assert start(PCL_GPUS="2")[1] == "1", "one that was killed holds nothing"


def test_only_what_is_shown_is_taken(start):
    assert start(PCL_GPUS="2", CUDA_VISIBLE_DEVICES="5,7,9")[1] == "5"
    assert start(PCL_GPUS="2", CUDA_VISIBLE_DEVICES="5,7,9")[1] == "7"
    assert start()[1] == "None"


def test_what_is_no_number_is_said(start):
    process, _ = start(PCL_GPUS="all")
    assert "PCL_GPUS: 'all' is no number of GPUs; give as many" in process.stderr.read()
