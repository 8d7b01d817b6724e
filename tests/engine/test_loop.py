"""The training loop under scripted drivers: what it asks, what it spends, and when it stops."""

import math
import random
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from stages import made

from pcl.constraints import Contradiction
from pcl.engine import asking, loop
from pcl.engine.sampler import Members
from pcl.engine.stage import Batches, Optimiser, Questions, Stage
from pcl.oracles.log import Answer
from pcl.strategies.base import Choice, Strategy


def stage(name, epochs, lr=1e-2, **others):
    """A stage on fixed batches of eight."""
    return made(name, epochs, lr, 8, **{"fixed": True, **others})


def first(questions, **others):
    """A stage that asks before its first step, within its batches unless told otherwise."""
    return stage("pretrain", 1, first=questions, **{"within_batches": True, **others})


ACTIVE = stage("train", 3, strategy="random")


class TestQuestions:
    @pytest.mark.parametrize("strategy", ["random", "uncertainty", "hard", "joint", "hub_boundary"])
    def test_are_about_unknown_pairs_of_one_batch_and_are_never_repeated(
        self, make_session, drive, members, strategy
    ):
        session = make_session(n=24, budget=30)
        seen = drive(session, [stage("train", 9, strategy=strategy)])
        assert seen.known_when_asked == [None] * len(seen.questions)
        assert len(set(seen.questions)) == len(seen.questions)
        batch_of = members(session, 8)
        assert all(i < j and batch_of[i] == batch_of[j] for i, j in seen.questions)

    def test_one_in_every_batch_at_every_step_until_the_budget_is_spent(self, make_session, drive):
        session = make_session(budget=7)
        seen = drive(session, [ACTIVE])
        assert seen.spent_by_epoch == [3, 6, 7], "three batches"
        assert [(a.epoch, a.step) for a in session.known.answers] == [
            (0, 0),
            (0, 1),
            (0, 2),
            (1, 0),
            (1, 1),
            (1, 2),
            (2, 0),
        ]
        assert [(a.number, a.stage) for a in session.known.answers] == [(n, "train") for n in range(1, 8)]

    def test_pairs_that_are_trained_on_are_no_occasion_to_ask(self, make_session, drive):
        """Batches of pairs follow those of images: three of these, whatever is known."""
        session = make_session(budget=100)
        seen = drive(session, [stage("train", 3, strategy="random", streams=("images", "pairs", "must"))])
        assert seen.spent_by_epoch == [3, 6, 9]
        assert all(i < j for i, j in seen.questions)
        assert [(a.epoch, a.step) for a in session.known.answers] == [(e, s) for e in range(3) for s in range(3)]

    def test_what_follows_is_not_asked_so_that_a_budget_may_be_left_over(self, make_session, drive):
        """Everything in one cluster: B − 1 questions say all about a batch of B, here 7 + 7 + 3."""
        session = make_session(budget=100)
        drive(session, [stage("train", 20, strategy="random")], answer=lambda i, j: True)
        assert session.known.spent == 17
        assert session.known.constraints.implied_must == 28 + 28 + 6 - 17

    def test_without_closure_every_pair_can_be_asked(self, make_session, drive):
        session = make_session(n=4, budget=100, closure="none")
        seen = drive(session, [stage("train", 9, strategy="random")], answer=lambda i, j: True)
        assert sorted(seen.questions) == [(i, j) for i in range(4) for j in range(i + 1, 4)]

    def test_unsure_costs_nothing_and_is_never_asked_again(self, make_session, drive, truth):
        session = make_session(budget=9)
        unsure = {(i, j) for i in range(20) for j in range(i + 1, 20) if (i + j) % 3 == 0}
        seen = drive(
            session,
            [first(4), stage("train", 30, strategy="random")],
            answer=lambda i, j: None if (i, j) in unsure else truth(i, j),
        )
        assert max(Counter(seen.questions).values()) == 1
        said = [a for a in session.known.answers if a.same is None]
        assert said, "some question was met with a shrug"
        assert session.known.spent == len(session.known.answers) - len(said) == 9
        assert session.known.constraints.asked == 9

    def test_unsure_about_everything_ends_and_spends_nothing(self, make_session, drive):
        session = make_session(n=6, budget=9)
        seen = drive(session, [first(4, within_batches=False), ACTIVE], answer=lambda i, j: None)
        assert session.known.spent == 0
        assert max(Counter(seen.questions).values()) == 1
        assert len(seen.epochs) == 4

    def test_an_unsure_answer_changes_nothing_but_the_log(self, make_session):
        session = make_session()
        session.stage = ACTIVE
        before = session.known.constraints.links(np.arange(20))
        session.known.record(Answer(1, 3, 4, None, 0, 0, "train", {}))
        after = session.known.constraints.links(np.arange(20))
        for name in ("must", "cannot"):
            assert np.array_equal(getattr(before, name), getattr(after, name))
        assert (session.known.spent, session.known.constraints.asked) == (0, 0)

    def test_the_terms_that_chose_a_pair_are_recorded(self, make_session, drive):
        session = make_session(budget=4)
        drive(session, [stage("train", 3, strategy="joint")])
        assert all(a.terms.keys() == {"score", "uncertainty", "hard"} for a in session.known.answers)
        remaining = [1 - n / 4 for n in range(4)]
        for a, r in zip(session.known.answers, remaining, strict=True):
            expected = r * a.terms["uncertainty"] + (1 - r) * a.terms["hard"]
            assert a.terms["score"] == pytest.approx(expected, abs=1e-5)

    def test_a_lie_that_contradicts_is_refused_with_the_chain(self, make_session, drive):
        """Only the released random baseline asks what is known; there a liar is found out."""
        lies = random.Random(0)
        asks_what_is_known = stage("train", 200, strategy="random_released")
        session = make_session(budget=2000)
        with pytest.raises(Contradiction) as error:
            drive(session, [asks_what_is_known], answer=lambda i, j: i == j or lies.random() < 0.5)
        refused, chain = error.value.answer, error.value.chain
        assert chain[0].i == refused.i
        assert chain[-1].j == refused.j
        said = {frozenset((a.i, a.j)): a.same for a in session.known.answers}
        assert all(said[frozenset((link.i, link.j))] is link.same for link in chain)
        different = sum(not link.same for link in chain)
        assert different == (1 if refused.same else 0), "the chain proves the opposite"
        assert len(session.known.answers) == session.known.spent, "what came before is kept"


class TestFirstQuestions:
    def test_stay_within_batches_or_go_anywhere(self, make_session, drive, members):
        for within in (True, False):
            session = make_session(n=64, budget=40)
            seen = drive(session, [first(40, within_batches=within)])
            assert len(seen.questions) == session.known.spent == 40
            assert seen.known_when_asked == [None] * 40
            batch_of = members(session, 8)
            inside = sum(batch_of[i] == batch_of[j] for i, j in seen.questions)
            assert inside == 40 if within else inside < 20

    def test_are_uniform_over_pairs(self, make_session, members):
        """Batches of 8 and of 4 have 28 and 6 pairs, and are asked about in that proportion."""
        asked = Counter()
        for seed in range(300):
            session = make_session(n=12, budget=3, seed=seed)
            batch_of = members(session, 8)
            session.stage = first(3)
            training = asking._at_random(session, 3)
            question = next(training)
            asked[batch_of[question.i]] += 1
        assert asked[0] / 300 == pytest.approx(28 / 34, abs=0.07)

    def test_leave_the_rest_of_the_budget_to_the_strategy(self, make_session, drive):
        session = make_session(budget=10)
        drive(session, [first(6), ACTIVE])
        assert [a.stage for a in session.known.answers] == ["pretrain"] * 6 + ["train"] * 4
        assert all(a.terms == {} for a in session.known.answers[:6])

    def test_never_exceed_the_budget(self, make_session, drive):
        session = make_session(budget=3)
        assert len(drive(session, [first(6)]).questions) == 3


class TestQuestionsInAPool:
    """Before a stage, about images of one of several parts of the training set."""

    def asking(self, questions, by, part=1, parts=3):
        return stage("ask", 1, first=questions, by=None if by == "random" else by, pool=(part, parts))

    @pytest.mark.parametrize("by", ["random", "uncertainty", "joint", "hub_boundary"])
    @pytest.mark.parametrize("closure", ["full", "none"])
    def test_are_about_unknown_pairs_of_its_part(self, make_session, drive, truth, by, closure):
        session = make_session(n=24, budget=30, closure=closure)
        pools = [set(session.sampler.pool(part, 3).tolist()) for part in range(3)]
        seen = drive(session, [self.asking(4, by, part) for part in range(3)], answer=truth)
        assert len(seen.questions) == len(set(seen.questions)) == session.known.spent == 12
        assert seen.known_when_asked == [None] * 12
        for n, (i, j) in enumerate(seen.questions):
            assert i < j and {i, j} <= pools[n // 4]
        assert {(a.stage, a.epoch, a.step) for a in session.known.answers} == {("ask", 0, 0)}

    @pytest.mark.parametrize("by", ["uncertainty", "hard", "hub_boundary"])
    def test_are_those_that_the_strategy_selects_of_what_the_network_makes_of_them(
        self, make_session, drive, method, by
    ):
        session, witness = (make_session(n=24, closure="none") for _ in range(2))
        drive(session, [self.asking(6, by)])
        pool = witness.sampler.pool(1, 3)
        witness.stage = self.asking(6, by)
        witness.network.eval()
        with torch.no_grad():
            z, p = (
                f(witness.network, witness.images.unaugmented(pool)) for f in (method.embed, method.probabilities)
            )
        view = asking.pair_view(witness, pool, z[None], p, 0)
        chosen = Choice.of(by).make().select(view, 6)
        assert [(a.i, a.j) for a in session.known.answers] == [
            tuple(sorted((pool[a], pool[b]))) for a, b, _ in chosen
        ]
        for said, (*_, terms) in zip(session.known.answers, chosen, strict=True):
            assert said.terms == pytest.approx(terms, abs=1e-5)

    def test_implied_pairs_make_room_for_others(self, make_session, drive):
        """All alike: seven answers say everything about eight images, and no more are paid for."""
        session = make_session(n=24, budget=30)
        seen = drive(session, [self.asking(20, "uncertainty")], answer=lambda i, j: True)
        assert seen.known_when_asked == [None] * 7
        assert session.known.constraints.implied_must == 28 - 7

    @pytest.mark.parametrize("by", ["random", "joint", "hub_boundary"])
    def test_unsure_costs_nothing_and_is_never_asked_again(self, make_session, drive, by):
        session = make_session(n=12, budget=30)
        seen = drive(session, [self.asking(6, by)], answer=lambda i, j: None)
        assert session.known.spent == 0
        assert max(Counter(seen.questions).values()) == 1
        assert len(seen.epochs) == 1

    def test_never_exceed_the_budget(self, make_session, drive):
        session = make_session(n=24, budget=5)
        assert len(drive(session, [self.asking(4, "joint", part) for part in range(3)]).questions) == 5


class TestStages:
    def test_every_epoch_is_told_with_the_mean_of_its_losses(self, make_session, drive, method, monkeypatch):
        values = []

        def loss(outputs, batch, session):
            terms = {"all": outputs["p"].square().mean()}
            if len(batch.index) == 8:
                terms["full"] = 2 * terms["all"]
            values.append({name: value.item() for name, value in terms.items()})
            return terms

        monkeypatch.setattr(method, "loss", loss)
        seen = drive(make_session(), [stage("one", 1), stage("two", 2)])
        assert [(e.stage, e.number, e.ended) for e in seen.epochs] == [
            ("one", 1, True),
            ("two", 1, False),
            ("two", 2, True),
        ]
        for n, epoch in enumerate(seen.epochs):
            steps = values[3 * n : 3 * n + 3]
            assert epoch.losses["all"] == pytest.approx(sum(s["all"] for s in steps) / 3)
            assert epoch.losses["full"] == pytest.approx(sum(s["full"] for s in steps[:2]) / 2)

    def test_a_stage_that_says_it_is_finished_ends(self, make_session, drive, method, monkeypatch):
        monkeypatch.setattr(method, "end_epoch", lambda session: session.epoch == 2)
        seen = drive(make_session(), [stage("one", 9), stage("two", 1)])
        assert [(e.stage, e.number, e.ended) for e in seen.epochs] == [
            ("one", 1, False),
            ("one", 2, True),
            ("two", 1, True),
        ]

    def test_it_does_not_end_while_a_question_is_left_to_ask(self, make_session, drive, method, monkeypatch):
        monkeypatch.setattr(method, "end_epoch", lambda session: True)
        seen = drive(make_session(budget=7), [stage("train", 9, strategy="random")])
        assert seen.spent_by_epoch == [3, 6, 7]
        assert [e.ended for e in seen.epochs] == [False, False, True]
        leaves_some = drive(make_session(budget=7), [stage("train", 9, first=2)])
        assert leaves_some.spent_by_epoch == [2], "nothing asks for the other five"

    def test_hooks_are_called_where_they_are_promised(self, make_session, drive, method, monkeypatch):
        calls = []
        for name in ("start_stage", "start_epoch", "end_epoch"):
            monkeypatch.setattr(
                method, name, lambda s, name=name: calls.append((name, s.stage.name, s.epoch, s.known.spent))
            )
        drive(make_session(), [first(2), stage("train", 2)])
        assert calls == [
            ("start_stage", "pretrain", 0, 2),
            ("start_epoch", "pretrain", 0, 2),
            ("end_epoch", "pretrain", 1, 2),
            ("start_stage", "train", 0, 2),
            ("start_epoch", "train", 0, 2),
            ("end_epoch", "train", 1, 2),
            ("start_epoch", "train", 1, 2),
            ("end_epoch", "train", 2, 2),
        ]

    def test_every_step_prepares_its_batch_and_ends_with_the_updated_network(
        self, make_session, drive, method, monkeypatch
    ):
        session, calls = make_session(), []
        forward, loss = method.forward, method.loss

        def seen(name, batch):
            weights = session.network["linear"].weight.detach().clone()
            calls.append((name, (batch.epoch, batch.step, batch.steps), session.known.spent, weights))

        def prepare(batch, session):
            seen("prepare", batch)
            batch.more["drawn"] = torch.rand(1, generator=batch.generator)

        def looks(network, batch):
            seen("forward", batch)
            return forward(network, batch) | batch.more

        def costs(outputs, batch, session):
            seen("loss", batch)
            return loss(outputs, batch, session)

        def after_step(outputs, batch, session):
            seen("after_step", batch)
            assert outputs["drawn"] is batch.more["drawn"]
            assert not torch.is_grad_enabled()

        for name, function in (("prepare", prepare), ("forward", looks), ("loss", costs), ("after_step", after_step)):
            monkeypatch.setattr(method, name, function)
        drive(session, [stage("train", 2, strategy="random")])
        order = ["prepare", "forward", "loss", "after_step"]
        places = [(epoch, step, 3) for epoch in range(2) for step in range(3)]
        assert [(name, place) for name, place, *_ in calls] == [(n, place) for place in places for n in order]
        for n in range(0, len(calls), 4):
            before, looked, priced, after = calls[n : n + 4]
            assert (before[2], looked[2], priced[2], after[2]) == (n // 4, n // 4, n // 4 + 1, n // 4 + 1)
            assert torch.equal(before[3], priced[3]) and not torch.equal(priced[3], after[3])

    def test_a_resumed_stage_is_not_started_again(self, make_session, drive, method, monkeypatch):
        session, calls = make_session(), []
        monkeypatch.setattr(method, "start_stage", calls.append)
        session.epoch = 1
        seen = drive(session, [stage("train", 3, first=4)])
        assert calls == [] and seen.questions == []
        assert [e.number for e in seen.epochs] == [2, 3]

    def test_the_settings_that_all_stages_share(self, method):
        settings = method.Settings(optimizer="sgd", lr=0.3, momentum=0.7, weight_decay=0.2, clip=4.0, batch_size=5)
        found = type(method)(settings, 4, 12).stage("train", 7, questions=Questions(first=3))
        rate = Optimiser("sgd", lr=0.3, momentum=0.7, weight_decay=0.2, clip=4.0)
        assert found == Stage("train", 7, Batches(5), rate, Questions(first=3))
        faster = type(method)(settings, 4, 12).optimiser(lr=0.1)
        assert faster == Optimiser("sgd", lr=0.1, momentum=0.7, weight_decay=0.2, clip=4.0)

    @pytest.mark.parametrize("frozen", [True, False])
    def test_batch_statistics_can_be_frozen(self, make_session, drive, frozen):
        session = make_session()
        before = session.network["norm"].running_mean.clone()
        weights = session.network["linear"].weight.detach().clone()
        drive(session, [stage("train", 1, frozen_statistics=frozen)])
        assert torch.equal(session.network["norm"].running_mean, before) is frozen
        assert not torch.equal(session.network["linear"].weight, weights), "the weights are trained either way"

    @pytest.mark.parametrize(
        ("chosen", "theirs"),
        [
            ({}, torch.optim.Adam),
            ({"optimizer": "adam", "momentum": 0.9}, torch.optim.Adam),
            ({"optimizer": "rmsprop"}, torch.optim.RMSprop),
            ({"optimizer": "sgd"}, torch.optim.SGD),
            ({"optimizer": "sgd", "momentum": 0.9}, partial(torch.optim.SGD, momentum=0.9)),
            (
                {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
                partial(torch.optim.SGD, momentum=0.9, nesterov=True),
            ),
        ],
    )
    def test_a_step_is_one_update_on_the_sum_of_the_terms(self, make_session, drive, method, chosen, theirs):
        session, witness = make_session(), make_session()
        drive(session, [stage("train", 1, weight_decay=0.1, **chosen)])
        witness.stage = stage("train", 1)
        optimizer = theirs(witness.network.parameters(), lr=1e-2, weight_decay=0.1)
        witness.network.train()
        for batch in witness.batches():
            optimizer.zero_grad()
            sum(method.loss(method.forward(witness.network, batch), batch, witness).values()).backward()
            optimizer.step()
        for ours, expected in zip(session.network.parameters(), witness.network.parameters(), strict=True):
            assert torch.allclose(ours, expected)

    @pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "unused"])
    def test_what_gets_no_gradient_is_left_alone(self, make_session, drive, frozen):
        """By weight decay too: a teacher, or the heads of another stage."""
        session = make_session()
        session.network["other"] = torch.nn.Linear(2, 2).requires_grad_(not frozen)
        before = [weight.clone() for weight in session.network["other"].parameters()]
        drive(session, [stage("train", 1, weight_decay=0.1)])
        assert all(map(torch.equal, before, session.network["other"].parameters()))
        given = [weight for group in session.optimizer.param_groups for weight in group["params"]]
        assert len(given) == (4 if frozen else 6)

    @pytest.mark.parametrize("resumed", [0, 1])
    def test_a_schedule_sets_the_rate_of_every_step(self, make_session, drive, monkeypatch, resumed):
        rates, step = [], torch.optim.SGD.step

        def spy(self, *arguments):
            rates.append(self.param_groups[0]["lr"])
            return step(self, *arguments)

        monkeypatch.setattr(torch.optim.SGD, "step", spy)
        session = make_session()
        session.epoch = resumed
        drive(session, [stage("train", 2, lr=0.5, optimizer="sgd", schedule=lambda t: 1 / (1 + t))])
        times = [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3]
        assert rates == pytest.approx([0.5 / (1 + t) for t in times[3 * resumed :]])

    def test_gradients_are_clipped_to_a_norm(self, make_session, drive, method, monkeypatch):
        norms = []
        step = torch.optim.Adam.step

        def spy(self, *arguments):
            grads = [p.grad.norm() ** 2 for group in self.param_groups for p in group["params"] if p.grad is not None]
            norms.append(math.sqrt(sum(grads)))
            return step(self, *arguments)

        monkeypatch.setattr(torch.optim.Adam, "step", spy)
        drive(make_session(), [stage("train", 1)])
        drive(make_session(), [stage("train", 1, clip=1e-3)])
        assert min(norms[:3]) > 1e-2
        assert max(norms[3:]) <= 1.001e-3

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_a_loss_that_is_no_number_names_stage_epoch_and_step_and_updates_nothing(
        self, make_session, drive, method, monkeypatch, value
    ):
        session, loss, calls = make_session(), method.loss, []

        def breaks(outputs, batch, session):
            calls.append(session.network["linear"].weight.detach().clone())
            terms = loss(outputs, batch, session)
            return terms if len(calls) < 5 else terms | {"pull": terms["pull"] * value}

        monkeypatch.setattr(method, "loss", breaks)
        message = (
            r"stage train, epoch 2, step 2: the loss is not a number \(spread 0\.\d+, pull -?(nan|inf)\); lower lr"
        )
        with pytest.raises(loop.Diverged, match=message):
            drive(session, [stage("train", 3)])
        assert torch.equal(session.network["linear"].weight, calls[-1])


class TestWhatAStrategySees:
    def test_similarities_are_cosines_averaged_over_views(self, make_session, method):
        session = make_session(budget=8)
        for i, j, same in ((2, 5, True), (7, 5, False), (11, 2, None)):
            session.known.record(Answer(len(session.known.answers) + 1, i, j, same, 0, 0, "train", {}))
        session.stage = ACTIVE
        z = 3 * torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        p = torch.softmax(z[:4], 1)
        view = asking.pair_view(session, np.array([11, 2, 5, 7]), z.view(2, 4, 4), p, 0)
        assert torch.equal(view.p, p)
        for a in range(4):
            for b in range(4):
                one, other, across = (
                    torch.cosine_similarity(z[x], z[y], dim=0) for x, y in ((a, b), (a + 4, b + 4), (a, b + 4))
                )
                assert view.first[a, b].item() == pytest.approx(one.item(), abs=1e-5)
                assert view.cross[a, b].item() == pytest.approx(across.item(), abs=1e-5)
                assert view.similarity[a, b].item() == pytest.approx((one + other).item() / 2, abs=1e-5)
        assert view.candidates.nonzero().tolist() == [[0, 2], [0, 3]], "neither answered, implied nor unsure"
        assert view.must.nonzero().tolist() == [[1, 2], [2, 1]]
        assert view.cannot.nonzero().tolist() == [[1, 3], [2, 3], [3, 1], [3, 2]]
        assert view.remaining == 6 / 8

    def test_rows_of_a_batch_are_the_views_and_the_probabilities_of_the_first(
        self, make_session, drive, method, monkeypatch
    ):
        seen = []

        class Spy(Strategy):
            version = 1

            def select(self, view, count):
                seen.append((view, count))
                return []

        outputs, forward = [], method.forward
        monkeypatch.setattr(Choice, "make", lambda choice: Spy(None))
        monkeypatch.setattr(method, "forward", lambda *given: outputs.append(forward(*given)) or outputs[-1])
        drive(make_session(n=8), [stage("train", 1, strategy="random", views=("standard",) * 3)])
        ((view, count),) = seen
        assert count == 1
        assert view.views.shape == (3, 8, 4)
        assert torch.allclose(view.views.flatten(0, 1), outputs[0]["z"], atol=1e-6)
        assert torch.equal(view.p, outputs[0]["p"][:8])
        assert not view.views.requires_grad and not view.p.requires_grad

    def test_draws_are_its_own_in_every_stage_epoch_and_step(self, make_session):
        draws, z, p = [], torch.ones(1, 4, 4), torch.full((4, 2), 0.5)
        for name, epoch, step in (("a", 0, 0), ("b", 0, 0), ("a", 1, 0), ("a", 0, 1), ("a", 0, 0)):
            session = make_session()
            session.stage, session.epoch = stage(name, 2), epoch
            view = asking.pair_view(session, np.arange(4), z, p, step)
            draws.append(torch.rand(1, generator=view.generator).item())
        assert len(set(draws[:4])) == 4 and draws[4] == draws[0]


class TestExtension:
    """Pairs that the network is sure of become must-links of their own kind."""

    stage = stage("train", 2, extend_from=1)

    def outputs(self, sure):
        """Rows of two views of four images: the given ones confident, in cluster 0, and equal in both views."""
        p = torch.full((8, 2), 0.5)
        z = torch.nn.functional.normalize(torch.randn(8, 3, generator=torch.Generator().manual_seed(1)), dim=1)
        for image in sure:
            for row in (image, image + 4):
                p[row] = torch.tensor([0.99995, 0.00005])
                z[row] = torch.tensor([1.0, 0.0, 0.0])
        return {"p": p, "z": z}

    def suppose(self, session, outputs, index=(10, 3, 7, 12)):
        session.stage = self.stage
        batch = session.batch(Members("images", np.array(index)), 0, 9)
        session.link(batch)
        loop._suppose(session, batch, outputs)
        return batch

    def test_a_sure_pair_is_linked_without_a_question(self, make_session):
        session = make_session()
        batch = self.suppose(session, self.outputs([0, 2]))
        assert session.known.pseudo_links == [(10, 7)]
        assert batch.pseudo.nonzero().tolist() == [[0, 2], [2, 0]]
        assert not batch.must.any()
        assert (session.known.spent, session.known.answers) == (0, [])

    def test_one_pair_a_step_and_none_twice(self, make_session):
        session = make_session()
        for _ in range(5):
            self.suppose(session, self.outputs([0, 1, 2]))
        assert len(session.known.pseudo_links) == len({frozenset(pair) for pair in session.known.pseudo_links}) == 3

    @pytest.mark.parametrize("spoil", ["one image", "confidence", "cluster", "similarity", "other view"])
    def test_a_pair_that_is_not_sure_is_not_linked(self, make_session, spoil):
        outputs = self.outputs([0] if spoil == "one image" else [0, 2])
        if spoil == "confidence":
            outputs["p"][2] = torch.tensor([0.9998, 0.0002])
        if spoil == "cluster":
            outputs["p"][2] = torch.tensor([0.00005, 0.99995])
        if spoil == "similarity":
            outputs["z"][2] = outputs["z"][6] = torch.tensor([0.999, 0.0447, 0.0])
        if spoil == "other view":
            outputs["z"][6] = torch.tensor([0.0, 1.0, 0.0])
        session = make_session()
        self.suppose(session, outputs)
        assert session.known.pseudo_links == []

    @pytest.mark.parametrize("same", [True, False])
    def test_an_answer_is_never_overridden(self, make_session, same):
        session = make_session()
        session.known.record(Answer(1, 7, 10, same, 0, 0, "train", {}))
        batch = self.suppose(session, self.outputs([0, 2]))
        assert session.known.pseudo_links == []
        assert not batch.pseudo.any()

    def test_a_later_answer_takes_a_supposed_link_back(self, make_session):
        session = make_session()
        self.suppose(session, self.outputs([0, 2]))
        session.known.record(Answer(1, 7, 10, False, 0, 0, "train", {}))
        batch = self.suppose(session, self.outputs([]))
        assert session.known.pseudo_links == [(10, 7)]
        assert not batch.pseudo.any()
        assert batch.cannot.any()

    def test_begins_at_its_epoch(self, make_session, drive, method, monkeypatch):
        session = make_session(n=8, budget=3)
        forward = method.forward

        def sure(network, batch):
            outputs = forward(network, batch)
            outputs["p"] = outputs["p"] * 0 + torch.tensor([0.99999, 1e-5 / 3, 1e-5 / 3, 1e-5 / 3])
            outputs["z"] = outputs["z"] * 0 + torch.tensor([1.0, 0, 0, 0])
            return outputs

        monkeypatch.setattr(method, "forward", sure)
        links = []
        monkeypatch.setattr(method, "start_epoch", lambda s: links.append(len(s.known.pseudo_links)))
        drive(session, [stage("train", 4, extend_from=2)])
        assert [*links, len(session.known.pseudo_links)] == [0, 0, 0, 1, 2]
        assert session.known.answers == []
