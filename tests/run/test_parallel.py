"""Two processes that divide every batch do what one does: the same loss, gradient, questions and, nearly, weights."""

import pytest
import torch

from pcl import config
from pcl.engine import parallel
from pcl.errors import UserError
from pcl.plan import Plan
from pcl.run import execute, network
from pcl.run.checkpoint import Checkpoint


@pytest.fixture
def divided(tiny_config):
    """A function of a number of devices: PCL's run under a study that gives it so many."""

    def run(devices):
        content = tiny_config.model_dump(mode="json")
        content["studies"]["tiny"]["resources"]["devices"] = devices
        return Plan(config.validate(config.Config, content, "params.yaml")).run(
            "digits10-2", "personalized", "pcl", 0
        )

    return run


def first_step(run, rows):
    """Of a fresh network's first batch, cut to some rows: losses, gradients, and what normalisation has learned."""
    method, session = network.opened(run)
    session.stage = method.stages()[-1]
    members = session.sampler.epoch(session.stage, 0, session.known.constraints)[0]
    batch = session.batch(type(members)(members.kind, members.index[:rows]), 0, 1)
    session.link(batch)
    batch.must[0, 1] = batch.must[1, 0] = batch.cannot[0, 2] = batch.cannot[2, 0] = True
    session.network.train()
    terms = method.loss(method.forward(session.network, batch), batch, session)
    sum(terms.values()).backward()
    parallel.average_gradients(session.network)
    found = {f"gradient of {name}": weight.grad for name, weight in session.network.named_parameters()}
    found |= dict(session.network.named_buffers())
    return {name: value.detach().clone() for name, value in (found | terms).items()}


def first_steps(run):
    """Of batches that two processes cannot halve."""
    return [first_step(run, rows) for rows in (63, 3)]


def test_loss_and_gradient_are_those_of_the_joint_batch(workspace, divided):
    """With attention between all images, and normalisation over all of them."""
    run = divided(2)
    torch.use_deterministic_algorithms(True)
    for alone, both in zip(first_steps(run), parallel.together(2, first_steps, run), strict=True):
        assert alone.keys() == both.keys() and len(alone) > 50
        for name, value in alone.items():
            near = 1e-4 * float(value.abs().max() + 1)
            torch.testing.assert_close(both[name], value, rtol=1e-3, atol=near, msg=name)
        assert float(alone["gradient of backbone.conv1.weight"].abs().max()) > 1e-3


def test_a_divided_run_is_resumed_and_asks_what_one_process_asks(empty, divided, monkeypatch):
    one, two = divided(1), divided(2)
    assert one.path == two.path, "nothing that a key is made of"
    found = {}
    for name, run in (("one", one), ("two", two), ("cut", two)):
        monkeypatch.chdir(empty(name))
        execute.pretrain(one)
        if name == "cut":
            with monkeypatch.context() as patch:
                saved = Checkpoint.epoch_ended

                def cut(self, epoch, saved=saved):
                    saved(self, epoch)
                    raise UserError("cut off")

                patch.setattr(Checkpoint, "epoch_ended", cut)
                with pytest.raises(UserError, match="cut off"):
                    execute.train(run)
            assert run.folder.checkpoint.exists() and not run.folder.complete
        execute.train(run)
        found[name] = {path.name: path.read_bytes() for path in run.path.iterdir() if path != run.folder.provenance}
        assert run.folder.read_provenance()["device"] == ("cpu" if run is one else "2 × cpu")
        found[name, "weights"], found[name, "answers"] = run.folder.read_weights(), run.folder.read_answers()
    assert found["cut"] == found["two"]
    assert [(a.i, a.j, a.same) for a in found["one", "answers"]] == [
        (a.i, a.j, a.same) for a in found["two", "answers"]
    ]
    assert found["one", "weights"].keys() == found["two", "weights"].keys()
    for name, weight in found["one", "weights"].items():
        torch.testing.assert_close(found["two", "weights"][name], weight, rtol=0.1, atol=0.01, msg=name)


def test_a_process_that_ends_before_its_time_is_said(tmp_path):
    with pytest.raises(UserError, match="one of the 2 processes of this training has ended"):
        parallel.together(2, follower_dies)


def follower_dies():
    if not parallel.leads():
        raise MemoryError
    torch.distributed.barrier()
