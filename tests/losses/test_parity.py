"""What the published codes give on small explicit inputs, in float64.

The numbers were captured from the released code named at each test; the inputs are those formulas. They are frozen:
a test that fails means that our loss is no longer theirs.
"""

import math

import pytest
import torch

from pcl.losses import active, constrained, contrastive, pairs, student
from pcl.methods.cc import CCSettings
from pcl.networks.heads import contrastive_network

close = pytest.approx


def table(rows, columns, entry):
    """A float64 matrix from a formula in i and j."""
    i, j = torch.arange(rows, dtype=torch.float64)[:, None], torch.arange(columns, dtype=torch.float64)
    return entry(i, j)


def unit(x):
    return torch.nn.functional.normalize(x, dim=1)


class TestCC:
    """Yunfan-Li/Contrastive-Clustering@61daba8."""

    def test_instance_tau_half(self):
        a = unit(table(6, 5, lambda i, j: torch.sin(i + 2 * j + 0.3 * i * j))).requires_grad_()
        b = unit(table(6, 5, lambda i, j: torch.cos(2 * i - j + 0.2 * i * j)))
        loss = contrastive.nt_xent(torch.cat([a, b]), 0.5)
        assert loss.item() == close(2.61324945, rel=1e-5)

    def test_instance_gradient_on_unit_rows(self):
        a = unit(table(6, 5, lambda i, j: torch.sin(i + 2 * j + 0.3 * i * j))).requires_grad_()
        b = unit(table(6, 5, lambda i, j: torch.cos(2 * i - j + 0.2 * i * j)))
        # The release takes unit rows as they come; ours normalises, which only removes the radial part.
        contrastive.nt_xent(torch.cat([a, b]), 0.5).backward()
        rows = torch.cat([a.detach(), b])
        logits = (rows @ rows.T / 0.5).fill_diagonal_(-math.inf)
        p = torch.softmax(logits, 1)
        target = torch.eye(12, dtype=torch.float64).roll(6, 0)
        full = ((p - target) + (p - target).T) @ rows / 0.5 / 12
        assert full[:6].norm().item() == close(0.85199433, rel=1e-5)
        assert full[0, 0].item() == close(-0.23183239, rel=1e-5)
        tangent = full[:6] - (full[:6] * a.detach()).sum(1, keepdim=True) * a.detach()
        assert torch.allclose(a.grad, tangent)

    @pytest.mark.parametrize(
        ("clusters", "total", "parts"), [(2, 1.07131695, (1.06982891, 0.00148804)), (4, 1.911779, None)]
    )
    def test_cluster(self, clusters, total, parts):
        a = torch.softmax(table(6, clusters, lambda i, j: torch.sin(i + 2 * j + 0.3 * i * j)), 1).requires_grad_()
        b = torch.softmax(table(6, clusters, lambda i, j: torch.cos(2 * i - j + 0.2 * i * j)), 1)
        contrast = contrastive.column_contrast(torch.cat([a, b]), 1.0)
        balance = contrastive.balance(a) + contrastive.balance(b)
        (contrast + balance).backward()
        assert (contrast + balance).item() == close(total, rel=1e-5)
        if parts:
            assert (contrast.item(), balance.item()) == close(parts, rel=1e-5)
            assert a.grad.norm().item() == close(0.10667255, rel=1e-5)

    @pytest.mark.parametrize(("clusters", "best", "flat"), [(2, 0.551445, 1.098612), (4, 1.165422, 1.94591)])
    def test_cluster_bounds(self, clusters, best, flat):
        one_hot = torch.eye(clusters, dtype=torch.float64).repeat(3, 1)
        even = torch.full((3 * clusters, clusters), 1 / clusters, dtype=torch.float64)
        for p, expected in ((one_hot, best), (even, flat)):
            loss = contrastive.column_contrast(torch.cat([p, p]), 1.0) + 2 * contrastive.balance(p)
            assert loss.item() == close(expected, abs=2e-6)
        assert best == close(math.log(1 + (2 * clusters - 2) / math.e), abs=1e-6)
        assert flat == close(math.log(2 * clusters - 1), abs=1e-6)

    @pytest.mark.parametrize(("clusters", "count"), [(2, 21_876_674), (4, 21_877_700)])
    def test_parameter_count(self, clusters, count):
        network = contrastive_network(CCSettings(), channels=3, clusters=clusters, features=128)
        assert sum(p.numel() for p in network.parameters()) == count
        assert sum(p.numel() for p in network["backbone"].parameters()) == 21_284_672


class TestDEC:
    """piiswrong/dec and its ports."""

    z = table(6, 3, lambda i, j: torch.sin(i + 2 * j))
    mu = table(3, 3, lambda k, j: torch.cos(k + j))
    distances = (z[:, None] - mu[None]).square().sum(2)

    def test_soft_assignment(self):
        q = student.soft_assignment(self.distances)
        assert q[0].tolist() == close([0.45540068, 0.33052524, 0.21407408], rel=1e-5)
        assert q[5].tolist() == close([0.33938541, 0.29522743, 0.36538716], rel=1e-5)

    def test_target(self):
        p = student.target_distribution(student.soft_assignment(self.distances))
        assert p[0].tolist() == close([0.57192229, 0.29063231, 0.1374454], rel=1e-5)
        assert p[5].tolist() == close([0.33438464, 0.24409468, 0.42152068], rel=1e-5)

    def test_divergence(self):
        q = student.soft_assignment(self.distances)
        loss = student.kl_divergence(student.target_distribution(q), q)
        assert loss.item() == close(0.02751577, rel=1e-5)


class TestDCC:
    """blueocean92/deep_constrained_clustering@22e5c98."""

    z, distances = TestDEC.z, TestDEC.distances
    x = table(6, 5, lambda i, j: torch.sin(i + 2 * j + 0.3))
    decoded = table(6, 5, lambda i, j: 0.9 * torch.sin(i + 2 * j + 0.4))
    must, cannot = torch.tensor([[0, 1], [2, 3]]), torch.tensor([[0, 2], [1, 4]])

    def q(self, power):
        return student.soft_assignment(self.distances, power)

    def test_kernel_power(self):
        """DCC-1: the release squares the kernel by operator precedence."""
        assert self.q(2)[0].tolist() == close([0.57216588, 0.30140044, 0.12643368], rel=1e-5)
        assert self.q(1)[0].tolist() == close([0.45540068, 0.33052524, 0.21407408], rel=1e-5)

    def test_cluster_loss(self):
        """DCC-2, with the released kernel."""
        q = self.q(2)
        loss = 0.1 * student.kl_divergence(student.target_distribution(q), q, smoothing=1e-6)
        assert loss.item() == close(0.0069179981, rel=1e-5)

    def test_reconstruction(self):
        """DCC-3."""
        loss = torch.nn.functional.mse_loss(self.decoded, self.x)
        assert loss.item() == close(0.0094380098, rel=1e-5)

    @pytest.mark.parametrize(("power", "must", "cannot"), [(1, 1.0627425, 0.38702885), (2, 1.0320244, 0.34304861)])
    def test_pair_losses(self, power, must, cannot):
        """DCC-4."""
        q = self.q(power)
        assert pairs.must_link_loss(q[self.must.T.flatten()]).item() == close(must, rel=1e-5)
        assert pairs.cannot_link_loss(q[self.cannot.T.flatten()]).item() == close(cannot, rel=1e-5)

    def test_size_loss(self):
        """DCC-6."""
        assert pairs.size_loss(self.q(1)).item() == close(0.00082158975, rel=1e-5)


class TestPCL:
    """hhdxwen/PCL@943dfcc; PCL-1."""

    z = torch.cat([unit(table(4, 3, lambda i, j, s=s: torch.sin(i + 2 * j + s))) for s in (0.0, 0.2)])
    p = torch.cat([torch.softmax(table(4, 2, lambda i, j, s=s: torch.sin(i + 2 * j + s)), 1) for s in (0.0, 0.2)])
    must, cannot = torch.zeros(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)
    must[0, 1] = must[1, 0] = True
    cannot[2, 3] = cannot[3, 2] = True
    none = torch.zeros(4, 4, dtype=torch.bool)

    def rows(self, logits, weights):
        losses = constrained.pair_loss(logits, constrained.tile(self.cannot), self_term=False, scale="release")
        return constrained.row_loss(losses, weights, "release").item()

    def test_instance_loss_of_an_answered_must_link(self):
        """The entry fixes the extra weight at 2; the release computes max(4B/(#must + 1), 2)."""
        weights = constrained.release_weights(self.none, self.must) + 2 * constrained.tile(self.must)
        assert self.rows(self.z @ self.z.T, weights) == close(1.7316234, rel=1e-5)

    def test_instance_loss_of_a_supposed_must_link(self):
        weights = constrained.release_weights(self.none, self.must)
        assert self.rows(self.z @ self.z.T, weights) == close(1.6297218, rel=1e-5)

    def test_weight_of_an_answered_must_link(self):
        weights = constrained.release_weights(self.must, self.none)
        assert weights[0, 1].item() == close(1 + 16 / 3)
        many = torch.ones(4, 4, dtype=torch.bool).fill_diagonal_(False)
        assert constrained.release_weights(many, self.none)[0, 1].item() == close(1 + 2)

    def test_cluster_losses(self):
        first, second = self.p.chunk(2)
        columns = contrastive.column_contrast(self.p, 2.0).item()
        rows = self.rows(self.p @ self.p.T, constrained.release_weights(self.none, self.must))
        balance = (contrastive.balance(first) + contrastive.balance(second)).item()
        assert (columns, rows, balance) == close((1.0011589, 2.0761604, 0.086614516), rel=1e-5)
        assert columns + rows + balance == close(3.1639339, rel=1e-5)


class TestOCC:
    """The printed equations; no code was released."""

    rows = torch.cat([table(4, 3, lambda i, j, s=s: torch.sin(i + 2 * j + s)) for s in (0.0, 0.2)])
    extra = torch.zeros(4, 4, dtype=torch.float64)
    extra[0, 1] = extra[1, 0] = 2

    def test_contrast(self):
        """OCC-1."""
        assert active.active_contrast(self.rows, self.extra, 0.5).item() == close(2.3134868, rel=1e-6)
        assert active.active_contrast(self.rows, 0 * self.extra, 0.5).item() == close(2.6227788, rel=1e-6)

    def test_nt_xent_is_something_else(self):
        """OCC-2."""
        assert contrastive.nt_xent(self.rows, 0.5).item() == close(0.86998572, rel=1e-6)

    def test_balance_rewards_equal_clusters(self):
        """OCC-5; OCC-3, the query score, stands in tests/strategies/test_occ_strategies.py."""
        p = torch.tensor([[0.7, 0.3], [0.6, 0.4], [0.9, 0.1]], dtype=torch.float64)
        assert contrastive.balance(p).item() == close(0.11323201, rel=1e-6)
        assert contrastive.balance(p).item() - math.log(2) == close(-0.57991517, rel=1e-6)
