"""Where tensors live, and at what precision the network runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from pcl.errors import UserError

# Convolutions are faster with channels last: of this backbone by a fifth at 8 pixels on a CPU, and on every GPU.
MEMORY_FORMAT = torch.channels_last


def choose(name: str) -> torch.device:
    """The device of that name; "auto" is the first present of cuda, mps and cpu.

    Raises:
        UserError: the device is not on this machine.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in present.items() if there))
    if not present.get(name):
        raise UserError(f"device: {name!r} is not available here; set device to auto or cpu")
    return torch.device(name)


def configure(device: torch.device) -> None:
    """Deterministic algorithms on a CPU, where runs are promised to repeat bit for bit; the fastest ones on a GPU."""
    torch.use_deterministic_algorithms(device.type == "cpu")
    # With deterministic algorithms torch also fills new memory, against reads before writes, for 8 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = device.type == "cuda"


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 for the network on a GPU that has it; float32 everywhere else.

    Never on a CPU: some virtual machines list the instructions and die of them.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()
