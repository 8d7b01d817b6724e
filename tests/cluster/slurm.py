"""A real Slurm on this machine runs a study, loses its jobs, requeues them, and gives the bytes of a local run.

`make cluster`, as root where Debian's slurm-wlm and munge are installed; `make cluster STUDY=short`, which CI runs,
is one arm and two seeds of the smoke study. A table is made in the job of docs/cluster.md for where Snakemake has no
plugin for Slurm, and, with the plugin, by jobs of runs; DVC makes what is left, with the seeds of an arm in one job.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from daemons import Untried, slurm, wait

ROOT = Path(__file__).parents[2]
TARGETS = {"smoke": "reports/table2.csv", "short": "reports/table3.csv"}
STARTED = time.monotonic()


def main(study: str) -> None:
    """Run it, or say why it was not tried."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and the daemons with it
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with slurm(folder):
                _all(folder, study)
        except Untried as error:
            print(f"cluster: not tried: {error}")
        else:
            _say("done")


def _all(folder: Path, study: str) -> None:
    _say("a Slurm of one node is up")
    local = _study(folder / "local", study)
    targets = [f"reports/{name}.csv" for name in yaml.safe_load((local / "params.yaml").read_text())["tables"]]
    _run(["snakemake", "--cores", str(os.cpu_count()), "runs", *targets], local)
    _say("a local run, to compare with")
    _one_job(local, _study(folder / "one", study), TARGETS[study])
    if importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        _jobs_of_runs(local, _study(folder / "many", study), study)
    else:
        print("cluster: not tried: jobs of runs: snakemake-executor-plugin-slurm is not installed")


def _one_job(local: Path, cluster: Path, target: str) -> None:
    """All of Snakemake in one job, which is requeued after its first run."""
    (cluster / "job.sh").write_text(
        f"#!/bin/bash\nsnakemake --cores 1 --unlock\nexec snakemake --cores $SLURM_CPUS_ON_NODE {target}\n"
    )
    cpus = f"--cpus-per-task={os.cpu_count()}"
    job = _run(["sbatch", "--parsable", "--requeue", cpus, "--output=job.log", "job.sh"], cluster)
    wait("a first run", lambda: any((cluster / "results/runs").rglob("metrics.json")))
    _run(["scontrol", "requeue", job], cluster)
    _say(f"one job: {job}, killed after its first run, and requeued")
    wait("the end of the job", lambda: _state(job) not in ("PENDING", "RUNNING", "COMPLETING"))
    if _state(job) != "COMPLETED":
        raise SystemExit(f"job {job}: {_state(job)}\n{(cluster / 'job.log').read_text()[-4000:]}")
    _compare(local, cluster)


def _jobs_of_runs(local: Path, cluster: Path, study: str) -> None:
    """The plugin submits runs. Snakemake is killed, its jobs live on, one is requeued; DVC does the rest."""
    _profile(cluster, grouped=study == "short")
    words = ["snakemake", "--profile", "slurm", TARGETS[study]]
    with (cluster / "driver.log").open("w") as log:
        driver = subprocess.Popen(
            words, cwd=cluster, env=_environment(), stdout=log, stderr=log, start_new_session=True
        )
    wait("a job that trains", lambda: bool(_training()) or driver.poll() is not None)
    if driver.poll() is not None:
        raise SystemExit(f"{' '.join(words)}: {(cluster / 'driver.log').read_text()[-4000:]}")
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    job, *others = _training()
    _run(["scontrol", "requeue", job], cluster)
    _say(f"jobs of runs: Snakemake killed, its job {job} requeued; others that go on: {len(others)}")
    # Before it is back, Snakemake could take what it is about to write for finished.
    wait(f"job {job} again", lambda: _state(job) not in ("PENDING", "COMPLETING"))
    _run(["snakemake", "--unlock"], cluster)
    if study != "short":
        _run(words, cluster)
        _say("Snakemake, started again, is done")
        _profile(cluster, grouped=True)
    _run(["dvc", "init", "--quiet", "--no-scm"], cluster)
    _run(["dvc", "repro", "table"], cluster, SNAKEMAKE_PROFILE="slurm")
    _together(cluster)
    wait("an empty queue", lambda: not _run(["squeue", "--noheader"], cluster))
    _compare(local, cluster)


def _profile(cluster: Path, grouped: bool) -> None:
    """The project's own, with what it says of clusters without accounts and of short runs; grouped, of seeds too."""
    text = (ROOT / "workflow/profiles/slurm/profile.yaml").read_text()
    wanted = ["no-account", "status-command", "init-seconds-before-status-checks"]
    for line in (*(f"slurm-{name}" for name in wanted), *(["groups", "group-components"] if grouped else [])):
        text, found = re.subn(rf"^# (?={line}: )", "", text, flags=re.MULTILINE)
        if found != 1:
            raise SystemExit(f"{line}: {found} times in the profile")
    (cluster / "slurm").mkdir(exist_ok=True)
    (cluster / "slurm/profile.yaml").write_text(f"{text}slurm-keep-successful-logs: true\n")


def _together(cluster: Path) -> None:
    """Hold what was submitted in groups against what was asked for: both seeds in one job."""
    seeds: dict[str, set[str]] = {}
    for log in (cluster / ".snakemake/slurm_logs").glob("group_*_train/*.log"):
        found = re.findall(r"^ *Job \d+: .* questions, seed (\d+)$", log.read_text(), re.MULTILINE)
        seeds[log.stem] = set(found)
    if not seeds or any(found != {"0", "1"} for found in seeds.values()):
        raise SystemExit(f"seeds of one arm are not in one job: {seeds}")
    _say(f"two runs, the seeds of an arm, in each of {len(seeds)} jobs")


def _compare(local: Path, cluster: Path) -> None:
    """Hold reports and runs against a local build of the whole study."""
    written = [path for part in ("reports", "results/runs") for path in (cluster / part).rglob("*") if path.is_file()]
    compared = [path.relative_to(cluster) for path in written if path.name != "provenance.json"]
    other = [str(path) for path in compared if (local / path).read_bytes() != (cluster / path).read_bytes()]
    if other or len(compared) < 10:
        raise SystemExit(f"not the bytes of a local run: {', '.join(other) or 'too few files'}")
    _say(f"as in a local run, byte by byte: {len(compared)} files of reports/ and results/runs/")


def _study(folder: Path, study: str) -> Path:
    """A folder with the smoke study, or a part of it, and the project's code."""
    content = yaml.safe_load((ROOT / "tests/params.smoke.yaml").read_text())
    if study == "short":
        table = content["tables"]["table3"] | {"rows": {"Constrained": ["pcl"]}}
        content |= {"tables": {"table3": table}, "figures": {}, "on_request": {}}
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
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


def _training() -> list[str]:
    """Slurm's numbers of the jobs that train now, by the rule or group that their comments name."""
    lines = _run(["squeue", "--noheader", "--states", "R", "--format", "%i %k"], ROOT).splitlines()
    return [line.split()[0] for line in lines if "train" in line]


def _state(job: str) -> str:
    shown = _run(["scontrol", "--oneliner", "show", "job", job], ROOT)
    return shown.partition("JobState=")[2].split()[0]


def _say(what: str) -> None:
    print(f"cluster: {time.monotonic() - STARTED:4.0f} s: {what}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
