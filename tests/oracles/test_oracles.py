"""Who answers: the contract of every oracle, and what is particular to each."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from pcl import oracles
from pcl.errors import UserError
from pcl.oracles.log import Answer, dump

LABELS = np.random.default_rng(0).integers(3, size=60)
PAIRS = list(combinations(range(60), 2))


@pytest.fixture
def log(tmp_path):
    """A log that answers every pair truthfully, except that (0, 1) is unsure."""
    answers = [
        Answer(k, i, j, None if (i, j) == (0, 1) else bool(LABELS[i] == LABELS[j]), k, 0, "active", {})
        for k, (i, j) in enumerate(PAIRS, start=1)
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text(dump(answers))
    return path


@pytest.fixture
def make(log):
    def with_settings(name: str, *, budget: int = 10_000, seed: int = 0, **settings) -> oracles.Oracle:
        needed = {"noisy": {"flip": 0.2}, "replay": {"log": log}}.get(name, {})
        return oracles.make(name, needed | settings, labels=LABELS, budget=budget, seed=seed)

    return with_settings


def test_the_folder_is_the_registry():
    assert oracles.names() == ["noisy", "replay", "truth"]


@pytest.mark.parametrize("name", oracles.names())
class TestContract:
    def test_the_budget_is_its_own_and_never_exceeded(self, make, name):
        oracle = make(name, budget=2)
        oracle.answer(3, 4)
        assert oracle.remaining == 1
        oracle.answer(5, 6)
        with pytest.raises(oracles.BudgetExhausted, match="budget of 2 questions is spent"):
            oracle.answer(7, 8)
        assert oracle.remaining == 0

    def test_the_order_of_a_pair_and_of_the_questions_does_not_matter(self, make, name):
        forwards, backwards = make(name), make(name)
        there = [forwards.answer(i, j) for i, j in PAIRS]
        back = [backwards.answer(j, i) for i, j in reversed(PAIRS)]
        assert there == back[::-1]

    def test_a_negative_budget_is_refused(self, make, name):
        with pytest.raises(UserError, match="budget: -1"):
            make(name, budget=-1)

    def test_the_docstring_names_its_source(self, name):
        assert "Source:" in oracles.get(name).__doc__


def test_truth_is_equality_of_labels(make):
    oracle = make("truth")
    assert all(oracle.answer(i, j) is (LABELS[i] == LABELS[j]).item() for i, j in PAIRS)


@pytest.mark.parametrize("flip", [0, 0.2, 1])
def test_noisy_flips_about_that_share(make, flip):
    oracle = make("noisy", flip=flip)
    wrong = np.mean([oracle.answer(i, j) != (LABELS[i] == LABELS[j]) for i, j in PAIRS])
    assert wrong == pytest.approx(flip, abs=4 * np.sqrt(flip * (1 - flip) / len(PAIRS)))


def test_noisy_depends_on_the_seed(make):
    one, two = make("noisy", seed=1), make("noisy", seed=2)
    assert [one.answer(i, j) for i, j in PAIRS] != [two.answer(i, j) for i, j in PAIRS]


@pytest.mark.parametrize("flip", [-0.1, 1.5, "often"])
def test_noisy_wants_a_probability(make, flip):
    with pytest.raises(UserError, match="must be a probability"):
        make("noisy", flip=flip)


def test_replay_gives_the_recorded_answers_and_unsure_costs_nothing(make):
    oracle = make("replay", budget=1)
    assert oracle.answer(1, 0) is None
    assert oracle.remaining == 1
    assert oracle.answer(9, 8) is bool(LABELS[8] == LABELS[9])
    assert oracle.remaining == 0


def replay(path, *answers: tuple[int, int, bool | None]) -> oracles.Oracle:
    path.write_text(dump(Answer(k, *answer, k, 0, "active", {}) for k, answer in enumerate(answers, start=1)))
    return oracles.make("replay", {"log": path}, labels=LABELS, budget=9, seed=0)


def test_replay_of_a_skipped_pair_gives_the_later_answer(log):
    assert replay(log, (0, 1, None), (1, 0, True), (0, 1, None)).answer(0, 1) is True


def test_replay_refuses_a_pair_that_was_never_asked(log):
    oracle = replay(log, (0, 1, True))
    with pytest.raises(UserError, match=r"answers\.jsonl: images 0 and 2 were never asked about"):
        oracle.answer(0, 2)
    assert oracle.remaining == 9


def test_replay_refuses_a_log_that_answers_a_pair_both_ways(log):
    with pytest.raises(UserError, match=r"answers\.jsonl: answer 2: .* 1 = 0 \(answer 1\) implies"):
        replay(log, (0, 1, True), (1, 0, False))


def test_replay_refuses_a_log_of_other_data(log):
    with pytest.raises(UserError, match=r"answers\.jsonl: images 3 and 60: .* 0 to 59"):
        replay(log, (3, 60, True))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("thruth", {}, "did you mean 'truth'"),
        ("log", {}, "no such"),
        ("base", {}, "no such"),
        ("noisy", {"flop": 0.1}, "did you mean 'flip'"),
        ("noisy", {}, "'flip' is missing"),
        ("truth", {"flip": 0.1}, "no such setting 'flip'"),
    ],
)
def test_names_and_settings_that_do_not_exist(name, settings, message):
    with pytest.raises(UserError, match=message):
        oracles.make(name, settings, labels=LABELS, budget=1, seed=0)


def test_neither_oracles_nor_constraints_import_torch():
    code = "import sys, pcl.constraints, pcl.oracles as o; o.names(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
