"""OCC inside: how many questions where, what stands in its loss when, and what its spaces leave out."""

import pytest
import torch

SETTINGS = {"epochs": 3, "features": 4}


def test_two_questions_in_every_batch_while_budget_is_left(start, train):
    method, session = start("occ", n=24, budget=13, closure="none", **SETTINGS)
    train(method, session)
    asked = [(a.epoch, a.step) for a in session.known.answers]
    assert [asked.count(place) for place in dict.fromkeys(asked)] == [2, 2, 2, 2, 2, 2, 1]
    here = {tuple(batch.tolist()) for batch in session.sampler.fixed_order().reshape(3, 8)}
    assert all(any({a.i, a.j} <= set(batch) for batch in here) for a in session.known.answers)


def test_the_second_question_is_not_asked_where_the_first_has_answered_it(start, train):
    """Batches of three images, everything alike: two answers imply the third pair, and nothing is left to ask."""
    method, session = start("occ", n=24, budget=60, batch_size=3, strategy="random", **SETTINGS)
    train(method, session)
    assert session.known.spent == len({(a.i, a.j) for a in session.known.answers}) < 24


def test_similarities_are_held_against_those_of_the_epoch_before(start, train, watch):
    from pcl.engine import asking

    method, session = start("occ", n=24, budget=99, closure="none", **SETTINGS)
    seen, views = [], {}
    inner = asking.pair_view

    def noted(*arguments):
        view = inner(*arguments)
        index = arguments[1]
        seen.append((arguments[0].epoch, view.before, [views.get(int(i)) for i in index]))
        views.update({int(i): view.views[:, row].clone() for row, i in enumerate(index)})
        return view

    asking.pair_view = noted
    try:
        train(method, session)
    finally:
        asking.pair_view = inner
    assert all((before is None) == (epoch == 0) for epoch, before, _ in seen)
    for _, before, expected in seen[3:]:
        assert torch.equal(before, torch.stack(expected, 1))


@pytest.mark.parametrize(
    ("spaces", "terms"), [("both", {"instance", "cluster"}), ("features", {"instance"}), ("clusters", {"cluster"})]
)
def test_spaces(start, train, spaces, terms):  # fmt: skip
    method, session = start("occ", n=16, budget=4, spaces=spaces, **SETTINGS)
    seen = train(method, session)
    assert all(set(epoch.losses) == terms | {"column", "balance"} for epoch in seen.epochs)


def test_the_weight_of_answers_falls_to_nothing(start, train, monkeypatch):
    from pcl.losses import active

    method, session = start("occ", n=16, budget=4, **SETTINGS)
    weights, inner = [], active.extra_positives
    monkeypatch.setattr(active, "extra_positives", lambda links, *rest: weights.append(rest) or inner(links, *rest))
    train(method, session)
    assert list(dict.fromkeys(weights)) == [(50.0, e / 3) for e in range(3)]
