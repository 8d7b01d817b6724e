"""Assignments in other batches: of networks that were really trained, with attention between images and without."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pcl import artifacts, config, orientations
from pcl.errors import UserError
from pcl.intervals import Images
from pcl.metrics import accuracy
from pcl.plan import Plan
from pcl.report import drawing
from pcl.run import execute

OUT = Path("results/figures/moved/00000000.npz")


@pytest.fixture
def planned(tiny_config):
    """Of a function of the arms: a plan with a figure of them."""

    def make(*arms):
        content = tiny_config.model_dump()
        content["studies"]["tiny"]["seeds"] = [0]
        content["studies"]["tiny"]["training"]["backbone"]["width"] = 8  # as portable numerics need
        content["studies"]["tiny"]["training"]["batch_size"] = 24  # so that much rests on who else is there
        content["figures_on_request"]["moved"] = {
            **{"kind": "reshuffled", "title": "Moved", "orientation": "personalized"},
            **{"arms": list(arms), "orders": 3},
        }
        return Plan(config.validate(config.Config, content, "params.yaml"))

    return make


def test_only_attention_moves_images_and_the_first_order_is_that_of_the_run(workspace, planned):
    plan = planned("pcl", "pcl-no-attention")
    for run in plan.runs("moved"):
        execute.pretrain(run)
        execute.train(run)
    figure = plan.figure("moved")
    figure.precompute(OUT)
    first = OUT.read_bytes()
    figure.precompute(OUT)
    assert OUT.read_bytes() == first
    found = artifacts.read_arrays(OUT)
    assert found["moved"].shape == found["acc"].shape == (2, 4)
    assert (found["moved"][:, 0] == 0).all() and (found["moved"][0, 1:] > 0).all()
    assert (found["moved"][1] == 0).all() and len(set(found["acc"][1].tolist())) == 1
    for run, acc in zip(plan.runs("moved"), found["acc"], strict=True):
        target = orientations.read(run.targets["personalized"].path).test
        assert acc[0] == accuracy(target, run.folder.read_assignments()["test"].cluster)
    drawing.write(figure.drawing(OUT), Path("moved"))
    rows = list(csv.DictReader(Path("moved.csv").read_text().splitlines()))
    assert [(row["arm"], row["order"]) for row in rows] == [
        (arm, str(n)) for arm in ("pcl", "pcl-no-attention") for n in range(4)
    ]
    assert np.allclose([float(row["moved"]) for row in rows], found["moved"].ravel(), atol=1e-6)
    said = figure.caption(Images(plan.runs("moved")))
    assert "389 test images" in said and "3 random ones" in said
    artifacts.write_arrays(OUT, **found | {"runs": found["runs"][::-1]})
    with pytest.raises(UserError, match="not of these runs"):
        figure.drawing(OUT)


def test_an_arm_without_a_network_is_refused(planned):
    with pytest.raises(UserError, match=r"figures\.moved\.arms: kmeans trains no network"):
        planned("pcl", "kmeans").check()
