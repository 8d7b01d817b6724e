"""Runs that start in a tenth of the time: each is forked from one process that has imported everything already.

Importing torch, scikit-learn and what they import takes three seconds, more than many a run. Whoever starts many runs
(workflow/rules/common.smk) sets `PCL_WARM`; the first run then starts the process from which all are forked, and it
ends with whoever set the variable. A run stays a process with arguments, output and an exit status of its own, which
can be killed. Where anything is in the way (not Linux, several threads, native numerics), it starts as by hand.

This file and `asking` import nothing heavy: a process that only waits loads them and the standard library.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import struct
from collections.abc import MutableMapping

NAME = "PCL_WARM"
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST = 1 << 18
"""Bytes of a request: the arguments and the environment."""

SUPPORTED = hasattr(os, "pidfd_open") and hasattr(socket, "SO_PEERCRED")

_PEER = struct.Struct("3i")


def offer(environment: MutableMapping[str, str]) -> None:
    """Let runs that are started with this environment share imports for as long as the calling process lives."""
    if SUPPORTED:
        environment[NAME] = f"{os.getpid()}-{secrets.token_hex(8)}"


def owner(said: str) -> int:
    """The process whose end is that of all: what `PCL_WARM` begins with."""
    return int(said.partition("-")[0])


def address(said: str) -> str:
    """A name without a file, which is gone with its socket; anyone may connect to it, hence `is_ours`."""
    return f"\0pcl-{said}"


def is_ours(connection: socket.socket) -> bool:
    """Whether the other end belongs to the same user."""
    _, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return bool(user == os.getuid())
