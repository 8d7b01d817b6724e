"""Eq. 6–8, against loops written from the paper, and what each strategy may ask."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl import registry
from pcl.strategies import terms
from pcl.strategies.base import PairView, Scoring

NAMES = registry.names("pcl.strategies", "Strategy")


def made(name, form="paper"):
    """A strategy with its other settings at their defaults."""
    strategy = registry.get("pcl.strategies", "Strategy", name)
    return strategy(strategy.Settings(**({"form": form} if "form" in strategy.Settings.model_fields else {})))


OF_PAIRS = [name for name in NAMES if made(name).sees in ("batch", "pool")]
SCORING = [name for name in NAMES if isinstance(made(name), Scoring)]


def view(seed, images=6, remaining=0.6):
    g = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.randn(2, images, 4, generator=g, dtype=torch.float64), dim=2)
    relation = torch.randint(-1, 2, (images, images), generator=g).triu(1)
    relation = (relation * (torch.rand(images, images, generator=g) < 0.5)).int()
    relation = relation + relation.T
    must, cannot = relation == 1, relation == -1
    return PairView(
        views=z,
        p=torch.softmax(torch.randn(images, 3, generator=g, dtype=torch.float64), 1),
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


def reference_uncertainty(v, epsilon):
    return minmax({(i, j): -abs(float(v.similarity[i, j]) - epsilon) for i, j in candidates(v)})


def reference_hard(v):
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


@pytest.mark.parametrize("views", [1, 2, 3])
def test_similarities_against_loops(views):
    """Within every view and averaged; within the first; from the first to the last."""
    z = torch.nn.functional.normalize(torch.randn(views, 5, 4, generator=torch.Generator().manual_seed(0)), dim=2)
    none = torch.zeros(5, 5, dtype=torch.bool)
    v = PairView(z, torch.full((5, 2), 0.5), none, none, none, 1.0, torch.Generator())
    for i in range(5):
        for j in range(5):
            within = [float(z[n, i] @ z[n, j]) for n in range(views)]
            assert v.similarity[i, j].item() == pytest.approx(sum(within) / views, abs=1e-6)
            assert v.first[i, j].item() == pytest.approx(within[0], abs=1e-6)
            assert v.cross[i, j].item() == pytest.approx(float(z[0, i] @ z[-1, j]), abs=1e-6)


@given(st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_eq6_eq7_eq8(seed):
    v = view(seed)
    if len(candidates(v)) < 2:
        return
    up, hard = reference_uncertainty(v, 0.2), reference_hard(v)
    joint = made("joint").scores(v)
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
    """hhdxwen/PCL@943dfcc, train.py: the formulas of its `mix_strategy`, with the order in which it writes."""
    v, r = view(9), 0.6

    def scaled(m):
        return (m - m.min()) / (m.max() - m.min())

    def kl(a, b):
        a, b = min(max(a, 1e-3), 1 - 1e-3), min(max(b, 1e-3), 1 - 1e-3)
        return a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))

    n, s = len(v.first), v.first
    divergence = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            own = float(s[i, j]) * (float(v.must[i, j]) - float(v.cannot[i, j]))
            first, second = float(v.cross[i, j]) + own, float(v.cross[j, i]) + 2 * own
            divergence[i, j] = kl(float(s[i, j]), first) + kl(float(s[i, j]), second)
    expected = torch.tanh(scaled(-(v.similarity - 0.2).abs())) + (1 - r) * scaled(-divergence)
    joint = made("joint", "release").scores(v)
    assert torch.allclose(joint["score"], expected)


def test_released_scores_of_the_release():
    """PCL-2: what hhdxwen/PCL@943dfcc gives the four pairs that can be asked, on the inputs of PCL-1."""
    i, j = torch.arange(4, dtype=torch.float64)[:, None], torch.arange(3, dtype=torch.float64)
    z = torch.nn.functional.normalize(torch.stack([torch.sin(i + 2 * j + shift) for shift in (0.0, 0.2)]), dim=2)
    must, cannot = torch.zeros(4, 4).bool(), torch.zeros(4, 4).bool()
    must[0, 1] = must[1, 0] = cannot[2, 3] = cannot[3, 2] = True
    unknown = (~(must | cannot)).triu(1)
    v = PairView(z, torch.full((4, 2), 0.5), must, cannot, unknown, 0.5, torch.Generator())
    score = made("joint", "release").scores(v)["score"]
    found = [score[pair].item() for pair in [(0, 2), (1, 2), (1, 3), (0, 3)]]
    assert found == pytest.approx([1.11380667, 1.19311776, 1.02967043, 0.5], rel=1e-8)


def degenerate(images=4):
    """Images that nothing tells apart, all pairs unknown."""
    z, none = torch.nn.functional.normalize(torch.ones(2, images, 3), dim=2), torch.zeros(images, images).bool()
    p = torch.full((images, 2), 0.5)
    return PairView(z, p, none, none, (~none).triu(1), 1.0, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", SCORING)
@pytest.mark.parametrize("form", ["paper", "release"])
class TestEveryScore:
    def test_scores_are_finite_and_repeatable(self, name, form):
        first, again = (made(name, form).scores(view(1))["score"] for _ in range(2))
        assert first.isfinite().all()
        assert torch.equal(first, again)

    def test_degenerate_batches_are_finite(self, name, form):
        assert made(name, form).scores(degenerate())["score"].isfinite().all()

    def test_only_unknown_pairs_may_be_asked(self, name, form):
        """All but the released random baseline, whose slip this is."""
        v = view(2)
        allowed = made(name, form).allowed(v)
        expected = ~v.candidates if name == "random_released" else v.candidates
        assert torch.equal(allowed, expected)

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("count", [1, 2, 5, 1000])
    def test_the_best_allowed_pairs_are_selected_in_order(self, name, form, seed, count):
        strategy = made(name, form)
        allowed = strategy.allowed(view(seed)).nonzero().tolist()
        scores = strategy.scores(view(seed))
        chosen = strategy.select(view(seed), count)
        ranked = sorted((scores["score"][a, b].item() for a, b in allowed), reverse=True)
        assert [said["score"] for _, _, said in chosen] == ranked[:count]
        assert len({(a, b) for a, b, _ in chosen}) == len(chosen) == min(count, len(allowed))
        for a, b, said in chosen:
            assert [a, b] in allowed
            assert said == {term: values[a, b].item() for term, values in scores.items()}


@pytest.mark.parametrize("name", OF_PAIRS)
@pytest.mark.parametrize("form", ["paper", "release"])
class TestEveryStrategy:
    @pytest.mark.parametrize("count", [1, 3, 1000])
    def test_selects_unknown_pairs_each_once_and_no_more_than_wanted(self, name, form, count):
        """All but the released random baseline, which selects everything else."""
        for seed in range(10):
            v = view(seed, images=9)
            chosen = made(name, form).select(v, count)
            assert 1 <= len(chosen) <= count
            pairs = {frozenset((a, b)) if name != "random_released" else (a, b) for a, b, _ in chosen}
            assert len(pairs) == len(chosen)
            unknown = v.candidates | v.candidates.T if name != "random_released" else ~v.candidates
            assert all(unknown[a, b] for a, b, _ in chosen)
            assert all(math.isfinite(value) for _, _, said in chosen for value in said.values())

    @pytest.mark.parametrize("count", [1, 4])
    def test_is_repeatable(self, name, form, count):
        first, again = (made(name, form).select(view(1), count) for _ in range(2))
        assert first == again

    @pytest.mark.parametrize("count", [1, 4])
    def test_selects_among_images_that_nothing_tells_apart(self, name, form, count):
        chosen = made(name, form).select(degenerate(), count)
        assert 1 <= len(chosen) <= count

    @pytest.mark.parametrize("count", [1, 4])
    def test_selects_nothing_where_everything_is_known(self, name, form, count):
        v = degenerate()
        must = torch.ones(4, 4).bool().fill_diagonal_(False)
        v = PairView(v.views, v.p, must, v.cannot, v.candidates & ~must, 1.0, v.generator)
        chosen = made(name, form).select(v, count)
        assert chosen == [] or name == "random_released"

    def test_says_where_it_comes_from(self, name, form):
        assert "Source:" in (registry.get("pcl.strategies", "Strategy", name).__doc__ or "")
