"""Every purpose has its own stream, the same in every process, and nothing global is left changed."""

import subprocess
import sys

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcl import seed

purposes = st.lists(st.one_of(st.integers(0, 10**6), st.text(alphabet="abcde_", min_size=1, max_size=6)), max_size=4)


@given(st.integers(0, 2**31), purposes)
def test_a_seed_is_63_bits_and_always_the_same(number, purpose):
    found = seed.derive(number, *purpose)
    assert 0 <= found < 2**63
    assert found == seed.derive(number, *purpose)


@given(st.integers(0, 1000), purposes, st.integers(0, 1000), purposes)
def test_another_seed_or_purpose_is_another_stream(number, purpose, other, its):
    if (number, *map(str, purpose)) != (other, *map(str, its)):
        assert seed.derive(number, *purpose) != seed.derive(other, *its)


def test_streams_are_frozen():
    """A change here changes every number that was ever made."""
    assert (
        seed.derive(0, "batches") == 2312056721596985416
    )  # printf 0/batches | sha256sum, half of the first 16 digits
    assert seed.numpy_generator(3, "order", 1).integers(0, 1000, 4).tolist() == [398, 986, 840, 507]


def test_another_process_draws_the_same():
    """Strings are not hashed with the salt that Python draws at each start."""
    code = "from pcl import seed; print(seed.derive(5, 'weights'), seed.numpy_generator(5, 'x').random())"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)
    ]
    here = f"{seed.derive(5, 'weights')} {seed.numpy_generator(5, 'x').random()}\n"
    assert [run.stdout for run in runs] == [here, here]


def test_drawing_more_in_one_stream_shifts_no_other():
    first = seed.numpy_generator(1, "augment", 0).random(5)
    greedy = seed.numpy_generator(1, "strategy", 0)
    greedy.random(1000)
    assert np.array_equal(seed.numpy_generator(1, "augment", 0).random(5), first)


def test_global_torch_is_seeded_inside_and_restored_after():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with seed.global_torch(1, "weights"):
        inside = torch.nn.Linear(3, 3).weight.detach().clone()
    assert torch.equal(torch.rand(3), expected)
    with seed.global_torch(1, "weights"):
        assert torch.equal(torch.nn.Linear(3, 3).weight, inside)
    with seed.global_torch(2, "weights"):
        assert not torch.equal(torch.nn.Linear(3, 3).weight, inside)


def test_importing_it_does_not_import_torch():
    code = "import sys, pcl.seed as s; s.numpy_generator(0, 'x'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
