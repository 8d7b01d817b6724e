"""What a study takes, computed by hand from two runs that are on disk; nothing is guessed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pcl import artifacts, config
from pcl.cli import main
from pcl.plan import Plan


@pytest.fixture
def planned(tmp_path, tiny_config, monkeypatch):
    """A function that says what the tiny study takes, with one table in it."""
    monkeypatch.chdir(tmp_path)
    content = tiny_config.model_dump(mode="json")
    table = content["tables"]["table3"] | {"rows": {"Three": ["kmeans", "cc", "pcl"]}, "tasks": "ablation"}
    content |= {"tables": {"table3": table}, "figures": {}, "cross": {}, "on_request": {}}
    content["studies"]["tiny"] |= {"seeds": [0, 1], "tasks": ["digits10-2"], "budgets": {"digits10-2": 30}}
    Path("params.yaml").write_text(json.dumps(content))

    def says(*words):
        result = CliRunner().invoke(main, ["plan", *words])
        assert result.exit_code == 0, result.output
        return result.output

    return says


def made(run, seconds, epochs, device="cpu"):
    """A complete folder of a run, as far as its cost goes."""
    run.folder.write_history([{"epoch": number} for number in range(epochs)])
    run.folder.write_last({"spec": run.spec, "seed": run.seed}, {"seconds": seconds, "device": device})


def test_nothing_is_measured_before_anything_is_made(planned):
    said = planned()
    assert "study tiny: 6 runs, 0 of them complete" in said
    assert "in all: nothing measured; 8 of 8 runs and pretrainings are unmeasured" in said
    assert "2 pretrainings, 2 runs that start from them" in said
    line = next(line for line in said.splitlines() if line.startswith("cc "))
    assert line.split() == ["cc", "2", f"{2 * 2 * 1408:,}", "unmeasured", "unmeasured"]


def test_hours_are_the_median_seconds_an_image_times_the_images(planned):
    plan = Plan(config.load())
    cc, kmeans = (plan.run("digits10-2", "any", arm, 0) for arm in ("cc", "kmeans"))
    made(cc, 36.0, 1)  # half as long as planned
    made(plan.run("digits10-2", "any", "cc", 1), 108.0, 3)
    made(kmeans, 18.0, 0, "cpu")
    found = json.loads(planned("--json"))
    lines = {line["method"]: line for line in found["lines"]}
    assert lines["cc"]["hours"] == {"cpu": pytest.approx(2 * 2 * 36 / 3600)}
    assert lines["kmeans"]["hours"] == {"cpu": pytest.approx(2 * 18 / 3600)}
    folders = [plan.run("digits10-2", "any", "cc", seed).path for seed in (0, 1)]
    sizes = [sum(path.stat().st_size for path in folder.iterdir()) for folder in folders]
    assert abs(lines["cc"]["size"] - sum(sizes)) <= 2
    assert lines["pcl"]["hours"] == {} and lines["pcl"]["unmeasured"] == lines["pcl"]["runs"] == 2


def test_another_network_is_no_measure(planned):
    content = json.loads(Path("params.yaml").read_text())
    made(Plan(config.load()).run("digits10-2", "any", "cc", 0), 36.0, 1)
    content["studies"]["tiny"]["training"]["backbone"]["width"] *= 2
    artifacts.write_json(Path("params.yaml"), content)
    assert "unmeasured" in next(line for line in planned().splitlines() if line.startswith("cc "))
