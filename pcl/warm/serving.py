"""The process from which runs are forked: `python -m pcl.warm.serving`, which the first run starts."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pcl import numerics
from pcl.errors import UserError
from pcl.warm import FORWARDED, LONGEST, address, is_ours, owner

SECONDS_TO_ASK = 10.0

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Fork:
    """A process that works on a request, and the connection of the one that waits for it."""

    pid: int
    end: int
    connection: socket.socket

    def close(self) -> None:
        """Forget it."""
        os.close(self.end)
        self.connection.close()


class Server:
    """Forks a process for every request until its owner and all forks have ended."""

    def __init__(self, said: str) -> None:
        """Take the address.

        Raises:
            OSError: another server has it, or the owner has ended.
        """
        self.owner = os.pidfd_open(owner(said))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(address(said))
        self.socket.listen(128)
        self.forks: dict[int, Fork] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.selector.register(self.owner, selectors.EVENT_READ)

    def serve(self) -> bool:
        """Wait; True in a fork, set up as the process that asked for it, and False at the end."""
        while self.selector.get_map():
            for key, _ in self.selector.select():
                if key.fileobj is self.socket:
                    if self._fork():
                        return True
                elif key.fileobj == self.owner:
                    self.selector.unregister(self.owner)
                    self.selector.unregister(self.socket)
                    self.socket.close()
                elif key.data in self.forks:
                    self._end(self.forks[key.data], ended=key.fileobj == self.forks[key.data].end)
        return False

    def _fork(self) -> bool:
        connection, _ = self.socket.accept()
        connection.settimeout(SECONDS_TO_ASK)
        handles: list[int] = []
        try:
            content, handles, *_ = socket.recv_fds(connection, LONGEST, 3)
            request = json.loads(content)
            pid = os.fork() if is_ours(connection) else None
        except (OSError, ValueError):  # it does its work itself
            pid = None
        if pid == 0:
            for fork in self.forks.values():
                fork.close()
            self.selector.close()
            connection.close()
            self.socket.close()
            _become(request, handles)
            return True
        for handle in handles:
            os.close(handle)
        if pid is None:
            connection.close()
            return False
        fork = self.forks[pid] = Fork(pid, os.pidfd_open(pid), connection)
        self.selector.register(fork.end, selectors.EVENT_READ, pid)
        self.selector.register(connection, selectors.EVENT_READ, pid)
        _tell(connection, pid)
        return False

    def _end(self, fork: Fork, *, ended: bool) -> None:
        """A fork has ended, or nobody waits for it any more: then it is killed, as the one that waited was."""
        self.selector.unregister(fork.connection)
        if not ended:
            os.kill(fork.pid, signal.SIGKILL)
        _, status = os.waitpid(fork.pid, 0)
        _tell(fork.connection, os.waitstatus_to_exitcode(status))
        self.selector.unregister(fork.end)
        del self.forks[fork.pid]
        fork.close()


def _tell(connection: socket.socket, number: int) -> None:
    with suppress(OSError):  # it has been killed, which the selector says next
        connection.send(str(number).encode())


def _become(request: dict[str, Any], handles: list[int]) -> None:
    """Take the arguments, environment, folder and streams of the process that asked."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    for number in FORWARDED:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for place, handle in enumerate(handles):
        os.dup2(handle, place)
        os.close(handle)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    numerics.hold()
    sys.argv = request["arguments"]


def _import() -> None:
    """What runs import, by far the most of it torch's and scikit-learn's; and the config that they will read."""

    from pcl import config
    from pcl.run import execute, frozen, network  # noqa: F401

    with suppress(UserError):  # theirs to say
        config.read_yaml(config.PARAMS)


def main() -> None:
    """The program."""
    try:
        server = Server(sys.argv[1])
    except OSError:  # another run was first, or nobody is left
        return
    for number in FORWARDED:  # it ends after its owner and its forks, and not before
        signal.signal(number, signal.SIG_IGN)
    numerics.hold()
    from pcl.cli import main as command_line

    _import()
    gc.collect()
    gc.freeze()
    if server.serve():
        command_line()


if __name__ == "__main__":
    main()
