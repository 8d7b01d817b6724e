"""`pcl check`, `list`, `runs`, `verify`, `prune` and `data`, on a tree in which everything is built."""

import json
import shutil

import pytest
from click.testing import CliRunner

from pcl import inventory, oracles, registry
from pcl.cli import main


def pcl(tree, *words, fails=False):
    """What the command prints in a tree; its messages too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tree.path)
        done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == (2 if fails else 0), done.output
    return done.output


def test_list_shows_what_is_registered_and_whence():
    rows = list(inventory.registered())
    found = {(kind, name) for kind, name, _, _ in rows}
    assert found >= {("method", name) for name in registry.names("pcl.methods", "Method")}
    assert found >= {("strategy", name) for name in registry.names("pcl.strategies", "Strategy")}
    assert found >= {("oracle", name) for name in oracles.names()}
    assert found >= {("data set", "digits10"), ("orientation", "digits10-2 personalized")}
    assert all(line.endswith((".", ")")) and source for kind, _, line, source in rows if kind != "orientation")


def test_runs_names_each_run_once_and_whether_it_is_complete(built):
    lines = [line for line in pcl(built, "runs", "--report", "table3").splitlines() if "results/" in line]
    assert len(lines) == len(set(lines)) == 14
    assert all(line.startswith("complete") for line in lines)
    assert "0 of 4 complete" in pcl(built, "runs", "--arm", "pcl-unused")
    (described,) = [run for run in json.loads(pcl(built, "runs", "--arm", "dcc", "--json")) if run["seed"] == 1]
    assert described["complete"] and described["path"].endswith(f"dcc/q20/{described['key']}/seed1")


def test_check_says_what_is_there_and_what_is_damaged(copy):
    assert "study smoke: 17 of 17 runs complete" in pcl(copy, "check")
    assert "sha256 right" in pcl(copy, "check")
    (images,) = (copy / "results/data").rglob("train_images.npy")
    content = bytearray(images.read_bytes())
    content[-1] ^= 1
    images.chmod(0o644)
    images.write_bytes(content)
    assert "train_images.npy" in pcl(copy, "check", fails=True)
    assert "train_images.npy" in pcl(copy, "verify", fails=True)


def test_check_lists_every_mistake_at_once(copy):
    copy.edit("settings: {strategy: hard}", "settings: {stratgy: hard}")
    copy.edit("budgets: {digits10-2: 20}", "budgets: {digits10-2: 2}")
    message = pcl(copy, "check", fails=True)
    assert "stratgy" in message and "strategy" in message
    assert "2 questions" in message


def test_verify_names_any_changed_byte_of_a_report(copy):
    """Of summaries, tables, figures and the page, each of which says what makes it again."""
    assert "reports are right" in pcl(copy, "verify")
    summaries = [path for path in (copy / "results").rglob("*.csv") if "summary" in str(path)]
    made = (path for path in (copy / "reports").rglob("*") if path.is_file() and path.name[0] != ".")
    paths = [*summaries, *made]
    assert {path.suffix for path in paths} == {".csv", ".md", ".tex", ".json", ".svg", ".png", ".pdf", ".html"}
    for path in paths:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    found = pcl(copy, "verify", fails=True)
    for path in paths:
        assert f"{path.relative_to(copy.path)}: not what its runs give, from byte " in found
    copy.run("rm", "-r", "results/summary", "results/summary.csv", "reports")
    copy.snakemake()
    assert "reports are right" in pcl(copy, "verify", "reports", "results/summary")


def test_verify_of_a_report_looks_at_its_runs(copy):
    path = copy.metrics("digits10-2", "personalized", "cop-kmeans")
    assert f"right: {path}" in pcl(copy, "verify", "reports/table3.csv")
    assert f"right: {path}" not in pcl(copy, "verify", "reports/table5.tex")
    (copy / path).chmod(0o644)
    (copy / path).write_text("{}")
    assert f"{path}: not as it was written" in pcl(copy, "verify", "reports/table3.csv", fails=True)
    assert "nothing is there that could be verified" in pcl(copy, "verify", "reports/table9.csv", fails=True)


def test_a_reviewer_verifies_one_run_without_the_data(built, clone):
    path = built.metrics("digits10-2", "personalized", "pcl").parent
    clone.dvc("pull", "results/tasks", str(path))
    assert not (clone / "results/data").exists()
    assert "verified: 1 " in pcl(clone, "verify", path)
    content = (clone / path / "assignments.npz").read_bytes()
    (clone / path / "assignments.npz").unlink()
    (clone / path / "assignments.npz").write_bytes(content[:-1])
    assert f"{path}/assignments.npz: not as it was written" in pcl(clone, "verify", path, fails=True)


def test_prune_deletes_what_no_report_needs_and_nothing_else(copy):
    assert "0 unused" in pcl(copy, "prune")
    kept = {path for path in (copy / "results").rglob("*") if path.is_file()}
    run = (copy / copy.metrics("digits10-2", "personalized", "pcl")).parent
    shutil.copytree(run, run.with_name("seed7"))
    shutil.copytree(run.parent, run.parents[1] / "00000000")
    listed = pcl(copy, "prune")
    assert "seed7" in listed and "00000000/seed0" in listed and (run.with_name("seed7")).exists()
    pcl(copy, "prune", "--yes")
    assert {path for path in (copy / "results").rglob("*") if path.is_file()} == kept
    assert not (run.parents[1] / "00000000").exists()


def test_a_crate_of_a_study_is_read_and_verified_elsewhere(built, tmp_path):
    """By the package's own reader, and by `pcl verify`, without the images."""
    rocrate = pytest.importorskip("rocrate.rocrate", reason="pip install rocrate: crates cannot be written")
    assert "files of results and reports" in pcl(built, "crate", tmp_path / "study.zip")
    crate = rocrate.ROCrate(tmp_path / "study.zip")
    assert crate.mainEntity.id == "workflow/Snakefile"
    runs = [entity for entity in crate.get_entities() if entity.type == "CreateAction"]
    assert len(runs) == 17
    for run in runs:
        assert {"metrics.json", "assignments.npz"} <= {result.id.rpartition("/")[2] for result in run["result"]}
        assert "seed" in run["name"] and run["startTime"] < run["endTime"]
    elsewhere = type(built)(tmp_path / "elsewhere")
    shutil.unpack_archive(tmp_path / "study.zip", elsewhere.path)
    assert not (elsewhere / "results/data").exists() and (elsewhere / "reports/table3.csv").exists()
    listed = {entity.id for entity in crate.data_entities}
    there = {str(path.relative_to(elsewhere.path)) for path in elsewhere.path.rglob("*") if path.is_file()}
    assert listed == there - {"ro-crate-metadata.json"}
    assert "reports are right" in pcl(elsewhere, "verify", "reports", "results/runs")


def test_snakemake_reports_on_a_finished_study(copy):
    """A page of its own, by `snakemake --report`: offline, with every table and figure in it."""
    copy.snakemake("--report", "report.html")
    page = (copy / "report.html").read_text()
    assert all(name in page for name in ("table3", "fig4.svg", "index.html", "pretrain"))


def test_no_crate_of_a_study_that_is_not_finished(built, clone):
    message = pcl(clone, "crate", "study.zip", fails=True)
    assert "17 of 17 runs" in message and "run snakemake first" in message and not (clone / "study.zip").exists()


def test_data_that_cannot_be_downloaded_say_how_to_get_them(built):
    assert "nothing that this command could download" in pcl(built, "data", "digits10", fails=True)
