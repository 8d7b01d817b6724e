"""Eq. 1–5 of the paper, each against a double loop written from its formula."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.losses import constrained, contrastive, pairs


def example(seed, images=4, clusters=3):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(2 * images, 5, generator=g, dtype=torch.float64)
    p = torch.softmax(2 * torch.randn(2 * images, clusters, generator=g, dtype=torch.float64), 1)
    relation = torch.randint(-1, 2, (images, images), generator=g).triu(1)
    relation = relation + relation.T
    return z, p, relation == 1, relation == -1


def eq1(i, j, rows, cannot, tau, similarity):
    """−log( exp(s_ij/τ) / (μ_i Σ_k (1 + 1⁻_ik) exp(s_ik/τ)) ), indices over 2N rows, links over N images."""
    n = len(cannot)
    marks = [float(cannot[i % n, k % n]) for k in range(2 * n)]
    mu = n / (n + sum(marks))
    total = sum((1 + marks[k]) * math.exp(similarity(rows[i], rows[k]) / tau) for k in range(2 * n))
    return -math.log(math.exp(similarity(rows[i], rows[j]) / tau) / (mu * total))


def cosine(a, b):
    return float(a @ b / (a.norm() * b.norm()))


seeds = st.integers(0, 2**16)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_eq1_pair_loss(seed):
    z, _, _, cannot = example(seed)
    tiled = constrained.tile(cannot)
    ours = constrained.pair_loss(constrained.cosine(z) / 0.7, tiled, self_term=True, scale="paper")
    for i in range(8):
        for j in range(8):
            assert ours[i, j].item() == pytest.approx(eq1(i, j, z, cannot, 0.7, cosine))


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_eq2_weights(seed):
    _, _, must, _ = example(seed)
    n = len(must)
    asked = int(must.triu(1).sum())
    ours = constrained.paper_weights(must, emphasis=4.0)
    for i in range(2 * n):
        for j in range(2 * n):
            expected = 4.0 * n if must[i % n, j % n] else 0.0
            if i != j and i % n == j % n:
                expected = max(asked, 1)
            assert ours[i, j].item() == expected


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_eq3_and_eq5_row_loss(seed):
    z, p, must, cannot = example(seed)
    n, tiled = len(must), constrained.tile(cannot)
    weights = constrained.paper_weights(must, 4.0).double()
    total = 0.0
    for i in range(2 * n):
        row = weights[i]
        for j in range(2 * n):
            both = eq1(i, j, z, cannot, 1.0, cosine) + eq1(i, j, p, cannot, 1.0, cosine)
            total += float(row[j] / row.sum()) * both / (2 * n)
    ours = sum(
        constrained.row_loss(constrained.pair_loss(constrained.cosine(x), tiled, True, "paper"), weights, "paper")
        for x in (z, p)
    )
    assert ours.item() == pytest.approx(total)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_eq4_and_eq5_column_loss(seed):
    _, p, _, _ = example(seed)
    clusters, n = p.shape[1], len(p) // 2
    columns = [p[:n, k] for k in range(clusters)] + [p[n:, k] for k in range(clusters)]
    none = torch.zeros(clusters, clusters)
    total = 0.0
    for k in range(clusters):
        total += eq1(k, k + clusters, columns, none, 2.0, cosine)
        total += eq1(k + clusters, k, columns, none, 2.0, cosine)
    assert constrained.column_loss(p, 2.0).item() == pytest.approx(total / (2 * clusters))


def test_printed_entropy_rewards_collapse_and_balance_punishes_it():
    even = torch.full((8, 2), 0.5)
    collapsed = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    assert constrained.printed_entropy(collapsed) < constrained.printed_entropy(even)
    assert contrastive.balance(collapsed) > contrastive.balance(even)
    assert contrastive.balance(even).item() == pytest.approx(0, abs=1e-6)
    assert contrastive.balance(collapsed).item() == pytest.approx(math.log(2), abs=1e-6)


def test_released_scale_is_the_weighted_mean_over_the_other_rows():
    z, _, _, cannot = example(3)
    logits, n = constrained.cosine(z), 4
    ours = constrained.pair_loss(logits, constrained.tile(cannot), self_term=False, scale="release")
    for i in range(2 * n):
        weights = [0.0 if k == i else 1.0 + float(cannot[i % n, k % n]) for k in range(2 * n)]
        mean = sum(w * math.exp(logits[i, k]) for k, w in enumerate(weights)) / sum(weights)
        for j in range(2 * n):
            assert ours[i, j].item() == pytest.approx(math.log(mean * 2 * n) - logits[i, j].item())


def test_a_batch_without_must_links_is_finite():
    """Eq. 2 as printed would weigh everything 0 and Eq. 3 divide by it."""
    z, _, _, cannot = example(1)
    none = torch.zeros(4, 4, dtype=torch.bool)
    losses = constrained.pair_loss(constrained.cosine(z), constrained.tile(cannot), True, "paper")
    assert constrained.row_loss(losses, constrained.paper_weights(none, 4.0), "paper").isfinite()


def test_more_cannot_links_push_harder():
    z, _, _, cannot = example(5)
    logits, tiled = constrained.cosine(z).requires_grad_(), constrained.tile(cannot)
    i, j = tiled.nonzero()[0].tolist()
    with_link = torch.autograd.grad(
        constrained.pair_loss(logits, tiled, True, "paper")[i].sum(), logits, retain_graph=True
    )[0]
    without = torch.autograd.grad(
        constrained.pair_loss(logits, torch.zeros_like(tiled), True, "paper")[i].sum(), logits
    )[0]
    assert with_link[i, j] > without[i, j]


class TestWhatAnAnswerPulls:
    """Why `ours` has a term for known pairs: Eq. 1 counts a cannot-link as one more row in a sum over all rows."""

    @staticmethod
    def pull(loss, must, cannot):
        """The gradients that two images in one pair get from a loss, in even clusters."""
        p = torch.full((2 * len(must), 2), 0.5, dtype=torch.float64)
        p[::2] += torch.tensor([0.1, -0.1])
        p.requires_grad_()
        loss(p, must, cannot).backward()
        return p.grad

    @staticmethod
    def released(p, must, cannot):
        losses = constrained.pair_loss(p @ p.T, constrained.tile(cannot), self_term=False, scale="release")
        return constrained.row_loss(losses, constrained.release_weights(must, must & False), "release")

    @staticmethod
    def known(p, must, cannot):
        return pairs.known_pairs_loss(p, constrained.tile(must), constrained.tile(cannot))

    @pytest.mark.parametrize(("form", "least", "most"), [("released", 0.0, 0.02), ("known", 0.5, 2.0)])
    def test_a_cannot_link_beside_a_must_link(self, form, least, most):
        none = torch.zeros(128, 128, dtype=torch.bool)
        link = none.clone()
        link[0, 1] = link[1, 0] = True
        without, must, cannot = (
            self.pull(getattr(self, form), *links) for links in ((none,) * 2, (link, none), (none, link))
        )
        ratio = (cannot - without)[:2].norm() / (must - without)[:2].norm()
        assert least <= ratio <= most
