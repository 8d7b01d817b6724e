"""ADC's rounds: who is asked about what, what the pairs teach, and where clustering starts in each round."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl import registry
from pcl.methods.adc import Method

SETTINGS = {"rounds": 3, "pair_epochs": 1, "epochs": 1, "tolerance": 0.0}
STRATEGIES = sorted(set(registry.names("pcl.strategies", "Strategy")) - {"random_released"})


@pytest.fixture
def adc(start):
    """ADC on 30 images and 11 questions: 4, 4 and 3 of them a round, about 10 images."""
    return lambda n=30, clusters=2, budget=11, **chosen: start("adc", n, clusters, budget, **(SETTINGS | chosen))


@pytest.fixture
def questions(train):
    """A function that trains and returns each question with its stage and the stage's images."""

    def asked(method, session, **hooks):
        found = []
        train(
            method,
            session,
            asked=lambda q, s: found.append(
                (s.stage.name, q.i, q.j, set(s.sampler.pool(*s.stage.questions.pool).tolist()))
            ),
            **hooks,
        )
        return found

    return asked


def of(found, stage):
    """The questions of one stage."""
    return [(i, j, pool) for name, i, j, pool in found if name == stage]


class TestRounds:
    @given(budget=st.integers(0, 100), rounds=st.integers(1, 12))
    @settings(max_examples=50, deadline=None)
    def test_share_the_budget_whether_or_not_they_divide_it(self, budget, rounds):
        stages = Method(Method.Settings(rounds=rounds, image_size=8), 2, budget).stages()
        shares = [stage.questions.first for stage in stages if stage.name.startswith("pairs")]
        assert len(shares) == rounds and sum(shares) == budget and max(shares) - min(shares) <= 1

    def test_pairs_and_clustering_take_turns(self, adc, train):
        """From random weights: no autoencoder, unless it is asked for."""
        method, session = adc()
        epochs = train(method, session).epochs
        turns = [(kind + str(t), {term}) for t in (1, 2, 3) for kind, term in (("pairs", "pairs"), ("cluster", "kl"))]
        assert [(e.stage, set(e.losses)) for e in epochs] == turns
        assert "decoder" not in session.network
        given_a_start, _ = adc(autoencoder={"epochs": 1})
        assert [stage.name for stage in given_a_start.stages()] == ["autoencode", *(name for name, _ in turns)]

    def test_each_train_on_pairs_by_their_own_rate_and_on_images_by_that_of_all(self, told):
        chosen = {"rounds": 2, "epochs": 8, "batch_size": 9, "optimizer": "adam", "lr": 0.03, "max_pairs": 77}
        pairs = {"pair_epochs": 5, "pair_lr": 0.05, "pair_batch": 6}
        s = Method.Settings(image_size=8, **chosen, **pairs, momentum=0.6, strategy="hard")
        one, cluster, other, _ = Method(s, 2, 11).stages()
        drawn = {"first": 6, "pool": (0, 2)}
        assert told(one) == {
            "name": "pairs1",
            "epochs": 5,
            "batches": {"size": 12, "streams": ("pairs",), "views": (), "max_pairs": 77},
            "optimiser": {"name": "rmsprop", "lr": 0.05, "momentum": 0.6},
            "questions": drawn,
        }
        assert told(other)["questions"] == {"first": 5, "by": s.strategy, "pool": (1, 2)}
        assert told(cluster) == {
            "name": "cluster1",
            "epochs": 8,
            "batches": {"size": 9, "views": (), "max_pairs": 77},
            "optimiser": {"lr": 0.03, "momentum": 0.6},
            "frozen_statistics": True,
        }

    def test_ask_about_disjoint_parts_of_the_images(self, adc, questions):
        """So that no pair is asked about twice."""
        method, session = adc()
        found = questions(method, session)
        assert Counter(name for name, *_ in found) == {"pairs1": 4, "pairs2": 4, "pairs3": 3}
        pools = [session.sampler.pool(t, 3).tolist() for t in range(3)]
        assert sorted(image for pool in pools for image in pool) == list(range(30))
        for t, pool in enumerate(pools):
            for i, j, whole in of(found, f"pairs{t + 1}"):
                assert whole == set(pool) and {i, j} <= whole

    def test_first_one_asks_at_random_and_later_ones_by_the_strategy(self, adc, train):
        """A question tells what ranked it: nothing, or the boundary image's probability of the hub's cluster."""
        method, session = adc()
        train(method, session)
        terms = {(a.stage, tuple(a.terms)) for a in session.known.answers}
        assert terms == {("pairs1", ()), ("pairs2", ("probability",)), ("pairs3", ("probability",))}
        other, twin = adc(strategy="hard")
        train(other, twin)
        assert [(a.i, a.j) for a in twin.known.answers[:4]] == [(a.i, a.j) for a in session.known.answers[:4]]
        assert {(a.stage, tuple(a.terms)) for a in twin.known.answers[4:]} == {
            ("pairs2", ("score",)),
            ("pairs3", ("score",)),
        }

    @pytest.mark.parametrize("clusters", [2, 3])
    def test_pair_a_cluster_s_surest_image_with_its_least_sure_ones(self, adc, train, clusters):
        """Naively, in the round's part of the images, at the moment of asking."""
        method, session = adc(clusters=clusters, n=60, budget=15)
        checked = []

        def hub_and_boundary(question, s):
            if s.stage.name == "pairs1":
                return
            pool = s.sampler.pool(*s.stage.questions.pool)
            q = dict(zip(pool.tolist(), s.predict(method.probabilities, index=pool), strict=True))
            cluster = int(q[question.i].argmax())
            members = [image for image in q if int(q[image].argmax()) == cluster]
            ranked = sorted(members, key=lambda image: -float(q[image][cluster]))
            pair = {question.i, question.j}
            assert ranked[0] in pair, "the hub"
            (boundary,) = pair - {ranked[0]}
            asked = round(5 * len(members) / 20) + 1
            assert boundary in ranked[-asked:]
            checked.append(cluster)

        train(method, session, asked=hub_and_boundary)
        assert len(checked) == 10

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_any_strategy_drives_them(self, adc, questions, strategy):
        method, session = adc(strategy=strategy, clusters=3)
        found = questions(method, session)
        pairs = [(i, j) for _, i, j, _ in found]
        assert len(set(pairs)) == len(pairs) == session.known.spent
        assert session.known.spent == 11 or strategy == "cobra", "which asks as much as its super-instances take"
        everywhere = registry.get("pcl.strategies", "Strategy", strategy).sees in ("features", "network")
        assert all(i < j and (everywhere or {i, j} <= pool) for _, i, j, pool in found)

    def test_unsure_answers_are_made_up_for(self, adc):
        """They cost nothing, and the round goes on with other pairs."""
        from pcl.engine import loop
        from pcl.oracles.base import Question

        method, session = adc()
        training, reply, asked = loop.train(method, session, method.stages(), None), None, []
        while True:
            try:
                event = training.send(reply)
            except StopIteration:
                break
            reply = None
            if isinstance(event, Question):
                asked.append((event.i, event.j))
                reply = None if len(asked) % 3 == 0 else event.i % 2 == event.j % 2
        assert session.known.spent == 11 and len(asked) > 11
        assert len(set(asked)) == len(asked)


class TestPairs:
    def test_batches_mix_both_kinds_and_hold_all_answers_so_far(self, adc, train, watch):
        """Must-links and cannot-links stand in one batch, half of which is as many pairs as was asked for."""
        method, session = adc(pair_batch=5, pair_epochs=2)
        seen = watch(method, "loss", lambda _, batch, s: batch)
        train(method, session)
        assert len({a.same for a in session.known.answers[:4]}) == 2, "both kinds were answered in the first round"
        for t, known in enumerate([4, 8, 11]):
            for epoch in range(2):
                batches = [b for b in seen if b.stage == f"pairs{t + 1}" and b.epoch == epoch]
                assert {b.kind for b in batches} == {"pairs"}
                assert [len(b.same) for b in batches] == [5] * (known // 5) + [known % 5]
                rows = [
                    (*sorted((int(i), int(j))), bool(one))
                    for b in batches
                    for i, j, one in zip(*np.split(b.index, 2), b.same, strict=True)
                ]
                assert sorted(rows) == sorted((a.i, a.j, a.same) for a in session.known.answers[:known])
        assert any(len(set(b.same.tolist())) == 2 for b in seen if b.kind == "pairs")

    @pytest.mark.parametrize("reduction", ["sum", "mean"])
    def test_margin_loss_of_a_step(self, adc, train, watch, reduction):
        """Pair by pair: the squared distance, or the squared part of δ that is missing."""
        method, session = adc(reduction=reduction, margin=0.7)
        seen = watch(method, "loss", lambda outputs, batch, _: (outputs["z"], getattr(batch, "same", None)))
        values = watch(method, "loss", lambda terms, *_: terms.get("pairs"), after=True)
        train(method, session)
        checked = 0
        for (z, same), value in zip(seen, values, strict=True):
            if value is None:
                continue
            count = len(same)
            total = 0.0
            for p in range(count):
                distance = float((z[p] - z[p + count]).norm())
                total += distance**2 if same[p] else max(0.7 - distance, 0.0) ** 2
            assert value.item() == pytest.approx(total if reduction == "sum" else total / count, rel=1e-4)
            checked += 1
        assert checked == 3

    def test_only_asked_pairs_are_trained_on(self, adc, train, watch):
        """The closure of ADC's hubs would be thousands of pairs: it is off unless asked for."""
        method, session = adc(budget=11, n=12, rounds=1)
        train(method, session)
        assert sum(map(len, session.known.constraints.pairs())) == 11
        assert type(method).Settings().closure == "none"


class TestClustering:
    def test_starts_anew_in_every_round_from_what_the_pairs_have_taught(self, adc, train, watch):
        """A k-means solution is known by itself: every centre is the mean of the embeddings nearest to it."""
        method, session = adc(clusters=3)
        starts = watch(
            method,
            "start_stage",
            lambda *_: (session.stage.name, session.network["centroids"].centres, session.predict(method.embed)),
            after=True,
        )
        train(method, session)
        rounds = {name: (centres, z) for name, centres, z in starts if name.startswith("cluster")}
        assert list(rounds) == ["cluster1", "cluster2", "cluster3"]
        for centres, z in rounds.values():
            nearest = torch.cdist(z, centres).argmin(1)
            for k in range(3):
                assert torch.allclose(centres[k], z[nearest == k].mean(0), atol=1e-5)
        assert not torch.allclose(rounds["cluster1"][0], rounds["cluster2"][0], atol=1e-3)

    def test_ends_once_settled_but_pairs_never_do(self, adc, train):
        method, session = adc(rounds=1, pair_epochs=4, epochs=4, tolerance=1.0)
        assert [e.stage for e in train(method, session).epochs] == ["pairs1"] * 4 + ["cluster1"] * 2
