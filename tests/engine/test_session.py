"""What a run is fed: batches, links, answers, and sweeps over whole splits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcl.constraints import Contradiction
from pcl.engine.session import chunks
from pcl.methods.base import Stage
from pcl.oracles.log import Answer

FIXED = Stage("train", 2, 1e-3, "fixed", 8)


def answer(session, i, j, same):
    session.record(Answer(len(session.answers) + 1, i, j, same, 0, 0, "train", {}))


class TestChunks:
    @given(st.integers(1, 60), st.integers(2, 9))
    def test_pieces_partition_all_but_a_last_piece_of_one(self, n, size):
        order = np.random.default_rng(n).permutation(n)
        pieces = list(chunks(order, size))
        left_out = 1 if n % size == 1 and n > 1 else 0
        assert np.concatenate(pieces).tolist() == order[: n - left_out].tolist()
        assert all(len(piece) == size for piece in pieces[:-1])
        assert n == 1 or all(len(piece) >= 2 for piece in pieces), "batch statistics need two rows"


class TestBatches:
    def members(self, session, stage, epoch=0):
        session.stage, session.epoch = stage, epoch
        return [(kind, index.tolist()) for kind, index in session._members()]

    def test_fixed_batches_partition_the_set_and_never_change(self, make_session):
        first = self.members(make_session(), FIXED)
        assert [len(index) for _, index in first] == [8, 8, 4]
        assert sorted([i for _, index in first for i in index]) == list(range(20))
        assert first == self.members(make_session(), FIXED, epoch=1)
        assert first == self.members(make_session(), Stage("other", 1, 1.0, "fixed", 8))
        assert first != self.members(make_session(seed=1), FIXED)

    def test_the_single_image_left_over_is_left_out(self, make_session):
        found = self.members(make_session(n=17), FIXED)
        assert [len(index) for _, index in found] == [8, 8]
        missing = set(range(17)) - {i for _, index in found for i in index}
        assert missing == {make_session(n=17).fixed_order()[-1]}

    def test_shuffled_batches_are_drawn_anew_in_every_epoch_and_stage(self, make_session):
        stage = Stage("train", 2, 1e-3, "shuffled", 8)
        first = self.members(make_session(), stage)
        assert sorted([i for _, index in first for i in index]) == list(range(20))
        assert first == self.members(make_session(), stage)
        others = [
            self.members(make_session(), stage, epoch=1),
            self.members(make_session(), Stage("other", 2, 1e-3, "shuffled", 8)),
            self.members(make_session(seed=1), stage),
        ]
        assert all(first != other for other in others)

    def test_pairs_follow_the_images_must_before_cannot_linked_one_by_one(self, make_session):
        session = make_session()
        for i, j, same in ((0, 1, True), (1, 2, True), (3, 4, True), (0, 3, False)):
            answer(session, i, j, same)
        stage = Stage("cluster", 2, 1e-3, "pairs", 4)
        found = self.members(session, stage)
        kinds = [kind for kind, _ in found]
        assert kinds == ["images"] * 5 + ["must"] + ["cannot"] * 2
        linked = {kind: set() for kind in ("must", "cannot")}
        for kind, index in found[5:]:
            half = len(index) // 2
            linked[kind] |= {frozenset(pair) for pair in zip(index[:half], index[half:], strict=True)}
        assert linked["must"] == {frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2), (3, 4))}
        assert linked["cannot"] == {frozenset((i, j)) for i in (0, 1, 2) for j in (3, 4)}

    def test_no_answers_no_pairs(self, make_session):
        assert {kind for kind, _ in self.members(make_session(), Stage("c", 1, 1.0, "pairs", 4))} == {"images"}

    def test_of_many_implied_pairs_the_same_few_are_kept_and_shuffled(self, make_session):
        session = make_session()
        for j in range(1, 8):
            answer(session, 0, j, True)

        def pairs(epoch, most):
            rows = []
            stage = Stage("c", 2, 1e-3, "pairs", 4, max_pairs=most)
            for kind, index in self.members(session, stage, epoch):
                if kind == "must":
                    half = len(index) // 2
                    rows += [frozenset(pair) for pair in zip(index[:half], index[half:], strict=True)]
            return rows

        first, second = pairs(0, 6), pairs(1, 6)
        assert len(first) == len(set(first)) == 6
        assert set(first) == set(second)
        assert first != second
        assert len(pairs(0, None)) == 28

    def test_a_batch_has_views_or_plain_images(self, make_session):
        session = make_session()
        index = np.array([3, 5, 9])
        session.stage = FIXED
        two = session.batch("images", index, 0)
        assert len(two.views) == 2
        assert not hasattr(two, "images")
        assert not torch.equal(*two.views)
        session.stage = Stage("plain", 1, 1e-3, "fixed", 8, views=0)
        none = session.batch("images", index, 0)
        assert none.views == []
        assert torch.equal(none.images, session.plain(index))
        assert torch.equal(session.batch("must", index, 0).images, session.plain(index))

    def test_views_depend_on_seed_stage_epoch_and_step_only(self, make_session):
        def view(seed=0, stage=FIXED, epoch=0, step=0):
            session = make_session(seed=seed)
            session.stage, session.epoch = stage, epoch
            return session.batch("images", np.arange(6), step).views[0]

        assert torch.equal(view(), view())
        for other in ({"seed": 1}, {"stage": Stage("other", 1, 1.0, "fixed", 8)}, {"epoch": 1}, {"step": 1}):
            assert not torch.equal(view(), view(**other))


class TestAnswers:
    def test_only_yes_and_no_are_paid_for(self, make_session):
        session = make_session()
        for i, j, same in ((0, 1, True), (2, 3, None), (4, 5, False)):
            answer(session, i, j, same)
        assert (session.spent, session.remaining, len(session.answers)) == (2, 10, 3)
        assert session.unsure_pairs == [(2, 3)]

    def test_a_pair_of_one_image_is_paid_for_and_says_nothing(self, make_session):
        """What the released random baseline wastes its budget on."""
        session = make_session()
        answer(session, 4, 4, True)
        assert (session.spent, session.constraints.asked) == (1, 0)

    def test_a_contradiction_changes_nothing(self, make_session):
        session = make_session()
        for i, j, same in ((0, 1, True), (1, 2, True)):
            answer(session, i, j, same)
        with pytest.raises(Contradiction, match=r"0 = 1 \(answer 1\), 1 = 2 \(answer 2\) imply"):
            answer(session, 0, 2, False)
        assert (session.spent, len(session.answers)) == (2, 2)

    def test_links_of_a_batch_are_symmetric_and_complete(self, make_session):
        session = make_session()
        for i, j, same in ((0, 1, True), (1, 2, True), (2, 9, False), (5, 6, None)):
            answer(session, i, j, same)
        session.stage = FIXED
        batch = session.batch("images", np.array([9, 2, 7, 0, 5, 6]), 0)
        session.link(batch)
        assert (batch.must.nonzero().tolist(), batch.must.dtype) == ([[1, 3], [3, 1]], torch.bool)
        assert batch.cannot.nonzero().tolist() == [[0, 1], [0, 3], [1, 0], [3, 0]]
        assert session.unsure(batch.index).nonzero().tolist() == [[4, 5], [5, 4]]

    def test_supposed_links_never_override_answers(self, make_session):
        session = make_session()
        answer(session, 0, 1, False)
        session.pseudo_links = [(0, 1), (2, 3), (4, 19)]
        session.stage = FIXED
        batch = session.batch("images", np.arange(6), 0)
        session.link(batch)
        assert batch.pseudo.nonzero().tolist() == [[2, 3], [3, 2]]


class TestSweep:
    def test_keeps_the_order_and_every_image(self, make_session):
        session = make_session(n=21)
        session.network.train()
        rows = session.sweep(lambda network, images: images.flatten(1))
        assert torch.equal(rows, session.plain(np.arange(21)).flatten(1))
        assert session.sweep(lambda network, images: images.flatten(1), "test").shape == (5, 16)

    @pytest.mark.parametrize("training", [True, False])
    def test_runs_in_evaluation_mode_without_gradients_and_restores_the_mode(self, make_session, training):
        session = make_session()
        session.network.train(training)
        modes = []

        def function(network, images):
            modes.append((network.training, torch.is_grad_enabled()))
            return images.flatten(1)

        session.sweep(function)
        assert modes == [(False, False)] * 3, "20 images in batches of 8"
        assert session.network.training is training

    def test_batches_follow_the_data_set_with_the_last_one_shorter(self, make_session):
        """A network that looks at its batch answers differently in other company; its company is fixed."""
        session, sizes = make_session(n=17), []

        def function(network, images):
            sizes.append(len(images))
            return images.flatten(1) - images.flatten(1).mean(0)

        rows = session.sweep(function)
        assert sizes == [8, 8, 1]
        assert torch.allclose(rows[:8].mean(0), torch.zeros(16), atol=1e-5)
        assert torch.equal(rows[16], torch.zeros(16))

    def test_targets_are_looked_up_by_position(self, make_session):
        session = make_session()
        session.targets = torch.arange(20.0)
        assert session.target(np.array([3, 1])).tolist() == [3.0, 1.0]
