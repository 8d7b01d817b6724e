"""Who is in which batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages import made

from pcl.constraints import Constraints
from pcl.engine.sampler import Sampler

FIXED = made("train", 2, 1e-3, 8, fixed=True)


def told(*answers):
    """What answers say about twenty images."""
    return Constraints.fold(20, answers)


def epoch_of(stage, epoch=0, constraints=None, *, n=20, seed=0):
    """The kind and the images of every batch of an epoch."""
    found = Sampler(seed, n).epoch(stage, epoch, Constraints(n) if constraints is None else constraints)
    return [(members.kind, members.index.tolist()) for members in found]


class TestImages:
    def test_fixed_batches_partition_the_set_and_never_change(self):
        first = epoch_of(FIXED)
        assert [len(index) for _, index in first] == [8, 8, 4]
        assert sorted([i for _, index in first for i in index]) == list(range(20))
        assert first == epoch_of(FIXED, epoch=1)
        assert first == epoch_of(made("other", 1, 1.0, 8, fixed=True))
        assert first != epoch_of(FIXED, seed=1)

    def test_the_single_image_left_over_is_left_out(self):
        found = epoch_of(FIXED, n=17)
        assert [len(index) for _, index in found] == [8, 8]
        missing = set(range(17)) - {i for _, index in found for i in index}
        assert missing == {Sampler(0, 17).fixed_order()[-1]}

    def test_shuffled_batches_are_drawn_anew_in_every_epoch_and_stage(self):
        stage = made("train", 2, 1e-3, 8)
        first = epoch_of(stage)
        assert sorted([i for _, index in first for i in index]) == list(range(20))
        assert first == epoch_of(stage)
        others = [epoch_of(stage, epoch=1), epoch_of(made("other", 2, 1e-3, 8)), epoch_of(stage, seed=1)]
        assert all(first != other for other in others)


class TestPairs:
    def test_follow_the_images_must_before_cannot_linked_one_by_one(self):
        known = told((0, 1, True), (1, 2, True), (3, 4, True), (0, 3, False))
        found = epoch_of(made("cluster", 2, 1e-3, 4, streams=("images", "must", "cannot")), 0, known)
        kinds = [kind for kind, _ in found]
        assert kinds == ["images"] * 5 + ["must"] + ["cannot"] * 2
        linked = {kind: set() for kind in ("must", "cannot")}
        for kind, index in found[5:]:
            half = len(index) // 2
            linked[kind] |= {frozenset(pair) for pair in zip(index[:half], index[half:], strict=True)}
        assert linked["must"] == {frozenset(pair) for pair in ((0, 1), (1, 2), (0, 2), (3, 4))}
        assert linked["cannot"] == {frozenset((i, j)) for i in (0, 1, 2) for j in (3, 4)}

    def test_are_none_without_answers(self):
        stage = made("c", 1, 1.0, 4, streams=("images", "pairs", "must", "cannot"))
        assert {kind for kind, _ in epoch_of(stage)} == {"images"}

    def test_of_many_implied_ones_the_same_few_are_kept_and_shuffled(self):
        known = told(*((0, j, True) for j in range(1, 8)))

        def pairs(epoch, most):
            rows = []
            stage = made("c", 2, 1e-3, 4, streams=("images", "must", "cannot"), max_pairs=most)
            for kind, index in epoch_of(stage, epoch, known):
                if kind == "must":
                    half = len(index) // 2
                    rows += [frozenset(pair) for pair in zip(index[:half], index[half:], strict=True)]
            return rows

        first, second = pairs(0, 6), pairs(1, 6)
        assert len(first) == len(set(first)) == 6
        assert set(first) == set(second)
        assert first != second
        assert len(pairs(0, None)) == 28


class TestKnownPairs:
    """Images 0 to 4 alike, and another cluster of 10 and 11: eleven must-links, ten cannot-links."""

    known = told(*((0, j, True) for j in range(1, 5)), (10, 11, True), (0, 10, False))

    def pairs(self, stage, kind):
        return Sampler(0, 20).known_pairs(stage, kind, self.known)

    @pytest.mark.parametrize(("kind", "counts"), [("must", (11, 0)), ("cannot", (0, 10)), ("pairs", (11, 10))])
    def test_are_of_the_kind_that_is_wanted(self, kind, counts):
        pairs, same = self.pairs(made("train", 2, 1e-3, 8), kind)
        assert pairs.shape == (sum(counts), 2)
        assert (int(same.sum()), int((~same).sum())) == counts
        assert [self.known.relation(*pair) for pair in pairs.tolist()] == same.tolist()
        assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)

    def test_of_each_kind_the_same_ones_are_kept_whoever_wants_them(self):
        found = []
        for name in ("one", "other"):
            stage = made(name, 2, 1e-3, 8, max_pairs=6)
            found += [self.pairs(stage, kind)[0].tolist() for kind in ("must", "cannot", "pairs")]
        must, cannot, both = found[:3]
        assert (len(must), len(cannot)) == (6, 6)
        assert both == must + cannot
        assert found[3:] == found[:3]


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
