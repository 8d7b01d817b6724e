"""Which device there is, and at what precision it runs."""

import warnings

import numpy as np
import pytest
import torch

from pcl.engine import device
from pcl.errors import UserError

pytestmark = pytest.mark.usefixtures("settings_of_torch")


@pytest.mark.parametrize("name", ["tpu", "", "cpu0"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(UserError, match=rf"device: '{name}' is not available here; set device to auto or cpu"):
        device.choose(name)


@pytest.mark.parametrize(("name", "module"), [("cuda", torch.cuda), ("mps", torch.backends.mps)])
def test_a_device_that_is_not_here_is_refused(name, module, monkeypatch):
    monkeypatch.setattr(module, "is_available", lambda: False)
    with pytest.raises(UserError, match=f"device: '{name}' is not available here"):
        device.choose(name)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_first_that_is_here(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert device.choose("auto").type == expected
    assert device.choose("cpu").type == "cpu", "whatever else there is"


def test_a_processor_never_leaves_float32():
    with device.autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_a_processor_computes_deterministically():
    device.configure(torch.device("cpu"))
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_runs_the_network_in_bfloat16():
    chosen = device.choose("cuda")
    with warnings.catch_warnings(), device.autocast(chosen):
        ones = torch.ones(2, 2, device=chosen)
        assert (ones @ ones).dtype in (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_have_their_channels_last(make_session, channels):
    """Convolutions are faster that way, on a processor as on a GPU."""
    session = make_session()
    session.images.splits["train"] = torch.zeros(6, channels, 4, 4, dtype=torch.uint8)
    index = np.arange(6)
    assert session.images.stored(index).is_contiguous(memory_format=torch.channels_last)
    assert session.images.unaugmented(index).is_contiguous(memory_format=torch.channels_last)


def test_filling_fresh_memory_is_left_out_on_every_device():
    """It guards against reads before writes, for 8 % of a step, and changes no number."""
    device.configure(torch.device("cpu"))
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory
