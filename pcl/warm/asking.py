"""A process that has its command done by a fork of the one that has imported everything, and waits."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from pcl.warm import FORWARDED, LONGEST, NAME, SUPPORTED, address, is_ours

COMMANDS = ("pretrain", "represent", "train")
SECONDS_TO_START = 10.0
SECONDS_TO_IMPORT = 120.0


def elsewhere() -> None:
    """Have this process's command done by a fork and end as that does; return where it must be done here."""
    said = os.environ.get(NAME)
    if not (SUPPORTED and said and _suits(sys.argv, os.environ)):
        return
    request = {"arguments": sys.argv, "environment": dict(os.environ), "folder": str(Path.cwd())}
    with suppress(OSError), _connected(said) as connection:
        connection.settimeout(SECONDS_TO_IMPORT)
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        pid = connection.recv(LONGEST)
        if pid:
            _wait(connection, int(pid))


def _suits(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """A command that trains, on one thread and not with native numerics: what was imported is set up for that."""
    trains = arguments[1:2] != [] and arguments[1] in COMMANDS
    one_thread = ("--threads", "1") in pairwise(arguments)
    return trains and one_thread and environment.get("PCL_NUMERICS") != "native"


def _connected(said: str) -> socket.socket:
    """A connection to the process that imports, which is started where there is none.

    Raises:
        OSError: there is none, and none could be started.
    """
    deadline = time.monotonic() + SECONDS_TO_START
    started = False
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(address(said))
            if not is_ours(connection):
                raise PermissionError(said)
            return connection
        except ConnectionRefusedError:
            connection.close()
            if time.monotonic() > deadline:
                raise
        except OSError:
            connection.close()
            raise
        if not started:
            started = True
            subprocess.Popen(
                [sys.executable, "-P", "-m", "pcl.warm.serving", said],
                env=os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for those that wait
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        time.sleep(0.02)


def _wait(connection: socket.socket, pid: int) -> None:
    """Pass signals on to the fork, and end as it does."""

    def forward(number: int, _: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in FORWARDED:
        signal.signal(number, forward)
    connection.settimeout(None)
    said = connection.recv(LONGEST)
    if not said:
        sys.exit("error: the process from which runs are forked was killed; start again, the run goes on")
    status = int(said)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
