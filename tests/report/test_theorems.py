"""The loss of Theorems 3.2 and 3.3, against the equations written out by hand."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pcl import artifacts, config, datasets, orientations
from pcl.errors import UserError
from pcl.intervals import Images
from pcl.losses.constrained import pair_loss
from pcl.plan import Plan
from pcl.report import drawing
from pcl.report.figures import theorems
from pcl.run import execute

OUT = Path("results/figures/theorems/00000000.npz")


@pytest.fixture
def planned(tiny_config):
    """Of a function of an arm: a plan with the figure of it."""

    def make(arm):
        content = tiny_config.model_dump()
        content["studies"]["tiny"]["seeds"] = [0]
        content["studies"]["tiny"]["training"]["backbone"]["width"] = 8  # as portable numerics need
        content["figures_on_request"]["theorems"] = {
            **{"kind": "theorems", "title": "Theorems", "orientation": "personalized"},
            **{"arm": arm, "pairs": 40},
        }
        return Plan(config.validate(config.Config, content, "params.yaml"))

    return make


def by_hand(views, must, cannot, tau=1.0, emphasis=4.0):
    """Eq. 1 to 3 in feature space and the mean over rows, as printed, with loops."""
    z, n = views.reshape(-1, views.shape[-1]), views.shape[1]
    s = np.exp(z @ z.T / tau)
    links, apart = np.tile(must, (2, 2)), np.tile(cannot, (2, 2))
    known, total = max(must.sum() / 2, 1), 0.0
    for i in range(2 * n):
        mu = n / (n + apart[i].sum())
        denominator = mu * sum((1 + apart[i, k]) * s[i, k] for k in range(2 * n))
        weights = emphasis * n * links[i] + known * (np.arange(2 * n) == (i + n) % (2 * n))
        losses = -np.log(s[i] / denominator)
        total += (weights * losses).sum() / weights.sum()
    return total / (2 * n)


def test_the_loss_is_that_of_the_equations_and_of_the_run_s_answers(workspace, planned):
    plan = planned("pcl-paper")
    (run,) = plan.runs("theorems")
    execute.pretrain(run)
    execute.train(run)
    figure = plan.figure("theorems")
    figure.precompute(OUT)
    first = OUT.read_bytes()
    figure.precompute(OUT)
    assert OUT.read_bytes() == first
    found = artifacts.read_arrays(OUT)
    answers = run.folder.read_answers()
    assert found["loss"].shape == (2, 1, len(answers) + 1) and found["delta"].shape == (2, 1, 40)
    assert found["same"][0].tolist() == [answer.same for answer in answers]

    _, session = execute.restored(run)
    batches, total = theorems._seen(session), {0: 0.0, len(answers): 0.0}
    for asked in total:
        for batch in batches:
            n = len(batch.images)
            must, cannot = np.zeros((n, n), bool), np.zeros((n, n), bool)
            for answer in answers[:asked]:
                here = np.flatnonzero(np.isin(batch.images, [answer.i, answer.j]))
                assert len(here) in (0, 2), "both images of a question are in one batch"
                if len(here):
                    links = must if answer.same else cannot
                    links[here[0], here[1]] = links[here[1], here[0]] = True
            total[asked] += by_hand(batch.views.numpy(), must, cannot) * n / session.size
        assert found["loss"][1, 0, asked] == pytest.approx(total[asked], rel=1e-5)

    assert ((found["s_up"] >= 0) & (found["s_up"] <= 1)).all() and (found["delta"] != 0).any()
    drawing.write(figure.drawing(OUT), Path("theorems"))
    rows = list(csv.DictReader(Path("theorems.csv").read_text().splitlines()))
    assert [row["what"] for row in rows].count("loss") == 2 * (len(answers) + 1)
    assert [row["what"] for row in rows].count("change") == 2 * 40
    assert "1,408 train images" in figure.caption(Images(plan.runs("theorems")))
    artifacts.write_arrays(OUT, **found | {"runs": np.array(["elsewhere"])})
    with pytest.raises(UserError, match="not of these runs"):
        figure.drawing(OUT)


@pytest.mark.parametrize("twice", [0.9, 1.1])
def test_a_first_cannot_link_raises_a_row_only_above_twice_the_mean(twice):
    """What docs/results/theorems says of μ: both views of an image, in one row of the loss as printed."""
    logits, none = torch.zeros(8, 8), torch.zeros(8, 8, dtype=torch.bool)
    logits[0, [1, 5]] = math.log(1.5 * twice / (1 - twice / 2))
    share = float(logits[0].exp()[1] / (2 * logits[0].exp().mean()))
    assert share == pytest.approx(twice)
    cannot = none.clone()
    cannot[0, [1, 5]] = True
    before, after = (pair_loss(logits, known, True, "paper")[0, 4] for known in (none, cannot))
    assert (after > before) == (share > 1)


def test_a_drawn_pair_is_told_by_its_labels_and_taken_back(workspace, planned):
    plan = planned("pcl-paper")
    (run,) = plan.runs("theorems")
    execute.pretrain(run)
    _, session = execute.restored(run, trained=False)
    figure, batches = plan.figure("theorems"), theorems._seen(session)
    before = [theorems._loss(run.settings, batch, session.size) for batch in batches]
    target = orientations.read(run.targets["personalized"].path).train
    pairs = figure._pairs(run, batches, target, session.size)
    assert [theorems._loss(run.settings, batch, session.size) for batch in batches] == before
    assert not any(batch.must.any() or batch.cannot.any() for batch in batches)
    assert len(pairs["linked"]) == 40 and 0 < pairs["linked"].mean() < 1
    assert len(datasets.load(run.data.path).train.labels) == session.size


def test_an_arm_without_this_loss_is_refused(planned):
    with pytest.raises(UserError, match=r"figures\.theorems\.arm: dcc has not PCL's loss"):
        planned("dcc").check()
