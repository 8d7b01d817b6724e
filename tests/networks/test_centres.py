"""Centroids and mixtures: distances by loops, and starts that find well-separated groups."""

import math

import numpy as np
import pytest
import torch

from pcl.networks import centres

WHERE = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 30.0]])
SPREAD = np.array([[0.5, 1.0], [2.0, 0.25], [1.0, 1.0]])
SEED = 2**63 - 1  # seeds are derived with 63 bits, more than scikit-learn takes


def groups(size=200):
    """Three groups far from each other, one after the other, each with its own spread in both dimensions."""
    noise = np.random.default_rng(0).normal(size=(3, size, 2))
    return (WHERE[:, None] + SPREAD[:, None] * noise).reshape(-1, 2)


def of_each_group(found):
    """The rows of what was found, [3, 2], in the order of the groups they are nearest to; each once."""
    means = found[0]
    nearest = np.linalg.norm(WHERE[:, None] - means, axis=2).argmin(axis=1)
    assert sorted(nearest.tolist()) == [0, 1, 2]
    return [rows[nearest] for rows in found]


class TestCentroids:
    def test_distances_against_loops(self):
        g = torch.Generator().manual_seed(0)
        found, z = centres.Centroids(3, 4), torch.randn(5, 4, generator=g)
        with torch.no_grad():
            found.centres.copy_(torch.randn(3, 4, generator=g))
        d = found(z)
        for b in range(5):
            for k in range(3):
                expected = sum((z[b, i].item() - found.centres[k, i].item()) ** 2 for i in range(4))
                assert d[b, k].item() == pytest.approx(expected, rel=1e-5)
        d.sum().backward()
        assert found.centres.grad.abs().min() > 0

    def test_start_at_the_means_of_k_means(self):
        z, found = groups(), centres.Centroids(3, 2)
        found.start(z.astype(np.float32), SEED)
        (means,) = of_each_group([found.centres.detach().numpy()])
        assert np.allclose(means, z.reshape(3, 200, 2).mean(axis=1), atol=1e-4)
        assert found.centres.requires_grad

    def test_start_is_repeatable(self):
        z = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
        first, again = centres.Centroids(5, 2), centres.Centroids(5, 2)
        for one in (first, again):
            one.start(z, 3)
        assert torch.equal(first.centres, again.centres)


class TestMixture:
    def test_start_at_the_groups_with_their_own_variances(self):
        z, found = groups(), centres.Mixture(3, 2)
        found.start(z.astype(np.float32), SEED)
        means, log_variances, log_weights = found()
        own = z.reshape(3, 200, 2)
        mu, log_s = of_each_group([means.detach().numpy(), log_variances.detach().numpy()])
        assert np.allclose(mu, own.mean(axis=1), atol=1e-3)
        assert np.allclose(np.exp(log_s), own.var(axis=1), rtol=1e-2)
        assert log_weights.tolist() == pytest.approx([-math.log(3)] * 3)

    def test_weights_stay_equal_and_the_rest_is_trained(self):
        found = centres.Mixture(3, 2)
        z = np.concatenate([groups(), groups()[:150]])
        found.start(z.astype(np.float32), 0)
        assert found()[2].exp().tolist() == pytest.approx([1 / 3] * 3)
        assert {name for name, _ in found.named_parameters()} == {"means", "log_variances"}

    def test_a_dimension_without_spread_keeps_a_variance(self):
        z, found = groups(), centres.Mixture(3, 2)
        z[:, 1] = 1.0
        found.start(z.astype(np.float32), 0)
        assert found.log_variances.isfinite().all()
        assert found.log_variances[:, 1].exp().tolist() == pytest.approx([centres.SMALLEST_VARIANCE] * 3, rel=1e-3)

    def test_start_is_repeatable(self):
        z = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
        first, again = centres.Mixture(4, 2), centres.Mixture(4, 2)
        for one in (first, again):
            one.start(z, 3)
        assert torch.equal(first.means, again.means) and torch.equal(first.log_variances, again.log_variances)


def test_a_posterior_starts_narrow_everywhere():
    layer = centres.narrow(4, 3)
    rows = 100 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(rows), torch.full((6, 3), -3.0))
    layer(rows).sum().backward()
    assert layer.weight.grad.abs().min() > 0, "and does not have to stay so"
