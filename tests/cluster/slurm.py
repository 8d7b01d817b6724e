"""A real Slurm on this machine runs a study, is robbed of its job, requeues it, and gives the bytes of a local run.

By hand as root, where Debian's slurm-wlm and munge may be installed: `make cluster`. The daemons have a folder, a key
and ports of their own, and are ended by their ids. The study is the smoke study's Table 2. The job is that of
docs/cluster.md where Snakemake has no plugin for Slurm: all of Snakemake in one job.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONF = Path("/etc/slurm/slurm.conf")  # jobs look for it here, whatever SLURM_CONF was when they were submitted
TARGET = "reports/table2.csv"
SECONDS = 600
SETTINGS = """ClusterName=pcl
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
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
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def main() -> None:
    """Run it, or say what is missing."""
    lacking = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if lacking or os.geteuid() != 0:
        why = f"not installed: {', '.join(lacking)} (apt-get install slurm-wlm munge)" if lacking else "not root"
        raise SystemExit(f"skipped, no Slurm was tried: {why}")
    if CONF.exists():
        raise SystemExit(f"skipped, no Slurm was tried: {CONF} is another cluster's")
    with tempfile.TemporaryDirectory() as folder, _slurm(Path(folder)):
        local, cluster = (_study(Path(folder) / name) for name in ("local", "cluster"))
        _run(["snakemake", "--cores", "1", *_here(), TARGET], local)
        job = _run(["sbatch", "--parsable", "--requeue", "--output=job.log", "job.sh"], cluster)
        _wait("a first run", lambda: any((cluster / "results/runs").rglob("metrics.json")))
        _run(["scontrol", "requeue", job], cluster)
        print(f"job {job}: killed after its first run, and requeued")
        _wait("the end of the job", lambda: _state(job) not in ("PENDING", "RUNNING", "COMPLETING"))
        if _state(job) != "COMPLETED":
            raise SystemExit(f"job {job}: {_state(job)}\n{(cluster / 'job.log').read_text()[-4000:]}")
        written = [
            path for part in ("reports", "results/runs") for path in (local / part).rglob("*") if path.is_file()
        ]
        compared = [path.relative_to(local) for path in written if path.name != "provenance.json"]
        other = [str(path) for path in compared if (local / path).read_bytes() != (cluster / path).read_bytes()]
        if other or len(compared) < 10:
            raise SystemExit(f"not the bytes of a local run: {', '.join(other) or 'too few files'}")
        print(f"as in a local run, byte by byte: {len(compared)} files of reports/ and results/runs/")


def _here() -> list[str]:
    return ["--snakefile", str(ROOT / "workflow/Snakefile")]


def _study(folder: Path) -> Path:
    """A folder with the smoke study and a job script."""
    folder.mkdir()
    shutil.copy(ROOT / "tests/params.smoke.yaml", folder / "params.yaml")
    snakemake = f"snakemake --cores $SLURM_CPUS_ON_NODE {' '.join(_here())}"
    (folder / "job.sh").write_text(f"#!/bin/bash\n{snakemake} --unlock\nexec {snakemake} {TARGET}\n")
    return folder


def _run(words: list[str], folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout.strip()


def _state(job: str) -> str:
    shown = _run(["scontrol", "--oneliner", "show", "job", job], ROOT)
    return shown.partition("JobState=")[2].split()[0]


def _wait(what: str, there: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not there():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not come in {SECONDS} seconds")
        time.sleep(0.2)


@contextmanager
def _slurm(folder: Path) -> Iterator[None]:
    """Munge, a controller and one node, on ports that are free now."""
    with ExitStack() as stack:
        for name in ("state", "spool"):
            (folder / name).mkdir()
        folder.chmod(0o755)  # munge wants to be sure who may write above its socket
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
        host = socket.gethostname().partition(".")[0]
        CONF.parent.mkdir(exist_ok=True)
        CONF.write_text(SETTINGS.format(host=host, folder=folder, ports=ports, cpus=os.cpu_count()))
        stack.callback(CONF.unlink)
        for each in sockets:
            each.close()
        files = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
        files |= {"log-file": folder / "munged.log", "seed-file": folder / "munged.seed"}
        _daemon(stack, folder, ["munged", "--foreground", *(f"--{name}={path}" for name, path in files.items())])
        _wait("munge", (folder / "munge.socket").exists)
        _daemon(stack, folder, ["slurmctld", "-D", "-i"])
        _daemon(stack, folder, ["slurmd", "-D"])
        _wait(
            "the node",
            lambda: "idle" in subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True).stdout,
        )
        yield


def _daemon(stack: ExitStack, folder: Path, words: list[str]) -> None:
    """Start one, to be ended when the stack is left."""
    log = stack.enter_context((folder / f"{words[0]}.out").open("w"))
    process = subprocess.Popen(words, stdout=log, stderr=log)

    def end() -> None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()

    stack.callback(end)


if __name__ == "__main__":
    main()
