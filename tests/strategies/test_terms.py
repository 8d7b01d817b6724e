"""Eq. 6–8, against loops written from the paper, and what each strategy may ask."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl import registry
from pcl.strategies import terms
from pcl.strategies.base import PairView, StrategySettings


def view(seed, images=6, remaining=0.6):
    g = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.randn(2, images, 4, generator=g, dtype=torch.float64), dim=2)
    relation = torch.randint(-1, 2, (images, images), generator=g).triu(1)
    relation = (relation * (torch.rand(images, images, generator=g) < 0.5)).int()
    relation = relation + relation.T
    must, cannot = relation == 1, relation == -1
    return PairView(
        similarity=(z @ z.mT).mean(0),
        first=z[0] @ z[0].T,
        cross=z[0] @ z[1].T,
        must=must,
        cannot=cannot,
        candidates=(~(must | cannot)).triu(1),
        remaining=remaining,
        generator=torch.Generator().manual_seed(seed),
    )


def candidates(v):
    return [tuple(pair) for pair in v.candidates.nonzero().tolist()]


def minmax(values):
    low, high = min(values.values()), max(values.values())
    return {pair: (x - low) / (high - low) if high > low else 0.0 for pair, x in values.items()}


def naive_uncertainty(v, epsilon):
    return minmax({(i, j): -abs(float(v.similarity[i, j]) - epsilon) for i, j in candidates(v)})


def naive_hard(v):
    s, n = v.similarity, len(v.similarity)
    p = minmax({(i, j): float(s[i, j]) for i, j in candidates(v)})
    q = minmax(
        {
            (i, j): sum(
                float(v.must[j, k]) * float(s[i, k]) - float(v.cannot[j, k]) * float(s[i, k]) for k in range(n)
            )
            for i, j in candidates(v)
        }
    )
    clipped = {pair: (max(p[pair], 1e-3), max(q[pair], 1e-3)) for pair in p}
    return minmax({pair: a * math.log(a / b) for pair, (a, b) in clipped.items()})


@given(st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_eq6_eq7_eq8(seed):
    v = view(seed)
    if len(candidates(v)) < 2:
        return
    up, hard = naive_uncertainty(v, 0.2), naive_hard(v)
    joint = registry.get("pcl.strategies", "Strategy", "joint")(StrategySettings()).scores(v)
    for pair in candidates(v):
        assert joint["uncertainty"][pair].item() == pytest.approx(up[pair])
        assert joint["hard"][pair].item() == pytest.approx(hard[pair])
        assert joint["score"][pair].item() == pytest.approx(0.6 * up[pair] + 0.4 * hard[pair])


def test_uncertainty_prefers_the_similarity_next_to_epsilon():
    v = view(4)
    best = int(terms.uncertainty(v, 0.2).masked_fill(~v.candidates, -1).argmax())
    gaps = {i * 6 + j: abs(float(v.similarity[i, j]) - 0.2) for i, j in candidates(v)}
    assert best == min(gaps, key=gaps.get)


def test_released_scores_against_loops():
    """hhdxwen/PCL@943dfcc, train.py: the formulas of its `mix_strategy`."""
    v, r = view(9), 0.6

    def scaled(m):
        return (m - m.min()) / (m.max() - m.min())

    def kl(a, b):
        a, b = min(max(a, 1e-3), 1 - 1e-3), min(max(b, 1e-3), 1 - 1e-3)
        return a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))

    n = len(v.similarity)
    divergence = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            own = float(v.similarity[i, j]) * (float(v.must[i, j]) - float(v.cannot[i, j]))
            for cross in (float(v.cross[i, j]), float(v.cross[j, i])):
                divergence[i, j] += kl(float(v.similarity[i, j]), cross + own)
    expected = torch.tanh(scaled(-(v.first - 0.2).abs())) + (1 - r) * scaled(-divergence)
    joint = registry.get("pcl.strategies", "Strategy", "joint")(StrategySettings(form="release")).scores(v)
    assert torch.allclose(joint["score"], expected)


@pytest.mark.parametrize("name", registry.names("pcl.strategies", "Strategy"))
@pytest.mark.parametrize("form", ["paper", "release"])
class TestEveryStrategy:
    def make(self, name, form):
        return registry.get("pcl.strategies", "Strategy", name)(StrategySettings(form=form))

    def test_scores_are_finite_and_repeatable(self, name, form):
        first, again = (self.make(name, form).scores(view(1))["score"] for _ in range(2))
        assert first.isfinite().all()
        assert torch.equal(first, again)

    def test_degenerate_batches_are_finite(self, name, form):
        same = torch.ones(4, 4)
        none = torch.zeros(4, 4, dtype=torch.bool)
        v = PairView(same, same, same, none, none, torch.ones(4, 4, dtype=torch.bool).triu(1), 1.0, torch.Generator())
        assert self.make(name, form).scores(v)["score"].isfinite().all()

    def test_only_unknown_pairs_may_be_asked(self, name, form):
        """All but the released random baseline, whose slip this is."""
        v = view(2)
        allowed = self.make(name, form).allowed(v)
        expected = ~v.candidates if name == "random_released" else v.candidates
        assert torch.equal(allowed, expected)

    def test_says_where_it_comes_from(self, name, form):
        assert "Source:" in (registry.get("pcl.strategies", "Strategy", name).__doc__ or "")
