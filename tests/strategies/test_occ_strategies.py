"""OCC's strategies: CSD against Eq. 6 and on rows that it remembers, entropy against a loop."""

from dataclasses import replace

import pytest
import torch

from pcl.strategies import csd, entropy
from pcl.strategies.base import PairView


def sine(shift):
    i, j = torch.arange(4, dtype=torch.float64)[:, None], torch.arange(3, dtype=torch.float64)
    return torch.nn.functional.normalize(torch.sin(i + 2 * j + shift), dim=1)[None]


def view(views, before=None, p=None):
    none = torch.zeros(len(views[0]), len(views[0]), dtype=torch.bool)
    p = torch.full((len(none), 2), 0.5) if p is None else p
    return PairView(views, p, none, none, (~none).triu(1), 1.0, torch.Generator().manual_seed(0), before)


def test_csd_of_the_paper():
    """OCC-3 of the parity checks: now sin(i + 2j), an epoch before sin(i + 2j + 0.2)."""
    seen = view(sine(0.0), sine(0.2))
    score = csd.Strategy(None).scores(seen)["score"]
    found = [score[pair].item() for pair in ((0, 1), (0, 2), (2, 3))]
    assert found == pytest.approx([0.013253163, -0.0010425715, 0.0035276068], rel=1e-5)
    assert csd.Strategy(None).select(seen, 1)[0][:2] == (0, 1)


def test_pairs_of_new_images_come_last_in_an_order_drawn_by_lot():
    before = sine(0.2)
    before[:, 1] = 0
    old = {(0, 2), (0, 3), (2, 3)}
    chosen = [(a, b) for a, b, _ in csd.Strategy(None).select(view(sine(0.0), before), 6)]
    assert set(chosen[:3]) == old and len(chosen) == 6
    first = [[pair[:2] for pair in csd.Strategy(None).select(replace(view(sine(0.0)), generator=g), 6)]
             for g in (torch.Generator().manual_seed(n) for n in range(9))]  # fmt: skip
    assert len({tuple(order) for order in first}) > 1


def test_entropy_asks_about_the_least_sure_image_and_one_of_middling_similarity():
    p = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.99, 0.01], [0.7, 0.3]])
    seen = view(sine(0.0), p=p)
    (a, b, said), (c, _, _) = entropy.Strategy(None).select(seen, 2)
    assert (a, c) == (1, 3), "the least sure, then the next"
    ranked = sorted((0, 2, 3), key=lambda other: seen.similarity[1, other].item())
    assert b == ranked[1] and said["entropy"] == pytest.approx(0.6931, abs=1e-4)
    known = replace(seen, candidates=seen.candidates & ~torch.eye(4).bool()[[1]].repeat(4, 1))
    assert all(1 not in (x, y) or (x, y) != (0, 1) for x, y, _ in entropy.Strategy(None).select(known, 9))
