"""The same bytes on every x86-64 processor: a run of every method, against what another machine has found.

`make golden` computes tests/golden/runs.json anew, which is right only after a change that is meant to move numbers.
"""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOUND = json.loads((HERE / "runs.json").read_text())["runs"]
# What the C library, which reads no variable of ours, may use beyond AVX2.
NO_MORE_THAN_AVX2 = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ,-AVX512ER,-AVX512PF"

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="promised for x86-64 only")


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """The runs of two processes: one may use what the processor has, and one no more than AVX2."""
    folder = tmp_path_factory.mktemp("golden")
    children = {}
    for name, tunables in (("all", ""), ("AVX2 only", NO_MORE_THAN_AVX2)):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": tunables}
        environment["PYTHONPATH"] = str(HERE.parents[1])
        out = folder / f"{name}.json"
        command = [sys.executable, HERE / "runs.py", out]
        children[name] = out, subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    found = {}
    for name, (out, child) in children.items():
        _, errors = child.communicate()
        assert child.returncode == 0, errors[-3000:]
        found[name] = json.loads(out.read_text())
    return found


def first_difference(ours, theirs):
    """The first epoch after which weights differ, else the first file; None if nothing does."""
    for number, (mine, other) in enumerate(zip(ours["epochs"], theirs["epochs"], strict=False), start=1):
        if mine != other:
            return f"the weights, from epoch {number} of all on: {mine} and not {other}"
    if ours["epochs"] != theirs["epochs"]:
        return f"the number of epochs: {len(ours['epochs'])} and not {len(theirs['epochs'])}"
    for name in ours["files"] | theirs["files"]:
        if ours["files"].get(name) != theirs["files"].get(name):
            return f"{name}: {ours['files'].get(name)} and not {theirs['files'].get(name)}"
    return None


def test_every_process_was_held(computed):
    for found in computed.values():
        assert found["computed with"]["numerics"] == "portable"
        assert found["computed with"]["instructions"] == "AVX2"
        assert set(found["computed with"]["blas"].values()) <= {"Haswell"}


@pytest.mark.parametrize("method", FOUND)
def test_a_processor_without_avx_512_gives_the_same_bytes(computed, method):
    ours, theirs = (found["runs"][method] for found in computed.values())
    assert first_difference(ours, theirs) is None


@pytest.mark.parametrize("method", FOUND)
def test_this_machine_gives_the_bytes_of_others(computed, method):
    """Another version of torch, NumPy or scikit-learn than the locked one may give others, and is right to."""
    found = computed["all"]["runs"][method]
    assert first_difference(found, FOUND[method]) is None, f"and ACC {found['acc']}, not {FOUND[method]['acc']}"


def test_no_method_is_left_out(computed):
    assert computed["all"]["runs"].keys() == FOUND.keys(), "after adding a method: make golden"


def test_a_difference_is_named_where_it_begins():
    one = {"epochs": ["a 1 x", "a 2 y"], "files": {"f": "1"}}
    assert first_difference(one, one) is None
    assert "epoch 2 of all on: a 2 y and not a 2 z" in first_difference(one, one | {"epochs": ["a 1 x", "a 2 z"]})
    assert "the number of epochs: 2 and not 1" in first_difference(one, one | {"epochs": ["a 1 x"]})
    assert first_difference(one, one | {"files": {"f": "2"}}) == "f: 1 and not 2"
