"""Which jobs run: after a build, an edit, a pull, a kill. The console's names of jobs are what is compared."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time

SEEDS = (0, 1)


def train(orientation, arm, questions=20, seeds=SEEDS):
    return {f"digits10-2 {orientation}: {arm}, {questions} questions, seed {seed}" for seed in seeds}


def pretrain(place, name, seeds=SEEDS):
    return {f"{place}: pretraining of {name}, seed {seed}" for seed in seeds}


TABLE3 = {"results/summary/table3.csv", "reports/table3"}
TABLE5 = {"results/summary/table5.csv", "reports/table5"}


def test_dvc_alone_builds_everything(first_build, built):
    assert first_build.training == set().union(
        train("any", "kmeans", 0),
        train("any", "kmeans-cc", 0),
        train("any", "cc", 0),
        *(train("personalized", arm) for arm in ("dcc", "sdec", "cop-kmeans", "pcl", "pcl-random")),
        train("default", "pcl", seeds=[0]),
        pretrain("digits10 any", "autoencoder"),
        pretrain("digits10-2 default", "pcl", [0]),
        pretrain("digits10-2 personalized", "pcl"),
    )
    reports = {path.name for path in (built / "reports").iterdir()}
    assert reports >= {f"{table}.{e}" for table in ("table2", "table3", "table5") for e in ("csv", "md", "tex")}
    assert {path.name for path in (built / "reports" / "metrics").iterdir()} == {"table2", "table3", "table5"}
    assert reports >= {f"{figure}.{e}" for figure in ("fig4", "fig5") for e in ("svg", "png", "pdf", "csv")}
    assert "index.html" in reports


def test_a_table_on_request_trains_what_no_other_shows_and_says_what_it_is(copy):
    """Of two orientations; k-means is there, and both orientations share what IDC starts from."""
    done = copy.snakemake("reports/everything.csv")
    asking = [train(at, arm) for at in ("default", "personalized") for arm in ("occ", "idc")]
    assert done.training == set().union(*asking, pretrain("digits10-2 any", "idc"))
    rows = list(csv.DictReader(copy.table("everything").splitlines()))
    assert [row["asks"] for row in rows] == ["nothing", "csd", "value_mining"]
    assert [row["licence of the code read"] for row in rows] == ["n/a", "n/a", "Apache-2.0"]
    assert all(float(row["seconds"]) > 0 and row["digits10-2, default ACC n"] == "2" for row in rows)


def test_either_tool_after_the_other_does_nothing(first_build, copy):
    for command in ("snakemake", "dvc repro", "snakemake"):
        done = copy.run(*command.split())
        assert not done.jobs, command
        assert done.seconds < first_build.seconds / 5, command
    status = copy.run("git", "status", "--porcelain")
    assert not status.output


def test_snakemake_first_leaves_dvc_nothing_but_its_book(copy):
    (copy / "dvc.lock").unlink()
    done = copy.dvc("repro")
    assert not done.training
    assert done.jobs == {"reports/table2", "reports/table3", "reports/table5"}


def test_an_edit_runs_that_arm_only_and_a_revert_nothing(copy):
    before = copy.table("table5")
    copy.edit("settings: {strategy: random}", "settings: {strategy: random, epochs: 3}")
    edited = copy.snakemake("reports/table5.csv")
    assert edited.jobs == train("personalized", "pcl-random") | TABLE5
    assert copy.table("table5") != before
    copy.edit("strategy: random, epochs: 3", "strategy: random")
    reverted = copy.snakemake("reports/table5.csv")
    assert reverted.jobs == TABLE5
    assert copy.table("table5") == before


def test_an_edit_runs_those_that_take_over_its_answers_too(copy):
    """And neither the autoencoder that it starts from nor the other arm that shares it."""
    copy.edit("dcc: {method: dcc, title: DCC}", "dcc: {method: dcc, title: DCC, settings: {must_weight: 1.0}}")
    done = copy.snakemake("reports/table3.csv")
    assert done.jobs == train("personalized", "dcc") | train("personalized", "cop-kmeans") | TABLE3


def test_a_revert_that_keeps_the_old_date_is_seen(copy):
    before, dates = copy.table("table5"), (copy / "params.yaml").stat()
    copy.edit("seeds: [0, 1]", "seeds: [0]")
    assert copy.snakemake("reports/table5.csv").jobs == TABLE5
    assert copy.table("table5") != before
    copy.edit("seeds: [0]", "seeds: [0, 1]")
    os.utime(copy / "params.yaml", ns=(dates.st_atime_ns, dates.st_mtime_ns))
    assert copy.snakemake("reports/table5.csv").jobs == TABLE5
    assert copy.table("table5") == before


def test_a_seed_more_adds_its_runs(copy):
    copy.edit("seeds: [0, 1]", "seeds: [0, 1, 2]")
    done = copy.snakemake("reports/table2.csv")
    new = [train("any", arm, 0, seeds=[2]) for arm in ("kmeans", "cc")]
    assert done.jobs == set().union(*new, {"results/summary/table2.csv", "reports/table2"})


def test_a_run_that_was_deleted_is_made_again(copy):
    run = (copy / copy.metrics("digits10-2", "any", "kmeans")).parent
    (run / "metrics.json").write_text("{")
    assert not copy.attempt("snakemake", "--cores", "2", "--forcerun", "summarise").ok
    shutil.rmtree(run)
    done = copy.snakemake()
    assert done.training == train("any", "kmeans", 0, seeds=[0])
    assert {"results/summary.csv", "reports/index.html"} <= done.jobs


def test_a_date_ahead_throws_no_training_away(copy):
    """Of what a run is made from, and of what is made from it; the data's clock may have been ahead."""
    target = copy.metrics("digits10-2", "any", "kmeans")
    shutil.rmtree((copy / target).parent)
    ahead = time.time() + 3600
    for path in (copy / "params.yaml", *(copy / "pcl").rglob("*.py"), *(copy / "results").rglob("*")):
        if path.is_file():
            os.utime(path, (ahead, ahead))
    assert copy.snakemake(target).jobs == train("any", "kmeans", 0, seeds=[0])
    assert copy.snakemake().training == set()


def test_words_that_no_number_depends_on_train_nothing(copy):
    copy.edit("title: Seconds", "title: A moment\n    resources: {threads: 2, mem_mb: 500}")
    assert copy.snakemake("reports/table5.csv").jobs == TABLE5


def test_an_arm_in_no_table_runs_by_its_path(copy):
    done = copy.snakemake(copy.metrics("digits10-2", "personalized", "pcl-unused", seed=1))
    assert done.jobs == train("personalized", "pcl-unused", seeds=[1])


def test_a_clone_trains_nothing_after_a_pull(built, clone):
    """Whatever the dates: here everything is older than what it was made from."""
    clone.dvc("pull")
    now, flow = time.time(), ["runs", "pretrain", "tasks", "data"]
    for path in (clone / "results").rglob("*"):
        if path.is_file():
            part = path.relative_to(clone / "results").parts[0]
            os.utime(path, (now, now - 1e5 + (1e4 * flow.index(part) if part in flow else 0)))
    assert clone.snakemake("reports/table5.csv").jobs == TABLE5
    repro = clone.dvc("repro")
    assert repro.jobs and not repro.training
    for table in ("table2", "table3", "table5"):
        assert clone.table(table) == built.table(table)


def test_a_pull_after_an_edit_brings_no_old_number(built, clone):
    clone.edit("settings: {strategy: random}", "settings: {strategy: random, epochs: 3}")
    clone.snakemake("-n")
    clone.dvc("pull")
    done = clone.snakemake("reports/table5.csv")
    assert done.jobs == train("personalized", "pcl-random") | TABLE5
    assert clone.table("table5") != built.table("table5")


def test_a_kill_loses_an_epoch_at_most_and_no_byte(built, clone):
    targets = [clone.metrics("digits10-2", "personalized", "pcl", seed) for seed in SEEDS]
    command = ["snakemake", "--cores", "1", *map(str, targets)]
    process = subprocess.Popen(
        command, cwd=clone.path, env=clone.environment, start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (saved := list((clone / "results").glob("runs/**/checkpoint/state.pt"))):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not any((clone / target).exists() for target in targets)
    locked = clone.attempt("snakemake", *targets)
    assert not locked.ok and "unlock" in locked.output and not locked.jobs
    clone.run("snakemake", "--unlock")
    restarted = clone.snakemake(*targets)
    assert restarted.training >= train("personalized", "pcl")
    assert not restarted.training & pretrain("digits10-2 personalized", "pcl", [0]) or saved[0].parts[-3] == "seed1"
    assert "going on after stage train, epoch 1" in "".join(
        path.read_text() for path in (clone / "logs/runs").rglob("*.log")
    )
    for target in targets:
        assert (clone / target).read_bytes() == (built / target).read_bytes()
    assert not clone.snakemake(*targets).jobs


def test_of_two_snakemakes_in_a_folder_the_second_is_told_and_the_first_loses_nothing(built, clone):
    target = clone.metrics("digits10-2", "personalized", "pcl")
    first = subprocess.Popen(
        ["snakemake", "--cores", "1", target], cwd=clone.path, env=clone.environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not any((clone / "results").glob("**/checkpoint/state.pt")):
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # or it might be through before the second has read the rules
    second = clone.attempt("snakemake", "--cores", "1", target)
    first.send_signal(signal.SIGCONT)
    assert not second.ok and not second.jobs and "Traceback" not in second.output
    assert "cannot be locked" in second.output and "no other Snakemake process" in second.output
    assert first.wait() == 0
    assert (clone / target).read_bytes() == (built / target).read_bytes()


def test_an_experiment_elsewhere_reports_its_own_numbers(built, copy):
    done = copy.dvc("exp", "run", "--temp", "--name", "hard", "-S", "arms.pcl-random.settings.strategy=hard")
    assert done.training == train("personalized", "pcl-random")
    assert copy.table("table5") == built.table("table5")
    changed = json.loads(copy.dvc("metrics", "diff", "HEAD", "hard", "--json").output)
    assert set(changed) == {"reports/metrics/table5/pcl-random.json"}
    copy.dvc("exp", "apply", "hard")
    applied = copy.snakemake("reports/table5.csv")
    assert applied.jobs == TABLE5
    assert copy.table("table5") != built.table("table5")
    copy.dvc("plots", "show")
