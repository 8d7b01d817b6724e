"""A real Slurm on this machine runs a study, is robbed of its job, requeues it, and gives the bytes of a local run.

By hand as root, where Debian's slurm-wlm and munge may be installed: `make cluster`. The daemons have a folder, a key
and ports of their own, and are ended by their ids. The study is the smoke study: its Table 2 in the job of
docs/cluster.md for where Snakemake has no plugin for Slurm, and, where it has, every run in a job of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
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
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
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
        local = _study(Path(folder) / "local")
        _run(["snakemake", "--cores", str(os.cpu_count())], local)
        _one_job(local, _study(Path(folder) / "one"))
        if importlib.util.find_spec("snakemake_executor_plugin_slurm"):
            _job_a_run(local, _study(Path(folder) / "many"))
        else:
            print("not tried: a job for every run, since Snakemake's plugin is not installed (docs/cluster.md)")


def _one_job(local: Path, cluster: Path) -> None:
    """All of Snakemake in one job, which is requeued after its first run."""
    (cluster / "job.sh").write_text(
        f"#!/bin/bash\nsnakemake --cores 1 --unlock\nexec snakemake --cores $SLURM_CPUS_ON_NODE {TARGET}\n"
    )
    job = _run(["sbatch", "--parsable", "--requeue", "--output=job.log", "job.sh"], cluster)
    _wait("a first run", lambda: any((cluster / "results/runs").rglob("metrics.json")))
    _run(["scontrol", "requeue", job], cluster)
    print(f"job {job}: killed after its first run, and requeued")
    _wait("the end of the job", lambda: _state(job) not in ("PENDING", "RUNNING", "COMPLETING"))
    if _state(job) != "COMPLETED":
        raise SystemExit(f"job {job}: {_state(job)}\n{(cluster / 'job.log').read_text()[-4000:]}")
    _compare(local, cluster)


def _job_a_run(local: Path, cluster: Path) -> None:
    """The plugin submits every run. Snakemake is killed, its jobs live on, one is requeued; DVC does the rest."""
    profile = (ROOT / "workflow/profiles/slurm/profile.yaml").read_text()
    (cluster / "slurm").mkdir()
    (cluster / "slurm/profile.yaml").write_text(f"{profile}slurm-no-account: true\nslurm-status-command: squeue\n")
    words = ["snakemake", "--profile", "slurm", TARGET]
    log = (cluster / "driver.log").open("w")
    driver = subprocess.Popen(words, cwd=cluster, env=_environment(), stdout=log, stderr=log, start_new_session=True)
    _wait("a first run", lambda: any((cluster / "results/runs").rglob("metrics.json")) or driver.poll() is not None)
    if driver.poll() is not None:
        raise SystemExit(f"{' '.join(words)}: {(cluster / 'driver.log').read_text()[-4000:]}")
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    running = _run(["squeue", "-h", "-t", "R", "-o", "%i"], cluster).split()
    for job in running[:1]:
        _run(["scontrol", "requeue", job], cluster)
    print(f"Snakemake killed; its jobs go on: {', '.join(running) or 'none'}, the first of them requeued")
    _run(["snakemake", "--unlock"], cluster)
    _run(words, cluster)
    _run(["dvc", "init", "--quiet", "--no-scm"], cluster)
    _run(["dvc", "repro", "runs"], cluster, SNAKEMAKE_PROFILE="slurm")
    jobs = len(_run(["squeue", "-h", "-t", "all", "-o", "%i"], cluster).split()) - 1
    print(f"Snakemake and DVC through the plugin: {jobs} jobs")
    _compare(local, cluster)


def _compare(local: Path, cluster: Path) -> None:
    """Hold reports and runs against a local build of the whole study."""
    written = [path for part in ("reports", "results/runs") for path in (cluster / part).rglob("*") if path.is_file()]
    compared = [path.relative_to(cluster) for path in written if path.name != "provenance.json"]
    other = [str(path) for path in compared if (local / path).read_bytes() != (cluster / path).read_bytes()]
    if other or len(compared) < 10:
        raise SystemExit(f"not the bytes of a local run: {', '.join(other) or 'too few files'}")
    print(f"as in a local run, byte by byte: {len(compared)} files of reports/ and results/runs/")


def _study(folder: Path) -> Path:
    """A folder with the smoke study and the project's code."""
    folder.mkdir()
    shutil.copy(ROOT / "tests/params.smoke.yaml", folder / "params.yaml")
    for name in ("pcl", "workflow", "dvc.yaml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **more}


def _run(words: list[str], folder: Path, **more: str) -> str:
    done = subprocess.run(words, cwd=folder, env=_environment(**more), capture_output=True, text=True, check=False)
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
        CONF.write_text(SETTINGS.format(host=host, folder=folder, ports=ports, cpus=os.cpu_count(), memory=_memory()))
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


def _memory() -> int:
    """MiB that jobs may ask for: all but a tenth, since Slurm takes a node down that has less than it was said to."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 9 // 10 // 2**20


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
