"""The training loop under scripted drivers: hooks, updates, and when a stage stops."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from stages import fixed as stage

from pcl.engine import loop
from pcl.engine.sampler import Members
from pcl.engine.stage import Batches, Optimiser, Questions, Stage
from pcl.oracles.log import Answer


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
        drive(make_session(), [stage("pretrain", 1, first=2), stage("train", 2)])
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
            ({"optimizer": "sgd", "nesterov": True}, torch.optim.SGD),
            ({"optimizer": "sgd", "momentum": 0.9}, partial(torch.optim.SGD, momentum=0.9)),
            (
                {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
                partial(torch.optim.SGD, momentum=0.9, nesterov=True),
            ),
        ],
    )
    def test_a_step_is_one_update_on_the_sum_of_the_terms(self, make_session, drive, method, chosen, theirs):
        session, reference = make_session(), make_session()
        drive(session, [stage("train", 1, weight_decay=0.1, **chosen)])
        reference.stage = stage("train", 1)
        optimizer = theirs(reference.network.parameters(), lr=1e-2, weight_decay=0.1)
        reference.network.train()
        for batch in reference.batches():
            optimizer.zero_grad()
            sum(method.loss(method.forward(reference.network, batch), batch, reference).values()).backward()
            optimizer.step()
        for ours, expected in zip(session.network.parameters(), reference.network.parameters(), strict=True):
            # A bias before batch statistics has a gradient of rounding errors, which RMSProp brings to full size.
            assert torch.allclose(ours, expected, atol=1e-6)

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
