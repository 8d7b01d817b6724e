"""SCAN, IDFD, SwAV, DeepCluster and PICA's edges: what the published codes give, and plain loops beside them.

The numbers were captured from the released code named at each class; the inputs are those formulas.
"""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pcl.losses import contrastive, instance, pairs, prototypes, pseudo
from pcl.networks.projection import Sobel

close = pytest.approx


def table(rows, columns, entry):
    i, j = torch.arange(rows, dtype=torch.float64)[:, None], torch.arange(columns, dtype=torch.float64)
    return entry(i, j)


def unit(x):
    return F.normalize(x, dim=1)


def first(columns, rows=6):
    return table(rows, columns, lambda i, j: torch.sin(i + 2 * j + 0.3 * i * j))


def second(columns, rows=6):
    return table(rows, columns, lambda i, j: torch.cos(2 * i - j + 0.2 * i * j))


class TestSCAN:
    """wvangansbeke/Unsupervised-Classification@952ec31, losses/losses.py."""

    @pytest.mark.parametrize(("clusters", "expected"), [(2, -2.74939974), (4, -5.533846)])
    def test_published_loss(self, clusters, expected):
        """It has −5 H where ours has 5 (log K − H)."""
        p, n = first(clusters).softmax(1), second(clusters).softmax(1)
        loss = pseudo.neighbour_consistency(p, n) + 5 * contrastive.balance(p)
        assert loss.item() - 5 * math.log(clusters) == close(expected, rel=1e-5)

    def test_published_terms(self):
        p, n = first(2).softmax(1), second(2).softmax(1)
        assert pseudo.neighbour_consistency(p, n).item() == close(0.70889665, rel=1e-5)
        assert math.log(2) - contrastive.balance(p).item() == close(0.69165928, rel=1e-5)

    def test_consistency_is_the_loss_of_must_links(self):
        p, n = first(3).softmax(1), second(3).softmax(1)
        assert pseudo.neighbour_consistency(p, n).item() == close(pairs.must_link_loss(torch.cat([p, n])).item())

    def test_consistency_stays_finite_where_neighbours_are_sure_of_different_clusters(self):
        p = torch.eye(2).requires_grad_()
        loss = pseudo.neighbour_consistency(p, torch.eye(2).flip(0))
        loss.backward()
        assert loss.item() == 100 and p.grad.isfinite().all()

    @pytest.mark.parametrize(("clusters", "expected"), [(2, 0.799726), (4, 1.158239)])
    def test_published_self_labels(self, clusters, expected):
        weak, strong = 6 * first(clusters), second(clusters)
        assert pseudo.confident_labels(weak, strong, 0.99).item() == close(expected, rel=1e-4)

    def test_published_self_labels_without_balance(self):
        assert pseudo.confident_labels(6 * first(2), second(2), 0.99, balanced=False).item() == close(
            0.789162, rel=1e-4
        )

    def test_nothing_is_learned_where_nothing_is_sure(self):
        strong = second(2).requires_grad_()
        loss = pseudo.confident_labels(torch.zeros(6, 2, dtype=torch.float64), strong, 0.99)
        loss.backward()
        assert loss.item() == 0 and (strong.grad == 0).all()


class TestIDFD:
    """TTN-YKK/Clustering_friendly_representation_learning@9ea5ce7, main.py."""

    memory, index = 0.3 * first(5, rows=9), torch.tensor([7, 2, 5, 0, 8, 3])

    def test_published(self):
        raw = second(5).requires_grad_()
        f = unit(raw)
        discrimination = instance.instance_discrimination(f, self.memory, self.index, 1.0)
        decorrelation = instance.feature_decorrelation(f, 2.0)
        (discrimination + decorrelation).backward()
        assert (discrimination.item(), decorrelation.item()) == close((2.19831446, 1.3913195), rel=1e-5)
        assert raw.grad.norm().item() == close(0.15920423, rel=1e-5)

    def test_published_memory(self):
        rows = instance.remembered(self.memory[self.index], unit(second(5)), 0.5)
        assert rows[0].tolist() == close([0.69026, 0.017915, -0.08736, -0.397705, -0.597846], abs=1e-5)

    def test_floor_of_orthogonal_features(self):
        assert instance.feature_decorrelation(torch.eye(128, dtype=torch.float64), 2.0).item() == close(
            4.357086, rel=1e-6
        )


class TestSwAV:
    """facebookresearch/swav@06b1b7c, main_swav.py."""

    def scores(self, count):
        centres = unit(table(count, 5, lambda i, j: torch.sin(3 * i - j + 0.7 * i * j)))
        return torch.stack([unit(first(5)) @ centres.T, unit(second(5)) @ centres.T])

    @pytest.mark.parametrize(("count", "expected"), [(2, 3.07645234), (4, 3.731422), (6, 4.977717)])
    def test_published(self, count, expected):
        scores = self.scores(count)
        codes = torch.stack([prototypes.sinkhorn(view, 0.05, 3) for view in scores])
        assert prototypes.swapped_prediction(scores, codes, 0.1).item() == close(expected, rel=1e-5)

    def test_published_codes(self):
        codes = prototypes.sinkhorn(self.scores(2)[0], 0.05, 3)
        assert codes[0].tolist() == close([0.625015, 0.374985], abs=1e-6)
        assert codes.sum(0).tolist() == close([2.923013, 3.076987], abs=1e-6)
        assert codes.sum(1).tolist() == close([1.0] * 6)

    def test_more_iterations_use_prototypes_equally(self):
        codes = prototypes.sinkhorn(self.scores(4)[0], 0.05, 500)
        assert codes.sum(0).tolist() == close([1.5] * 4, abs=1e-3)

    def test_codes_do_not_overflow(self):
        assert prototypes.sinkhorn(1e4 * self.scores(4)[0].float(), 0.05, 3).isfinite().all()

    def test_further_views_are_told_from_both_codes(self):
        scores, codes = (
            torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0)),
            torch.eye(5)[:3].repeat(2, 1, 1),
        )
        logs = (scores / 0.1).log_softmax(2)
        terms = [[-(codes[a] * logs[v]).sum(1).mean() for v in range(4) if v != a] for a in range(2)]
        expected = sum(sum(row) / 3 for row in terms) / 2
        assert prototypes.swapped_prediction(scores, codes, 0.1).item() == close(expected.item(), rel=1e-5)


class TestDeepCluster:
    """facebookresearch/swav@06b1b7c, main_deepclusterv2.py; facebookresearch/deepcluster@2d1927e."""

    def test_published_v2(self):
        memory, query = unit(first(5, rows=12)).float(), unit(second(5, rows=12)).float()
        centres, assigned = prototypes.spherical_kmeans(memory, memory[:2], 10)
        assert assigned.tolist() == [0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0]
        assert centres[0].tolist() == close([-0.33714, 0.29321, 0.0108, -0.39145, 0.80437], abs=1e-4)
        assert F.cross_entropy(query @ centres.T / 0.1, assigned).item() == close(3.88572, rel=1e-4)

    def test_an_empty_group_keeps_its_centre(self):
        rows = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
        centres, assigned = prototypes.spherical_kmeans(rows, torch.tensor([[1.0, 0.0], [0.0, -1.0]]), 3)
        assert centres[1].tolist() == [0.0, -1.0] and assigned.tolist() == [0, 0]

    def test_published_whitening(self):
        """Free of signs and rotations: inner products of rows."""
        x = table(40, 6, lambda i, j: torch.sin(i + 2 * j + 0.3 * i * j) + 0.1 * torch.cos(3 * i * j))
        rows = prototypes.whitened(x.numpy(), 3)
        gram = rows @ rows.T
        assert (gram[0, 1], gram[3, 17], np.linalg.norm(gram)) == close((-0.35452, 0.42827, 23.8256), rel=1e-3)
        assert np.linalg.norm(rows, axis=1) == close(np.ones(40))

    def test_published_sampler(self):
        """Groups of 45, 0 and 15 of 60: the small one is drawn about as often as the large one."""
        labels = np.repeat([0, 2], [45, 15])
        for seed in range(5):
            order = prototypes.evenly(labels, np.random.default_rng(seed))
            assert len(order) == 60
            assert 0.4666666 <= (labels[order] == 2).mean() <= 0.5166667

    def test_a_group_that_is_large_enough_gives_no_image_twice(self):
        order = prototypes.evenly(np.repeat([0, 1], [45, 15]), np.random.default_rng(0))
        large = order[order < 45]
        assert len(set(large.tolist())) == len(large)


class TestEdges:
    """Raymond-sci/PICA@a82957e, lib/networks/default.py; facebookresearch/deepcluster@2d1927e, models/alexnet.py."""

    def test_published(self):
        c, i, j = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (3, 4, 4)), indexing="ij")
        found = Sobel().double()(torch.sin(c + 2 * i + 3 * j)[None])
        assert found.shape == (1, 2, 4, 4)
        assert found.abs().sum().item() == close(11.17205949, rel=1e-5)
        assert (found[0, 0, 1, 1].item(), found[0, 1, 2, 3].item()) == close((-0.21946678, -0.35050404), rel=1e-5)

    def test_one_channel_is_as_good_as_three(self):
        images = torch.rand(2, 1, 5, 5)
        assert torch.allclose(Sobel()(images), Sobel()(images.repeat(1, 3, 1, 1)), atol=1e-6)
