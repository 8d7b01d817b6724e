"""What a run is fed: batches, links, answers, and predictions over whole splits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stages import made

from pcl import seed as seeds
from pcl.constraints import Contradiction
from pcl.engine import augment, strong
from pcl.engine.sampler import Members, Sampler
from pcl.engine.stage import chunks
from pcl.oracles.log import Answer

FIXED = made("train", 2, 1e-3, 8, fixed=True)


def answer(session, i, j, same):
    session.known.record(Answer(len(session.known.answers) + 1, i, j, same, 0, 0, "train", {}))


def images_at(session, index, step=0):
    """A batch of images."""
    return session.batch(Members("images", index), step, 9)


def linked(batches):
    """The pairs of batches of pairs, each with what is said of it."""
    found = []
    for batch in batches:
        pairs = zip(*np.split(batch.index, 2), strict=True)
        found += [(frozenset(pair), same) for pair, same in zip(pairs, batch.same.tolist(), strict=True)]
    return found


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
        return [(batch.kind, batch.index.tolist()) for batch in session.batches()]

    def test_fixed_batches_partition_the_set_and_never_change(self, make_session):
        first = self.members(make_session(), FIXED)
        assert [len(index) for _, index in first] == [8, 8, 4]
        assert sorted([i for _, index in first for i in index]) == list(range(20))
        assert first == self.members(make_session(), FIXED, epoch=1)
        assert first == self.members(make_session(), made("other", 1, 1.0, 8, fixed=True))
        assert first != self.members(make_session(seed=1), FIXED)

    def test_the_single_image_left_over_is_left_out(self, make_session):
        found = self.members(make_session(n=17), FIXED)
        assert [len(index) for _, index in found] == [8, 8]
        missing = set(range(17)) - {i for _, index in found for i in index}
        assert missing == {make_session(n=17).sampler.fixed_order()[-1]}

    def test_shuffled_batches_are_drawn_anew_in_every_epoch_and_stage(self, make_session):
        stage = made("train", 2, 1e-3, 8)
        first = self.members(make_session(), stage)
        assert sorted([i for _, index in first for i in index]) == list(range(20))
        assert first == self.members(make_session(), stage)
        others = [
            self.members(make_session(), stage, epoch=1),
            self.members(make_session(), made("other", 2, 1e-3, 8)),
            self.members(make_session(seed=1), stage),
        ]
        assert all(first != other for other in others)

    def test_pairs_follow_the_images_must_before_cannot_linked_one_by_one(self, make_session):
        session = make_session()
        for i, j, same in ((0, 1, True), (1, 2, True), (3, 4, True), (0, 3, False)):
            answer(session, i, j, same)
        stage = made("cluster", 2, 1e-3, 4, streams=("images", "must", "cannot"))
        found = self.members(session, stage)
        kinds = [kind for kind, _ in found]
        assert kinds == ["images"] * 5 + ["must"] + ["cannot"] * 2
        linked = {kind: set() for kind in ("must", "cannot")}
        for kind, index in found[5:]:
            half = len(index) // 2
            linked[kind] |= {frozenset(pair) for pair in zip(index[:half], index[half:], strict=True)}
        assert linked["must"] == {frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2), (3, 4))}
        assert linked["cannot"] == {frozenset((i, j)) for i in (0, 1, 2) for j in (3, 4)}

    def test_both_kinds_of_pairs_mix_in_batches_of_as_many_images(self, make_session):
        session, epochs = make_session(), []
        for i, j, same in ((0, 1, True), (1, 2, True), (3, 4, True), (0, 3, False)):
            answer(session, i, j, same)
        for session.epoch in (0, 1):
            session.stage = made("cluster", 2, 1e-3, 6, streams=("pairs",))
            batches = list(session.batches())
            assert [(batch.kind, len(batch.index)) for batch in batches] == [("pairs", n) for n in (6, 6, 6, 2)]
            assert all(torch.equal(batch.images, session.images.unaugmented(batch.index)) for batch in batches)
            epochs.append(linked(batches))
        together = {frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2), (3, 4))}
        apart = {frozenset((i, j)) for i in (0, 1, 2) for j in (3, 4)}
        assert set(epochs[0]) == {(pair, True) for pair in together} | {(pair, False) for pair in apart}
        assert len(epochs[0]) == len(epochs[1]) == 10
        assert set(epochs[0]) == set(epochs[1]) and epochs[0] != epochs[1], "in another order in every epoch"

    @pytest.mark.parametrize("kind", ["must", "cannot"])
    def test_pairs_of_one_kind_say_so(self, make_session, kind):
        session = make_session()
        for i, j, same in ((0, 1, True), (2, 3, True), (0, 3, False)):
            answer(session, i, j, same)
        session.stage = made("cluster", 2, 1e-3, 4, streams=(kind,))
        found = linked(session.batches())
        assert len(found) == {"must": 2, "cannot": 4}[kind]
        assert {same for _, same in found} == {kind == "must"}

    def test_a_batch_knows_its_place(self, make_session):
        session = make_session()
        answer(session, 0, 1, True)
        session.stage, session.epoch = made("cluster", 9, 1e-3, 8, streams=("images", "must", "cannot")), 5
        batches = list(session.batches())
        assert [(b.stage, b.kind) for b in batches] == [("cluster", "images")] * 3 + [("cluster", "must")]
        assert [(b.epoch, b.step, b.steps) for b in batches] == [(5, step, 4) for step in range(4)]
        assert [b.time for b in batches] == [5, 5.25, 5.5, 5.75]
        assert [b.rows.tolist() for b in batches] == [b.index.tolist() for b in batches]

    def test_no_answers_no_pairs(self, make_session):
        stage = made("c", 1, 1.0, 4, streams=("images", "pairs", "must", "cannot"))
        assert {kind for kind, _ in self.members(make_session(), stage)} == {"images"}

    def test_of_many_implied_pairs_the_same_few_are_kept_and_shuffled(self, make_session):
        session = make_session()
        for j in range(1, 8):
            answer(session, 0, j, True)

        def pairs(epoch, most):
            rows = []
            stage = made("c", 2, 1e-3, 4, streams=("images", "must", "cannot"), max_pairs=most)
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

    def test_a_batch_has_views_or_unaugmented_images(self, make_session):
        session = make_session()
        index = np.array([3, 5, 9])
        session.stage = FIXED
        two = images_at(session, index)
        assert len(two.views) == 2
        assert not hasattr(two, "images")
        assert not torch.equal(*two.views)
        session.stage = made("unaugmented", 1, 1e-3, 8, fixed=True, views=())
        none = images_at(session, index)
        assert none.views == []
        assert torch.equal(none.images, session.images.unaugmented(index))
        assert torch.equal(session.batch(Members("must", index), 0, 9).images, session.images.unaugmented(index))

    @pytest.mark.parametrize(
        ("recipe", "drawn"), [("standard", augment.view), ("weak", strong.weak), ("strong", strong.strong)]
    )
    def test_a_view_follows_its_recipe(self, make_session, recipe, drawn):
        session, index = make_session(), np.array([7, 2, 7])
        ours, theirs = (torch.Generator().manual_seed(5) for _ in range(2))
        expected = drawn(session.images.splits["train"][index], 4, session.images.settings.augmentation, theirs)
        assert torch.equal(session.view(index, recipe, ours), expected)
        assert not torch.equal(session.view(index, recipe, ours), expected), "the generator has moved on"

    def test_a_batch_has_a_view_for_each_recipe_of_its_stage_in_order(self, make_session):
        session, index = make_session(), np.arange(6)
        recipes = ("weak", "strong", "standard", "weak")
        session.stage, session.epoch = made("train", 2, 1e-3, 8, views=recipes), 1
        generator = seeds.torch_generator(session.seed, "train", "augment", 1, 3)
        batch = images_at(session, index, step=3)
        assert all(
            torch.equal(view, session.view(index, recipe, generator))
            for view, recipe in zip(batch.views, recipes, strict=True)
        )
        own = torch.rand(1, generator=batch.generator)
        session.stage = made("train", 2, 1e-3, 8, views=())
        assert torch.equal(own, torch.rand(1, generator=images_at(session, index, step=3).generator)), (
            "what a method draws does not depend on the views"
        )

    def test_views_depend_on_seed_stage_epoch_and_step_only(self, make_session):
        def view(seed=0, stage=FIXED, epoch=0, step=0):
            session = make_session(seed=seed)
            session.stage, session.epoch = stage, epoch
            return images_at(session, np.arange(6), step).views[0]

        assert torch.equal(view(), view())
        for other in ({"seed": 1}, {"stage": made("other", 1, 1.0, 8, fixed=True)}, {"epoch": 1}, {"step": 1}):
            assert not torch.equal(view(), view(**other))


class TestKnownPairs:
    def session(self, make_session, **others):
        """Images 0 to 4 alike, and another cluster of 10 and 11: eleven must-links, ten cannot-links."""
        session = make_session(**others)
        for i, j, same in (*((0, j, True) for j in range(1, 5)), (10, 11, True), (0, 10, False)):
            answer(session, i, j, same)
        session.stage = made("train", 2, 1e-3, 8)
        return session

    @pytest.mark.parametrize(("kind", "counts"), [("must", (11, 0)), ("cannot", (0, 10)), ("pairs", (11, 10))])
    def test_are_of_the_kind_that_is_wanted(self, make_session, kind, counts):
        session = self.session(make_session)
        pairs, same = session.sampler.known_pairs(session.stage, kind, session.known.constraints)
        assert pairs.shape == (sum(counts), 2)
        assert (int(same.sum()), int((~same).sum())) == counts
        assert [session.known.constraints.relation(*pair) for pair in pairs.tolist()] == same.tolist()
        assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)

    def test_of_each_kind_the_same_ones_are_kept_whoever_wants_them(self, make_session):
        session = self.session(make_session)
        found = []
        for name, epoch in (("one", 0), ("other", 1)):
            session.stage, session.epoch = made(name, 2, 1e-3, 8, max_pairs=6), epoch
            found += [
                session.sampler.known_pairs(session.stage, kind, session.known.constraints)[0].tolist()
                for kind in ("must", "cannot", "pairs")
            ]
        must, cannot, both = found[:3]
        assert (len(must), len(cannot)) == (6, 6)
        assert both == must + cannot
        assert found[3:] == found[:3]

    @pytest.mark.parametrize("steps", [1, 4, 30])
    def test_every_step_of_an_epoch_gets_its_share_of_them(self, make_session, steps):
        session, epochs = self.session(make_session), []
        for session.epoch in (0, 1):
            found, sizes = [], []
            for step in range(steps):
                batch = session.batch(Members("images", np.arange(6)), step, steps)
                session.add_pairs(batch)
                if "pairs" not in batch.more:
                    sizes.append(0)
                    continue
                first, second = batch.more["pairs"].chunk(2)
                rows = [
                    (self.number(session, a), self.number(session, b)) for a, b in zip(first, second, strict=True)
                ]
                found += [(frozenset(pair), same) for pair, same in zip(rows, batch.same.tolist(), strict=True)]
                sizes.append(len(rows))
            assert max(sizes) - min(sizes) <= 1
            epochs.append(found)
        pairs, same = session.sampler.known_pairs(session.stage, "pairs", session.known.constraints)
        known = {(frozenset(pair), said) for pair, said in zip(pairs.tolist(), same.tolist(), strict=True)}
        assert len(epochs[0]) == len(epochs[1]) == 21
        assert set(epochs[0]) == set(epochs[1]) == known
        assert epochs[0] != epochs[1], "in another order in every epoch"

    def number(self, session, picture):
        """Which training image a picture is."""
        return int((session.images.unaugmented(np.arange(session.size)) == picture).flatten(1).all(1).nonzero())

    def test_without_any_a_batch_stays_as_it_is(self, make_session):
        session = make_session()
        session.stage = FIXED
        batch = images_at(session, np.arange(6))
        session.add_pairs(batch)
        assert batch.more == {} and not hasattr(batch, "same")


class TestPool:
    @given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**16))
    def test_parts_are_disjoint_of_equal_size_and_make_up_the_set(self, n, parts, seed):
        found = [Sampler(seed, n).pool(part, parts) for part in range(parts)]
        assert sorted(np.concatenate(found).tolist()) == list(range(n))
        assert max(map(len, found)) - min(map(len, found)) <= 1
        assert all((np.diff(part) > 0).all() for part in found)

    def test_parts_depend_on_the_seed_only(self, make_session):
        def part(seed=0, stage=FIXED, epoch=0):
            session = make_session(seed=seed)
            session.stage, session.epoch = stage, epoch
            return session.sampler.pool(1, 3).tolist()

        assert part() == part(stage=made("other", 1, 1.0, 8), epoch=1)
        assert part() != part(seed=1)


class TestAnswers:
    def test_only_yes_and_no_are_paid_for(self, make_session):
        session = make_session()
        for i, j, same in ((0, 1, True), (2, 3, None), (4, 5, False)):
            answer(session, i, j, same)
        assert (session.known.spent, session.known.remaining, len(session.known.answers)) == (2, 10, 3)
        assert session.known.unsure == [(2, 3)]

    def test_a_pair_of_one_image_is_paid_for_and_says_nothing(self, make_session):
        """What the released random baseline wastes its budget on."""
        session = make_session()
        answer(session, 4, 4, True)
        assert (session.known.spent, session.known.constraints.asked) == (1, 0)

    def test_a_contradiction_changes_nothing(self, make_session):
        session = make_session()
        for i, j, same in ((0, 1, True), (1, 2, True)):
            answer(session, i, j, same)
        with pytest.raises(Contradiction, match=r"0 = 1 \(answer 1\), 1 = 2 \(answer 2\) imply"):
            answer(session, 0, 2, False)
        assert (session.known.spent, len(session.known.answers)) == (2, 2)

    def test_links_of_a_batch_are_symmetric_and_complete(self, make_session):
        session = make_session()
        for i, j, same in ((0, 1, True), (1, 2, True), (2, 9, False), (5, 6, None)):
            answer(session, i, j, same)
        session.stage = FIXED
        batch = images_at(session, np.array([9, 2, 7, 0, 5, 6]))
        session.link(batch)
        assert (batch.must.nonzero().tolist(), batch.must.dtype) == ([[1, 3], [3, 1]], torch.bool)
        assert batch.cannot.nonzero().tolist() == [[0, 1], [0, 3], [1, 0], [3, 0]]
        assert session.unsure(batch.index).nonzero().tolist() == [[4, 5], [5, 4]]
        must, cannot = session.links(batch.index)
        assert torch.equal(must, batch.must) and torch.equal(cannot, batch.cannot)

    def test_supposed_links_never_override_answers(self, make_session):
        session = make_session()
        answer(session, 0, 1, False)
        session.known.pseudo_links = [(0, 1), (2, 3), (4, 19)]
        session.stage = FIXED
        batch = images_at(session, np.arange(6))
        session.link(batch)
        assert batch.pseudo.nonzero().tolist() == [[2, 3], [3, 2]]


class TestPredictions:
    def test_keeps_the_order_and_every_image(self, make_session):
        session = make_session(n=21)
        session.network.train()
        rows = session.predict(lambda network, images: images.flatten(1))
        assert torch.equal(rows, session.images.unaugmented(np.arange(21)).flatten(1))
        assert session.predict(lambda network, images: images.flatten(1), "test").shape == (5, 16)

    def test_of_some_images_in_the_order_of_their_positions(self, make_session):
        session, index = make_session(n=21), np.array([20, 3, 11, 4, 5, 6, 7, 8, 9])
        rows = session.predict(lambda network, images: images.flatten(1), index=index)
        assert torch.equal(rows, session.images.unaugmented(index).flatten(1))

    @pytest.mark.parametrize("training", [True, False])
    def test_runs_in_evaluation_mode_without_gradients_and_restores_the_mode(self, make_session, training):
        session = make_session()
        session.network.train(training)
        modes = []

        def function(network, images):
            modes.append((network.training, torch.is_grad_enabled()))
            return images.flatten(1)

        session.predict(function)
        assert modes == [(False, False)] * 3, "20 images in batches of 8"
        assert session.network.training is training

    def test_batches_follow_the_data_set_with_the_last_one_shorter(self, make_session):
        """A network that looks at its batch answers differently with another rest of the batch; the rest is fixed."""
        session, sizes = make_session(n=17), []

        def function(network, images):
            sizes.append(len(images))
            return images.flatten(1) - images.flatten(1).mean(0)

        rows = session.predict(function)
        assert sizes == [8, 8, 1]
        assert torch.allclose(rows[:8].mean(0), torch.zeros(16), atol=1e-5)
        assert torch.equal(rows[16], torch.zeros(16))
