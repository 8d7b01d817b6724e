"""What a training asks, of whom it learns which pairs, and what it spends, under scripted answers."""

import random
from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
import torch
from stages import fixed as stage

from pcl import registry
from pcl.constraints import Contradiction
from pcl.engine import asking
from pcl.engine.rounds import FIRST, PATIENCE
from pcl.strategies import uncertainty
from pcl.strategies.base import Choice, Strategy


def first(questions, **others):
    """A stage that asks before its first step, within its batches unless told otherwise."""
    return stage("pretrain", 1, first=questions, **{"within_batches": True, **others})


ACTIVE = stage("train", 3, strategy="random")


@pytest.fixture
def choose(monkeypatch):
    """A function that makes a strategy known by a name, and chooses it."""

    def choice(strategy):
        monkeypatch.setattr(registry, "get", lambda package, kind, name: strategy)
        return Choice.of("mine")

    return choice


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

    def test_the_answer_just_paid_for_is_trained_on_in_its_own_step(self, make_session, drive, method, monkeypatch):
        session, loss, known = make_session(budget=7), method.loss, []

        def costs(outputs, batch, session):
            last = session.known.answers[-1]
            if (batch.epoch, batch.step) == (last.epoch, last.step):
                a, b = (batch.index.tolist().index(image) for image in (last.i, last.j))
                known.append((last.same, bool(batch.must[a, b]), bool(batch.cannot[a, b])))
            return loss(outputs, batch, session)

        monkeypatch.setattr(method, "loss", costs)
        drive(session, [ACTIVE])
        assert known == [(a.same, a.same, not a.same) for a in session.known.answers] and len(known) == 7

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
        session, reference = (make_session(n=24, closure="none") for _ in range(2))
        drive(session, [self.asking(6, by)])
        pool = reference.sampler.pool(1, 3)
        reference.stage = self.asking(6, by)
        reference.network.eval()
        with torch.no_grad():
            z, p = (
                f(reference.network, reference.images.unaugmented(pool)) for f in (method.embed, method.probabilities)
            )
        view = asking.pair_view(reference, pool, z[None], p, 0)
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

    def test_in_every_round_are_as_many_as_are_left_of_the_stage_s_own(self, make_session, drive, choose):
        counts = []

        class TwoAtATime(Strategy):
            version = 1

            def select(self, view, count):
                counts.append(count)
                return [(a, b, {}) for a, b in view.candidates.nonzero()[:2].tolist()]

        session, by = make_session(n=24, budget=30, closure="none"), choose(TwoAtATime)
        drive(session, [self.asking(3, by, 0), self.asking(5, by, 1)])
        assert counts == [3, 1, 5, 3, 1] and session.known.spent == 8

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


class TestWhatAStrategySees:
    def test_similarities_are_cosines_averaged_over_views(self, make_session, tell):
        session = make_session(budget=8)
        tell(session.known, (2, 5, True), (7, 5, False), (11, 2, None))
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

    def test_it_draws_anew_at_every_step(self, make_session, drive, choose):
        draws = []

        class Draws(Strategy):
            version = 1

            def select(self, view, count):
                draws.append(torch.rand(1, generator=view.generator).item())
                return []

        drive(make_session(), [stage("train", 2, strategy=choose(Draws))])
        assert len(set(draws)) == len(draws) == 6

    def test_draws_are_its_own_in_every_stage_epoch_and_step(self, make_session):
        draws, z, p = [], torch.ones(1, 4, 4), torch.full((4, 2), 0.5)
        for name, epoch, step in (("a", 0, 0), ("b", 0, 0), ("a", 1, 0), ("a", 0, 1), ("a", 0, 0)):
            session = make_session()
            session.stage, session.epoch = stage(name, 2), epoch
            view = asking.pair_view(session, np.arange(4), z, p, step)
            draws.append(torch.rand(1, generator=view.generator).item())
        assert len(set(draws[:4])) == 4 and draws[4] == draws[0]


class TestAStrategyThatSeesAllImages:
    """It is asked in rounds before the first step, and in no batch."""

    def test_chooses_anew_after_every_round_until_the_budget_is_spent(
        self, make_session, drive, choose, method, monkeypatch
    ):
        rounds, draws, started = [], [], []

        class Rounds(Strategy):
            version = 1
            sees = "features"

            def select(self, view, count):
                rounds.append((view, count, view.known.spent, list(view.known.unsure)))
                draws.append(view.rng("mine").random())
                pairs = [(b, a, {"sum": a + b}) for a, b in combinations(range(20), 2) if view.open(a, b)]
                return pairs[: min(count, 5)]

        monkeypatch.setattr(method, "start_stage", lambda session: started.append(session.known.spent))
        session = make_session(closure="none")

        def answer(i, j):
            return None if (i, j) == (0, 3) else i % 2 == j % 2

        seen = drive(session, [stage("train", 2, strategy=choose(Rounds))], answer=answer)
        assert seen.questions == [(0, j) for j in range(1, 14)], "the thirteenth because one was not sure"
        assert started == [12] and seen.spent_by_epoch == [12, 12]
        assert {(a.stage, a.epoch, a.step) for a in session.known.answers} == {("train", 0, 0)}
        assert [a.terms for a in session.known.answers] == [{"sum": j} for j in range(1, 14)]
        assert [spent for *_, spent, _ in rounds] == [0, 4, 9]
        assert [unsure for *_, unsure in rounds] == [[], [(0, 3)], [(0, 3)]]
        assert [view.round for view, *_ in rounds] == [0, 1, 2] and len(set(draws)) == 3
        for view, count, *_ in rounds:
            assert count == FIRST and view.clusters == 2 and view.known is session.known
            assert view.features is session.features, "of all training images, in their order"

    def test_hears_an_answer_before_it_chooses_the_next_pair(self, make_session, drive, choose):
        heard = []

        class OneByOne(Strategy):
            version = 1
            sees = "features"

            def select(self, view, count):
                for b in range(1, 5):
                    yield 0, b, {}
                    heard.append(view.known.constraints.relation(0, b))

        drive(make_session(budget=4), [stage("train", 1, strategy=choose(OneByOne))])
        assert heard[:4] == [False, True, False, True]

    def test_before_training_probabilities_are_those_of_the_nearest_placed_images(self, make_session, drive, choose):
        """Against a reference implementation: inverse distances to the nearest member of each neighbourhood."""
        found = []

        class Looks(Strategy):
            version = 1
            sees = "features"

            def select(self, view, count):
                found.append((view.p, view.neighbourhoods.members()))
                return [(0, b, {}) for b in range(view.round * 3 + 1, view.round * 3 + 4)]

        session = make_session(budget=6)
        drive(session, [stage("train", 1, strategy=choose(Looks))])
        assert (found[0][0] == 0.5).all() and found[0][1] == []
        p, members = found[1]
        assert sorted(map(sorted, members)) == [[0, 2], [1, 3]]
        for i, row in enumerate(session.features):
            inverse = [1 / max(min(np.linalg.norm(row - session.features[j]) for j in own), 1e-12) for own in members]
            assert np.allclose(p[i], np.array(inverse) / sum(inverse), atol=1e-5)

    @pytest.mark.parametrize("closure", ["full", "none"])
    @pytest.mark.parametrize("budget", [9, 1000])
    def test_is_never_given_an_answer_that_is_there_already(self, make_session, drive, choose, closure, budget):
        """Whatever it offers: here every pair again and again, both ways round, and every image with itself."""

        class Everything(Strategy):
            version = 1
            sees = "features"

            def select(self, view, count):
                return [(a, b, {}) for a, b in product(range(9), repeat=2)]

        session = make_session(n=9, budget=budget, closure=closure)

        def answer(i, j):
            return None if (i + j) % 4 == 1 else i % 2 == j % 2

        seen = drive(session, [stage("train", 2, strategy=choose(Everything))], answer=answer)
        assert seen.known_when_asked == [None] * len(seen.questions)
        assert max(Counter(seen.questions).values()) == 1 and all(i < j for i, j in seen.questions)
        assert any(a.same is None for a in session.known.answers)
        open_pairs = [pair for pair in combinations(range(9), 2) if session.known.open(*pair)]
        assert session.known.spent == budget or not open_pairs
        assert session.known.spent <= budget

    def test_that_finds_no_pair_leaves_the_budget_and_keeps_no_stage_from_ending(
        self, make_session, drive, choose, method, monkeypatch
    ):
        class Nothing(Strategy):
            version = 1
            sees = "features"

            def select(self, view, count):
                return []

        monkeypatch.setattr(method, "end_epoch", lambda session: True)
        seen = drive(make_session(), [stage("train", 9, strategy=choose(Nothing))])
        assert seen.questions == [] and seen.spent_by_epoch == [0]

    def test_may_choose_so_many_first_questions_whatever_the_pool(self, make_session, drive, choose):
        sizes = []

        class Last(Strategy):
            version = 1
            sees = "features"

            def select(self, view, count):
                sizes.append(len(view.features))
                return [(a, b, {}) for a, b in list(combinations(range(len(view.features)), 2))[-count:]]

        session = make_session(n=24, closure="none")
        seen = drive(session, [stage("ask", 1, first=6, by=choose(Last), pool=(1, 3))])
        assert sizes[0] == 24 and session.known.spent == len(seen.questions) == 6
        assert not {i for pair in seen.questions for i in pair} <= set(session.sampler.pool(1, 3).tolist())


class TestAStrategyThatSeesAPool:
    """It too is asked in rounds before the first step, about pairs of the pool."""

    @pytest.mark.parametrize(("budget", "spent"), [(12, 12), (100, 28)])
    def test_asks_until_the_budget_is_spent_or_no_pair_is_left(self, make_session, drive, choose, budget, spent):
        views = []

        class Pool(uncertainty.Strategy):
            sees = "pool"

            def select(self, view, count):
                views.append((view, count))
                return super().select(view, min(count, 5))

        session = make_session(n=24, budget=budget, closure="none")
        pool = session.sampler.pool(1, 3)
        seen = drive(session, [stage("train", 2, strategy=choose(Pool), pool=(1, 3))])
        assert session.known.spent == len(set(seen.questions)) == spent
        assert seen.spent_by_epoch == [spent, spent]
        assert all(i < j and {i, j} <= set(pool.tolist()) for i, j in seen.questions)
        assert [count for _, count in views][:3] == [budget, budget - 5, budget - 10]
        pictures = torch.nn.functional.normalize(session.images.unaugmented(pool).flatten(1))
        for n, (view, _) in enumerate(views):
            assert torch.allclose(view.views, pictures[None])
            assert int(view.candidates.sum()) == max(28 - 5 * n, 0)


class TestNobodyIsEverSure:
    """Before the first step a training asks no further; in batches it goes on, with one question a step."""

    class Features(Strategy):
        version = 1
        sees = "features"

        def select(self, view, count):
            return [(a, b, {}) for a, b in combinations(range(24), 2) if view.open(a, b)][:count]

    @pytest.fixture(params=["random", "uncertainty", "features"])
    def asks(self, request, choose):
        """Words of a stage that asks nine questions before its first step."""
        by = {"random": None, "uncertainty": "uncertainty"}
        return {"first": 9, "by": by[request.param] if request.param in by else choose(self.Features)}

    def test_patience_ends_in_every_stage_anew(self, make_session, drive, asks):
        session = make_session(n=24)
        seen = drive(session, [stage("one", 2, **asks), stage("two", 1, **asks)], answer=lambda i, j: None)
        assert [a.stage for a in session.known.answers] == ["one"] * PATIENCE + ["two"] * PATIENCE
        assert len(seen.epochs) == 3 and session.known.spent == 0

    def test_patience_begins_again_with_every_answer(self, make_session, drive, asks):
        session, count = make_session(n=24, closure="none"), iter(range(1, 1000))

        def answer(i, j):
            return True if next(count) % PATIENCE == 0 else None

        drive(session, [stage("one", 1, **asks)], answer=answer)
        assert session.known.spent == 9 and len(session.known.answers) == 9 * PATIENCE

    def test_a_batch_is_asked_about_at_every_step_all_the_same(self, make_session, drive):
        session = make_session(n=24)
        drive(session, [stage("train", 9, strategy="random")], answer=lambda i, j: None)
        assert len(session.known.answers) == 9 * 3 > PATIENCE
