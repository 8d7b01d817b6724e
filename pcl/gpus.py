"""One GPU of several for each process: whoever runs jobs at once says how many there are, and each takes a free one.

A scheduler such as Slurm shows every job its own GPU only. Where Snakemake alone starts jobs, all of them would see
all GPUs and take the first. Hence a lock file for each, which the system releases however a
process ends.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from itertools import count
from pathlib import Path
from typing import IO

from pcl.errors import UserError

COUNT = "PCL_GPUS"
SHOWN = "CUDA_VISIBLE_DEVICES"

_held: list[IO[str]] = []
"""Open for as long as the process lives."""


def take() -> None:
    """Show this process one GPU of the `PCL_GPUS` there are: of those that fewest others hold, the first.

    To be called before torch is imported, which looks once. Nothing is done without that variable.

    Raises:
        UserError: it is no number.
    """
    said = os.environ.get(COUNT)
    if said is None or _held:
        return
    if not said.isdecimal() or int(said) == 0:
        raise UserError(f"{COUNT}: {said!r} is no number of GPUs; give as many as `nvidia-smi -L` lists, or unset it")
    shown = os.environ.get(SHOWN)
    names = shown.split(",") if shown else [str(number) for number in range(int(said))]
    os.environ[SHOWN] = next(name for slot in count() for name in names[: int(said)] if _lock(name, slot))


def _lock(name: str, slot: int) -> bool:
    """Whether a GPU's slot was free and is now this process's."""
    folder = Path(tempfile.gettempdir()) / f"pcl-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    file = (folder / f"{name}.{slot}").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held.append(file)
    return True
