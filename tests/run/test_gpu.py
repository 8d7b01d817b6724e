"""What a run does on a GPU. Where there is none, every test of this file is skipped and says so."""

import pytest
import torch

from pcl import config
from pcl.engine.device import MEMORY_FORMAT, autocast, configure
from pcl.errors import UserError
from pcl.plan import Plan
from pcl.run import execute, network
from pcl.run.checkpoint import Checkpoint

DEVICE = "cuda"
GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0

pytestmark = [
    pytest.mark.skipif(GPUS == 0, reason="torch finds no GPU here: how a run goes on one is not tried"),
    pytest.mark.usefixtures("settings_of_torch"),
]


@pytest.fixture
def on(tiny_config):
    """A function of a device and how many of them: PCL's run of two epochs under a study that asks for them."""

    def run(device, devices=1):
        content = tiny_config.model_dump(mode="json")
        content["studies"]["tiny"]["device"] = device
        content["studies"]["tiny"]["resources"]["devices"] = devices
        return Plan(config.validate(config.Config, content, "params.yaml")).run(
            "digits10-2", "personalized", "pcl", 0
        )

    return run


@pytest.fixture
def repeatable(monkeypatch):
    """Whatever the GPU can repeat bit for bit it repeats; what it cannot is warned of."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

    def deterministic(device):
        configure(device)
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)

    monkeypatch.setattr(network, "configure", deterministic)


def step(run):
    """Of a fresh network's first batch, unaugmented since a GPU draws other views: the session, the terms, what kinds
    of numbers convolutions gave, and the gradient of the first."""
    method, session = network.opened(run)
    configure(session.device)
    session.stage = method.stages()[-1]
    batch = next(session.batches())
    batch.views = [session.images.unaugmented(batch.index)] * 2
    session.link(batch)
    batch.must[0, 1] = batch.must[1, 0] = batch.cannot[0, 2] = batch.cannot[2, 0] = True
    kinds = set()
    for module in session.network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _module, _given, found: kinds.add(found.dtype))
    session.network.train()
    with autocast(session.device):
        outputs = method.forward(session.network, batch)
    terms = method.loss(outputs, batch, session)
    sum(terms.values()).backward()
    return session, terms, kinds, session.network["backbone"].conv1.weight.grad


def test_a_step_is_nearly_that_of_a_processor(workspace, on):
    """In bfloat16, of which three digits are right, where the GPU has it; the loss is in float32 in any case."""
    _, expected, on_cpu, _ = step(on("cpu"))
    session, terms, kinds, gradient = step(on(DEVICE))
    assert session.device.type == DEVICE and all(
        weight.device.type == DEVICE for weight in session.network.parameters()
    )
    assert on_cpu == {torch.float32}
    assert kinds == {torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32}
    assert terms.keys() == expected.keys() and len(terms) > 3
    for name, value in terms.items():
        assert value.dtype == torch.float32 and torch.isfinite(value), name
        torch.testing.assert_close(value.detach().cpu(), expected[name].detach(), rtol=0.05, atol=0.05, msg=name)
    assert gradient.dtype == torch.float32 and torch.isfinite(gradient).all() and gradient.abs().max() > 0


def test_images_and_weights_have_their_channels_last(workspace, on):
    _, session = network.opened(on(DEVICE))
    kernels = [weight for weight in session.network["backbone"].parameters() if weight.dim() == 4]
    assert kernels and all(weight.is_contiguous(memory_format=MEMORY_FORMAT) for weight in kernels)


def test_a_run_asks_all_its_questions_and_says_on_what_it_ran(workspace, on):
    run = on(DEVICE)
    assert run.path == on("cpu").path, "nothing that a key is made of"
    execute.pretrain(run)
    execute.train(run)
    assert run.folder.complete and len(run.folder.read_answers()) == run.budget
    said = run.folder.read_provenance()["device"]
    assert said.startswith(DEVICE) and torch.cuda.get_device_name() in said


def cut_after_an_epoch(run, monkeypatch):
    """Train until the first epoch is on disk; weights and the optimiser's state as they are then."""
    kept = {}
    saved = Checkpoint.epoch_ended

    def cut(self, epoch):
        saved(self, epoch)
        kept["network"] = {name: value.clone() for name, value in self.session.network.state_dict().items()}
        kept["moments"] = [own["exp_avg"].clone() for own in self.session.optimizer.state.values()]
        raise UserError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "epoch_ended", cut)
        with pytest.raises(UserError, match="cut off"):
            execute.train(run)
    assert run.folder.checkpoint.exists() and not run.folder.complete
    return kept


def test_a_run_that_is_cut_off_goes_on_from_what_it_was(workspace, on, monkeypatch):
    """Bit for bit, on the GPU; and answers that were given are not asked for again."""
    run = on(DEVICE)
    execute.pretrain(run)
    kept = cut_after_an_epoch(run, monkeypatch)
    method, session = network.opened(run)
    optimizer, stages = Checkpoint(run.folder, session).resume(
        [stage for stage in method.stages() if not stage.pretraining]
    )
    assert [stage.name for stage in stages] == ["train"] and session.epoch == 1
    found = session.network.state_dict()
    assert found.keys() == kept["network"].keys()
    for name, value in kept["network"].items():
        assert found[name].device == value.device and torch.equal(found[name], value), name
    moments = [own["exp_avg"] for own in optimizer["state"].values()]
    assert moments and all(torch.equal(one, other) for one, other in zip(moments, kept["moments"], strict=True))
    before = list(session.known.answers)
    execute.train(run)
    assert run.folder.complete and run.folder.read_answers()[: len(before)] == before
    assert len(run.folder.read_answers()) == run.budget >= len(before) > 0


def test_where_the_gpu_repeats_a_run_a_cut_changes_nothing(empty, on, monkeypatch, repeatable):
    run, found = on(DEVICE), {}
    for name in ("once", "twice", "cut"):
        monkeypatch.chdir(empty(name))
        execute.pretrain(run)
        if name == "cut":
            cut_after_an_epoch(run, monkeypatch)
        execute.train(run)
        found[name] = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
        del found[name][run.folder.provenance.name]
    if found["once"] != found["twice"]:
        pytest.skip("this GPU does not repeat a run bit for bit: nothing to hold the one that was cut against")
    assert len(found["cut"]) >= 5 and found["cut"] == found["once"]


@pytest.mark.skipif(GPUS < 2, reason="fewer than two GPUs here: a run divided among them is not tried")
def test_a_run_is_divided_between_two_gpus(workspace, on):
    run = on(DEVICE, devices=2)
    execute.pretrain(run)
    execute.train(run)
    assert run.folder.complete and len(run.folder.read_answers()) == run.budget
    assert run.folder.read_provenance()["device"].startswith(f"2 × {DEVICE}")
