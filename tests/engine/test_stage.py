"""Pieces of an order, and how many questions stages can ask: counted out."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages import fixed, made

from pcl.constraints import Constraints
from pcl.engine.sampler import Sampler
from pcl.engine.stage import chunks, most_questions

counts = st.integers(0, 40)
images = st.integers(1, 30)


def sees(scope):
    """Stands for a strategy of which no more is asked than what it sees."""
    return SimpleNamespace(sees=scope)


class TestChunks:
    @given(st.integers(1, 60), st.integers(2, 9))
    def test_pieces_partition_all_but_a_last_piece_of_one(self, n, size):
        order = np.random.default_rng(n).permutation(n)
        pieces = list(chunks(order, size))
        left_out = 1 if n % size == 1 and n > 1 else 0
        assert np.concatenate(pieces).tolist() == order[: n - left_out].tolist()
        assert all(len(piece) == size for piece in pieces[:-1])
        assert n == 1 or all(len(piece) >= 2 for piece in pieces), "batch statistics need two rows"


class TestMostQuestions:
    """Against the batches of every epoch, one by one."""

    @given(images, st.integers(2, 9), st.integers(1, 4), counts, st.booleans(), st.integers(0, 2**16))
    def test_one_in_each_batch_about_a_pair_that_is_in_one(self, n, size, epochs, asked_first, keeps, seed):
        stage = made("train", epochs, size=size, fixed=keeps, strategy=sees("batch"))
        ask_first = made("pretrain", 7, size=size, fixed=keeps, first=asked_first)
        pairs, questions = set(), asked_first
        for epoch in range(epochs):
            for batch in Sampler(seed, n).epoch(stage, epoch, Constraints(n)):
                pairs |= {(i, j) for i in batch.index for j in batch.index if i < j}
                questions += 1
        if not keeps:
            pairs = {(i, j) for i in range(n) for j in range(i + 1, n)}
        assert most_questions([ask_first, stage], n) == (len(pairs), questions)

    @given(images, st.integers(2, 9), counts, st.sampled_from(["pool", "features"]), st.booleans())
    def test_a_strategy_that_sees_more_than_a_batch_may_ask_everything(self, n, size, asked_first, scope, keeps):
        stage = made("train", 3, size=size, fixed=keeps, first=asked_first, strategy=sees(scope))
        pairs = sum(1 for i in range(n) for _ in range(i + 1, n))
        assert most_questions([stage], n) == (pairs, asked_first + pairs)

    @given(images, st.lists(counts, max_size=4))
    def test_without_a_strategy_only_what_is_asked_first(self, n, asked_first):
        stages = [fixed(f"round {number}", 5, first=count) for number, count in enumerate(asked_first)]
        assert most_questions(stages, n) == (n * (n - 1) // 2, sum(asked_first))

    @pytest.mark.parametrize(("epochs", "spent"), [(2, 6), (40, 28 + 28 + 6)])
    def test_a_training_asks_as_many(self, make_session, drive, epochs, spent):
        """Twenty images in batches of 8, 8 and 4: first the steps end, then the pairs."""
        session, stages = make_session(budget=1000, closure="none"), [fixed("train", epochs, strategy="random")]
        drive(session, stages)
        assert session.known.spent == min(most_questions(stages, 20)) == spent
