"""Portable numerics: every library held to one instruction set, so that a run gives the same bytes on any processor.

Libraries choose their kernels when they load, by what the processor can do, and different kernels round differently.
Hence the environment is set before any of them is imported, and this file imports none. What is left are instructions
that makers of processors implement differently; the code avoids them (docs/decisions.md, 36).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pcl.errors import UserError

Numerics = Literal["portable", "native"]

CHOSEN = "PCL_NUMERICS"
PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # Not AVX2, whose branch still asks for the maker of the processor.
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
NEEDED = ("avx2", "fma")
NARROWEST = 8
"""Channels below which oneDNN's AVX2 kernels write past their workspace (uxlfoundation/oneDNN#6035)."""


def hold() -> None:
    """Set the environment for the numerics that this process is to have: portable, unless it was started as native.

    Only where the processor is an x86-64; on others there is but one kind. Libraries that are loaded do not see it.
    """
    if os.environ.get(CHOSEN) == "native":
        spare_narrow_networks()
    elif _x86():
        os.environ.update(PORTABLE)
        os.environ[CHOSEN] = "portable"


def spare_narrow_networks() -> None:
    """Unless numerics are portable: keep oneDNN from the kernels of `NARROWEST`, which it takes without AVX-512."""
    if _x86() and os.environ.get(CHOSEN) != "portable" and "avx512bw" not in _flags():
        os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX"


def want(numerics: Numerics) -> None:
    """Go on with such numerics: the program starts over where it has begun with the other.

    Raises:
        UserError: the processor lacks the instructions.
    """
    if not _x86() or os.environ.get(CHOSEN) is None:
        return
    if numerics == "portable":
        missing = [name for name in NEEDED if name not in _flags()]
        if missing:
            raise UserError(
                f"numerics: portable needs a processor with {' and '.join(missing)}; set numerics: native in the "
                "study"
            )
    if os.environ[CHOSEN] != numerics:
        free = {name: value for name, value in os.environ.items() if name not in PORTABLE}
        os.execve(sys.executable, [sys.executable, "-m", "pcl", *sys.argv[1:]], free | {CHOSEN: numerics})


def described() -> dict[str, Any]:
    """What this process computes with: the processor, the instruction set, and the kernels of the BLAS libraries."""
    from threadpoolctl import threadpool_info

    torch = sys.modules.get("torch")  # a run without a network does without it, and starts in half the time

    blas = {
        info["internal_api"]: info.get("architecture") for info in threadpool_info() if info["user_api"] == "blas"
    }
    return {
        "numerics": "portable" if _held(os.environ) else "native",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability() if torch else None,
        "blas": {name: kernel for name, kernel in blas.items() if kernel},
    }


def _held(environment: Mapping[str, str]) -> bool:
    return all(environment.get(name) == value for name, value in PORTABLE.items())


def _x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _cpuinfo(key: str) -> str:
    """The first line with a key in Linux's description of the processors; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")


def _flags() -> set[str]:
    """What the processor says that it can; where nothing says so, what is needed."""
    return set(_cpuinfo("flags").split()) or set(NEEDED)


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()
