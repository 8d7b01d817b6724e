"""IDC inside: what is asked, what is learned from it, and what it costs in pairs."""

import math

import numpy as np
import pytest
import torch

from pcl.losses import interactive
from pcl.oracles.base import Assignment, Context
from pcl.oracles.log import Assigned, answered, dump, parse
from pcl.strategies import value_mining

SETTINGS = {"epochs": 2, "features": 4, "warmup_epochs": 1, "labelled_batch": 6}


def table(rows, columns, entry):
    i, j = np.arange(rows)[:, None], np.arange(columns)[None]
    return entry(i, j).astype(np.float64)


class TestParity:
    """IDC-1 to IDC-8: what the released code gives."""

    h = value_mining.unit(table(40, 5, lambda i, j: np.abs(np.sin(0.37 * i * (j + 1) + j)) + 0.05))
    found = value_mining.prototypes(h, np.arange(40) % 3)

    def test_hardness(self):
        expected = [-0.0026747302, -0.013387412, -0.0047974583, -0.019482782]
        assert value_mining.hardness(self.found.cosines)[:4] == pytest.approx(expected, rel=1e-5)

    def test_representativeness(self):
        expected = [1.3055314, 1.3712403, 2.0365524, 1.3684334]
        assert value_mining.representativeness(self.h, 20)[:4] == pytest.approx(expected, rel=1e-4)

    def test_order(self):
        value = value_mining.hardness(self.found.cosines) + value_mining.representativeness(self.h, 20)
        assert list(value_mining.greedily(self.h, value, 1.0, 8)) == [31, 15, 3, 34, 35, 25, 7, 28]

    logits = torch.from_numpy(table(6, 4, lambda i, k: np.sin(i + 2 * k)))

    def test_positive_and_negative(self):
        positive = interactive.balanced_cross_entropy(self.logits[:4], torch.tensor([0, 1, 1, 3]))
        negative = interactive.rejection(self.logits[4:], torch.tensor([2, 0]))
        assert (positive.item(), negative.item()) == pytest.approx((1.6182133, 0.50398294), rel=1e-6)

    def test_own_labels(self):
        p = torch.from_numpy(table(12, 4, lambda i, k: 8 * np.sin(i + 2 * k))).softmax(1)
        bank = torch.full((12,), -1)
        bank[3] = 2
        found = interactive.sure_labels(p, bank, 0.2, 0.99, 0.99)
        assert found.tolist() == [-1, -1, -1, -1, 2, -1, 1, -1, -1, -1, -1, -1]

    @pytest.mark.parametrize(("label", "chosen", "cost"), [(2, 3, 3), (9, 0, 5)])
    def test_cost(self, label, chosen, cost):
        """Prototypes with labels 0 to 4, offered as 4, 1, 2, 0, 3; then an image of none of these labels."""
        from pcl.oracles import truth

        targets = np.array([0, 1, 2, 3, 4, label])
        oracle = truth.Oracle(None, Context(6, 0, (), targets, lambda _: None))
        question = Assignment(5, 4, others=(1, 2, 0, 3))
        answer = answered(question, 1, oracle.answer(question))
        assert isinstance(answer, Assigned)
        assert (answer.chosen, answer.pair_equivalents(10), answer.pair_equivalents(3)) == (chosen, cost, 2)
        assert answer.bits == pytest.approx(2.5849625)
        assert parse(dump([answer]), "") == [answer]


def test_no_logarithm_ends_in_nothing():
    """Cosines that differ by more than 1, images that are alike, one cluster, an empty batch."""
    h = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    found = value_mining.prototypes(h, np.array([0, 0, 3, 3]))
    assert found.prototypes.tolist() == [0, 2], "an empty cluster has none"
    value = value_mining.hardness(found.cosines) + value_mining.representativeness(h, 2)
    assert np.isfinite(value).all()
    assert sorted(value_mining.greedily(h, value, 1.0, 4)) == [0, 1, 2, 3]
    assert value_mining.hardness(np.ones((2, 1))).tolist() == [0, 0]
    empty, none = torch.zeros(0, 3, requires_grad=True), torch.zeros(0, dtype=torch.long)
    for loss in (interactive.balanced_cross_entropy, interactive.rejection):
        loss(empty, none).backward()
        assert loss(empty, none).item() == 0


def test_the_aligned_oracle_maps_all_labels_and_the_fair_one_looks_at_prototypes():
    from pcl.oracles import aligned, truth

    targets, clusters = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 0, 0, 0, 0])
    context = Context(6, 0, (), targets, lambda _: None)
    # Prototype 2 is in the cluster that stands for target 1, but is itself of target 0.
    asked = Assignment(5, 2, others=(0,), clusters=clusters)
    assert aligned.Oracle(None, context).answer(asked) == 1
    assert truth.Oracle(None, context).answer(asked) == 0


def test_logs_of_assignments_say_what_is_wrong():
    from pcl.errors import UserError

    line = dump([Assigned(1, 7, 2, False, 0, 0, "tune", {}, 2, (3, 5))])
    assert line == (
        '{"number": 1, "i": 7, "j": 2, "step": 0, "epoch": 0, "stage": "tune", "terms": {}, "chosen": 2, '
        '"others": [3, 5]}\n'
    )
    for wrong in ('"chosen": 4', '"chosen": -1', '"chosen": true'):
        with pytest.raises(UserError, match=r"log:1: .*chosen"):
            parse(line.replace('"chosen": 2', wrong), "log")
    facts = parse(line, "log")[0].facts
    assert facts == [(7, 2, False), (7, 3, True)]
    assert parse(line.replace('"chosen": 2', '"chosen": 0'), "log")[0].facts == [
        (7, 2, False),
        (7, 3, False),
        (7, 5, False),
    ]
    assert parse(line.replace('"chosen": 2', '"chosen": null'), "log")[0].facts == [(7, 2, None)]


def test_assignments_are_asked_before_tuning_and_learned_from(start, train, watch):
    method, session = start("idc", n=24, clusters=3, budget=7, **SETTINGS)
    seen = watch(method, "loss", lambda terms, _, batch, __: (batch.stage, sorted(terms)), after=True)
    train(method, session)
    answers = session.known.answers
    assert len(answers) == session.known.spent == 7 and {type(a) for a in answers} == {Assigned}
    assert {a.stage for a in answers} == {"tune"} and len({a.i for a in answers}) == 7
    assert set(map(str, seen)) == {
        str(("pretrain", ["balance", "cluster", "instance"])), str(("tune", ["negative", "positive", "sure"]))
    }  # fmt: skip
    assert not {a.i for a in answers} & {p for a in answers for p in a.prototypes}


def test_pairs_that_other_strategies_ask_for_are_learned_from(start, train):
    method, session = start("idc", n=24, budget=5, strategy="random", **SETTINGS)
    seen = train(method, session)
    assert session.known.spent == 5 and not any(isinstance(a, Assigned) for a in session.known.answers)
    assert {"sure", "pairs"} <= set(seen.epochs[-1].losses)


def test_without_a_question_only_sure_images_count(start, train):
    method, session = start("idc", n=24, budget=0, **SETTINGS)
    assert set(train(method, session).epochs[-1].losses) == {"sure"}
    assert all(math.isfinite(x) for weight in session.network.parameters() for x in weight.flatten().tolist())
