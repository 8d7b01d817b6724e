"""The batches of a run: images, pairs beside them, and what is known about them."""

import numpy as np
import pytest
import torch
from stages import made

from pcl import seed as seeds
from pcl.engine.sampler import Members

FIXED = made("train", 2, 1e-3, 8, fixed=True)


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


class TestBatches:
    def test_are_those_that_the_sampler_draws_from_what_is_known(self, make_session, tell):
        session = make_session(seed=3)
        tell(session.known, (0, 1, True), (1, 2, True), (0, 3, False))
        session.stage, session.epoch = made("cluster", 2, 1e-3, 8, streams=("images", "must", "cannot")), 1
        drawn = session.sampler.epoch(session.stage, 1, session.known.constraints)
        assert {members.kind for members in drawn} == {"images", "must", "cannot"}
        assert [(b.kind, b.index.tolist()) for b in session.batches()] == [(m.kind, m.index.tolist()) for m in drawn]

    def test_both_kinds_of_pairs_mix_in_batches_of_as_many_images(self, make_session, tell):
        session, epochs = make_session(), []
        tell(session.known, (0, 1, True), (1, 2, True), (3, 4, True), (0, 3, False))
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
    def test_pairs_of_one_kind_say_so(self, make_session, tell, kind):
        session = make_session()
        tell(session.known, (0, 1, True), (2, 3, True), (0, 3, False))
        session.stage = made("cluster", 2, 1e-3, 4, streams=(kind,))
        found = linked(session.batches())
        assert len(found) == {"must": 2, "cannot": 4}[kind]
        assert {same for _, same in found} == {kind == "must"}

    def test_a_batch_knows_its_place(self, make_session, tell):
        session = make_session()
        tell(session.known, (0, 1, True))
        session.stage, session.epoch = made("cluster", 9, 1e-3, 8, streams=("images", "must", "cannot")), 5
        batches = list(session.batches())
        assert [(b.stage, b.kind) for b in batches] == [("cluster", "images")] * 3 + [("cluster", "must")]
        assert [(b.epoch, b.step, b.steps) for b in batches] == [(5, step, 4) for step in range(4)]
        assert [b.time for b in batches] == [5, 5.25, 5.5, 5.75]
        assert [b.rows.tolist() for b in batches] == [b.index.tolist() for b in batches]

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


class TestPairsBesideImages:
    @pytest.mark.parametrize("steps", [1, 4, 30])
    def test_every_step_of_an_epoch_gets_its_share_of_them(self, make_session, tell, steps):
        session, epochs = make_session(), []
        # Images 0 to 4 alike, and another cluster of 10 and 11: eleven must-links, ten cannot-links.
        tell(session.known, *((0, j, True) for j in range(1, 5)), (10, 11, True), (0, 10, False))
        session.stage = made("train", 2, 1e-3, 8)
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


class TestLinks:
    def test_links_of_a_batch_are_symmetric_and_complete(self, make_session, tell):
        session = make_session()
        tell(session.known, (0, 1, True), (1, 2, True), (2, 9, False), (5, 6, None))
        session.stage = FIXED
        batch = images_at(session, np.array([9, 2, 7, 0, 5, 6]))
        session.link(batch)
        assert (batch.must.nonzero().tolist(), batch.must.dtype) == ([[1, 3], [3, 1]], torch.bool)
        assert batch.cannot.nonzero().tolist() == [[0, 1], [0, 3], [1, 0], [3, 0]]
        assert session.unsure(batch.index).nonzero().tolist() == [[4, 5], [5, 4]]
        must, cannot = session.links(batch.index)
        assert torch.equal(must, batch.must) and torch.equal(cannot, batch.cannot)

    def test_supposed_links_never_override_answers(self, make_session, tell):
        session = make_session()
        tell(session.known, (0, 1, False))
        session.known.pseudo_links = [(0, 1), (2, 3), (4, 19)]
        session.stage = FIXED
        batch = images_at(session, np.arange(6))
        session.link(batch)
        assert batch.pseudo.nonzero().tolist() == [[2, 3], [3, 2]]
