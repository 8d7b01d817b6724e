"""MiCE's experts, gate and memory, each against plain layers and loops."""

import math

import pytest
import torch
from torch.nn import functional as F

from pcl.engine.stage import DeepSettings
from pcl.losses import experts as losses
from pcl.methods.mice import MiCESettings
from pcl.networks import experts

SMALL = DeepSettings(image_size=8, backbone={"depth": 10, "width": 2, "stem": "small"})


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("clusters", "count"), [(2, 21_481_664), (4, 21_612_992)])
def test_parameter_count(clusters, count):
    """TsungWeiTsai/MiCE@ddcce45 (arch.mice_params): backbone, experts and gate."""
    network = experts.mixture_of_experts(MiCESettings(), 3, clusters, features=128, queue=16)
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    parts = [weight for part in ("backbone", "experts", "gate") for weight in network[part].parameters()]
    assert sum(weight.numel() for weight in trained) == count
    assert set(map(id, trained)) == set(map(id, parts))


class TestExperts:
    def test_every_one_is_a_linear_layer_of_its_own_with_unit_rows(self):
        found, h = experts.Experts(6, 3, 4), rows(5, 6)
        f = found(h)
        assert f.shape == (5, 3, 4)
        for k in range(3):
            own = slice(4 * k, 4 * k + 4)
            alone = h @ found.layer.weight[own].T + found.layer.bias[own]
            assert torch.allclose(f[:, k], alone / alone.norm(dim=1, keepdim=True), atol=1e-6)

    def test_the_gate_is_a_linear_layer_with_unit_rows(self):
        found, h = experts.Gate(6, 4), rows(5, 6)
        alone = h @ found.layer.weight.T + found.layer.bias
        assert torch.allclose(found(h), alone / alone.norm(dim=1, keepdim=True), atol=1e-6)


class TestMemory:
    def test_holds_the_last_embeddings_in_the_order_of_a_ring(self):
        memory, ring = experts.Memory(2, 3, size=7), {}
        for batch in range(5):
            v = F.normalize(rows(3, 2, 3, seed=batch), dim=2)
            memory.add(v, torch.full((3, 2), 0.5))
            ring |= {(3 * batch + n) % 7: v[n] for n in range(3)}
        assert all(torch.equal(memory.queue[place], v) for place, v in ring.items())
        assert int(memory.pointer) == 15 % 7

    def test_starts_with_noise_of_length_one_on_average(self):
        memory, again = experts.Memory(2, 128, size=500), experts.Memory(2, 128, size=500)
        for one in (memory, again):
            one.start(torch.Generator().manual_seed(3))
        bound = math.sqrt(3 / 128)
        assert memory.queue.abs().max() <= bound and memory.queue.min() < -0.99 * bound
        assert memory.queue.square().sum(2).mean().item() == pytest.approx(1, abs=0.01)
        assert torch.equal(memory.queue, again.queue)

    def test_prototypes_are_the_normalised_sums_of_an_epoch(self):
        memory, sums = experts.Memory(3, 4, size=8), torch.zeros(3, 4)
        assert not memory.mu.any(), "they say nothing at first"
        posteriors = (torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]), torch.tensor([[0.4, 0.3, 0.3]]))
        for seed, posterior in enumerate(posteriors):
            v = rows(len(posterior), 3, 4, seed=seed)
            memory.add(v, posterior)
            for b, p in enumerate(posterior.tolist()):
                k = p.index(max(p))
                sums[k] += v[b, k]
            assert not memory.mu.any(), "until the epoch is over"
        memory.end_epoch()
        for k in (0, 2):
            assert torch.allclose(memory.mu[k], sums[k] / sums[k].norm(), atol=1e-6)
        assert not memory.mu[1].any(), "nothing fell in"

    def test_a_cluster_that_nothing_falls_in_keeps_its_prototype_and_sums_begin_anew(self):
        memory = experts.Memory(2, 4, size=8)
        first, second = rows(1, 2, 4, seed=1), rows(1, 2, 4, seed=2)
        for v, posterior in ((first, [[0.9, 0.1]]), (second, [[0.2, 0.8]])):
            memory.add(v, torch.tensor(posterior))
            memory.end_epoch()
        assert torch.allclose(memory.mu, F.normalize(torch.stack([first[0, 0], second[0, 1]]), dim=1), atol=1e-6)

    def test_is_saved_with_the_network_and_not_trained(self):
        network = experts.mixture_of_experts(SMALL, 1, clusters=2, features=4, queue=5)
        kept = {name for name in network.state_dict() if name.startswith("memory.")}
        assert kept == {f"memory.{name}" for name in ("omega", "mu", "sums", "queue", "pointer")}
        assert not list(network["memory"].parameters())
        assert experts.memory_of(network) is network["memory"]
        assert torch.allclose(network["memory"].omega, losses.simplex(2, 4))


class TestJudge:
    @pytest.fixture
    def network(self):
        torch.manual_seed(0)
        network = experts.mixture_of_experts(SMALL, 1, clusters=3, features=4, queue=6).eval()
        network["memory"].start(torch.Generator().manual_seed(0))
        network["memory"].mu.copy_(F.normalize(rows(3, 4, seed=5), dim=1))
        with torch.no_grad():
            for weight in network["teacher"].parameters():
                weight.mul_(1.1)
        return network

    @torch.no_grad()
    def test_student_teacher_and_gate_each_see_their_own_view(self, network):
        views = [rows(5, 1, 8, 8, seed=seed) for seed in range(3)]
        found = experts.judge(network, *views)
        f = network["experts"](network["backbone"](views[0]))
        v = network["teacher"]["experts"](network["teacher"]["backbone"](views[1]))
        g = network["gate"](network["backbone"](views[2]))
        memory = network["memory"]
        for b in range(5):
            weights = [math.exp(float(memory.omega[k] @ g[b])) for k in range(3)]
            joint = []
            for k in range(3):
                anchor = f[b, k] + memory.mu[k]
                own = math.exp(float(v[b, k] @ anchor))
                others = sum(math.exp(float(q[k] @ anchor)) for q in memory.queue)
                log_pi, log_phi = math.log(weights[k] / sum(weights)), math.log(own / (own + others))
                assert found["log_pi"][b, k].item() == pytest.approx(log_pi, abs=1e-4)
                assert found["log_phi"][b, k].item() == pytest.approx(log_phi, abs=1e-4)
                joint.append(math.exp(log_pi + log_phi))
            assert found["p"][b].tolist() == pytest.approx([x / sum(joint) for x in joint], abs=1e-4)
        assert torch.allclose(found["v"], v)

    def test_what_is_summed_up_is_in_single_precision(self, network):
        """Even where the network runs in half of it."""
        network["backbone"], network["experts"], network["gate"] = (
            torch.nn.Flatten(),
            experts.Experts(64, 3, 4),
            experts.Gate(64, 4),
        )
        network["teacher"] = torch.nn.ModuleDict(
            {"backbone": torch.nn.Flatten(), "experts": experts.Experts(64, 3, 4)}
        )
        views = [rows(5, 1, 8, 8, seed=seed) for seed in range(3)]
        with torch.autocast("cpu", torch.float16):
            assert network["gate"].layer(views[2].flatten(1)).dtype == torch.float16
            found = experts.judge(network, *views)
        assert {value.dtype for value in found.values()} == {torch.float32}

    def test_only_the_student_and_the_gate_are_taught(self, network):
        found = experts.judge(network, *(rows(5, 1, 8, 8, seed=seed) for seed in range(3)))
        losses.negative_elbo(found["log_pi"], found["log_phi"]).backward()
        taught = {name.split(".")[0] for name, weight in network.named_parameters() if weight.grad is not None}
        assert taught == {"backbone", "experts", "gate"}
        assert not found["v"].requires_grad
