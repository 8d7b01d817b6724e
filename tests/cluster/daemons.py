"""A Slurm of one node on this machine: its daemons have a folder, a key and ports of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

CONF = Path("/etc/slurm/slurm.conf")  # jobs look for it here, whatever SLURM_CONF was when they were submitted
SECONDS = 600
# A job that is requeued waits until its first credential has expired, and then for the scheduler to look at it.
SETTINGS = """ClusterName=pcl-test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
MinJobAge=3600
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Untried(Exception):
    """Why no Slurm can be had here."""


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Munge, a controller and one node, on ports that are free now.

    Raises:
        Untried: packages or rights are missing, there is another Slurm, or a daemon did not come up.
    """
    lacking = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if lacking:
        raise Untried(f"not installed: {', '.join(lacking)} (apt-get install slurm-wlm munge)")
    if os.geteuid() != 0:
        raise Untried("only root may start a Slurm")
    if CONF.exists() and (not CONF.read_text().startswith(SETTINGS[:22]) or _answers()):
        raise Untried(f"{CONF} is of another Slurm")
    with ExitStack() as stack:
        for name in ("state", "spool"):
            (folder / name).mkdir()
        folder.chmod(0o755)  # munge wants to be sure who may write above its socket
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        host = socket.gethostname().partition(".")[0]
        CONF.parent.mkdir(exist_ok=True)
        stack.callback(CONF.unlink, missing_ok=True)
        CONF.write_text(
            SETTINGS.format(host=host, folder=folder, ports=_ports(2), cpus=os.cpu_count(), memory=_memory())
        )
        files = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
        files |= {"log-file": folder / "munged.log", "seed-file": folder / "munged.seed"}
        _daemon(stack, folder, ["munged", "--foreground", *(f"--{name}={path}" for name, path in files.items())])
        _daemon(stack, folder, ["slurmctld", "-D", "-i"])
        _daemon(stack, folder, ["slurmd", "-D"])
        try:
            wait("the node", lambda: "idle" in _said(["sinfo", "-h", "-o", "%t"]), 60)
        except TimeoutError as error:
            logs = [f"{path.name}: {path.read_text()[-1000:]}" for path in sorted(folder.glob("*.out"))]
            raise Untried("\n".join([str(error), *logs])) from error
        stack.callback(_empty)
        yield


def wait(what: str, there: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Until it is there.

    Raises:
        TimeoutError: it did not come.
    """
    until = time.monotonic() + seconds
    while not there():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not come in {seconds} seconds")
        time.sleep(0.2)


def _said(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def _empty() -> None:
    """Cancel what is left when a test has failed, since jobs outlive the daemons."""
    with suppress(TimeoutError, subprocess.TimeoutExpired):
        subprocess.run(["scancel", "--quiet", "--user", "root"], check=False, timeout=30)
        wait("an empty queue", lambda: not _said(["squeue", "--noheader"]), 30)


def _answers() -> bool:
    """Whether the controller that the settings name is at work; settings alone are left by one that was killed."""
    return "UP" in _said(["scontrol", "ping"])


def _ports(count: int) -> list[int]:
    """Ports that are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _memory() -> int:
    """MiB that jobs may ask for: all but a tenth, since Slurm takes a node down that has less than it was said to."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 9 // 10 // 2**20


def _daemon(stack: ExitStack, folder: Path, words: list[str]) -> None:
    """Start one, to be ended when the stack is left, and not by a Ctrl-C before its jobs are."""
    log = stack.enter_context((folder / f"{words[0]}.out").open("w"))
    process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)

    def end() -> None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()

    stack.callback(end)
