"""An answer is on disk when it is given: kills at any moment, and nobody is asked twice."""

import json
import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.errors import UserError
from pcl.oracles import log
from pcl.oracles.base import Question
from pcl.oracles.journal import BudgetExhausted, Journal
from pcl.plan import Plan
from pcl.run import execute, inputs
from pcl.run.driver import drive

PAIRS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=25
)


def said(question):
    """Unsure about a third of the pairs, and the truth by parity about the others."""
    total = question.i + question.j
    return None if total % 3 == 0 else total % 2 == 0


class Person:
    """Counts how often each pair is asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, question):
        self.asked.append((question.i, question.j))
        return said(question)


LIVES = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(0, 30)), max_size=4)


def heard_of(pairs):
    """What a training that has asked these pairs keeps in its checkpoint: a line for each time."""
    return [log.Answer(n, i, j, said(Question(i, j)), 0, 0, "train", {}) for n, (i, j) in enumerate(pairs, start=1)]


def affordable(pairs, budget):
    """The questions that a training asks: those before the answer that spends the budget, and that one."""
    spent, asked = 0, []
    for i, j in pairs:
        if spent == budget:
            break
        spent += said(Question(i, j)) is not None
        asked.append((i, j))
    return asked, budget - spent


@settings(max_examples=150, deadline=None)
@given(pairs=PAIRS, budget=st.integers(0, 20), lives=LIVES)
def test_whenever_it_is_killed_everything_heard_is_on_disk_and_nobody_is_asked_twice(
    tmp_path_factory, pairs, budget, lives
):
    """A killed training goes on from any earlier checkpoint, and asks the same questions again from there."""
    path, person, reached = tmp_path_factory.mktemp("journal") / "answers.jsonl", Person(), 0
    pairs, left = affordable(pairs, budget)
    for checkpoint, stop, torn in [*lives, (0, len(pairs), 0)]:
        checkpoint, stop = min(checkpoint, reached), min(stop, len(pairs))
        journal = Journal(path, person, budget=budget, heard=heard_of(pairs[:checkpoint]))
        for i, j in pairs[checkpoint:stop]:
            heard = journal.answer(Question(i, j))
            assert heard == said(Question(i, j))
            written = [(a.i, a.j, a.same) for a in log.read(path)]
            assert (i, j, heard) in written
            assert written == [(a, b, said(Question(a, b))) for a, b in person.asked], (
                "all that was ever said, in order"
            )
        reached = max(reached, stop)
        now = max(checkpoint, stop)
        assert journal.remaining == budget - sum(said(Question(i, j)) is not None for i, j in pairs[:now])
        if now < len(pairs):  # a kill in the middle of a line that was not heard yet
            with path.open("ab") as file:
                file.write(log.dump([log.Answer(1, 0, 1, True, 0, 0, "train", {})]).encode()[:torn])
    assert len(person.asked) == len(set(person.asked)) == len(set(pairs))
    assert journal.remaining == left
    if left == 0:
        before = path.read_bytes() if path.exists() else b""
        with pytest.raises(BudgetExhausted):
            journal.answer(Question(0, 10))
        assert (path.read_bytes() if path.exists() else b"") == before
        assert (0, 10) not in person.asked


def test_a_pair_asked_again_loses_no_later_answer(tmp_path):
    """The released baseline pays for the same pair again: the training has then heard more than the log has lines."""
    path, person = tmp_path / "answers.jsonl", Person()
    asked = [(1, 3), (1, 3), (1, 3)]
    journal = Journal(path, person, budget=9)
    for i, j in [*asked, (2, 6)]:
        journal.answer(Question(i, j))
    again = Journal(path, person, budget=9, heard=heard_of(asked))
    assert again.answer(Question(2, 6)) is said(Question(2, 6))
    assert person.asked == [(1, 3), (2, 6)] == [(a.i, a.j) for a in log.read(path)]


def test_a_log_that_is_gone_begins_again_with_what_the_checkpoint_holds(tmp_path):
    before = heard_of([(1, 3), (2, 4)])
    journal = Journal(tmp_path / "answers.jsonl", said, budget=9, heard=before)
    journal.path.unlink()
    assert log.read(Journal(journal.path, said, budget=9, heard=before).path) == before


def test_an_answer_is_synced_and_readable_when_the_training_hears_it(tmp_path, monkeypatch):
    journal, synced, fsync = Journal(tmp_path / "answers.jsonl", said, budget=9), [], os.fsync

    def noted(number):
        fsync(number)
        assert os.fstat(number).st_ino == journal.path.stat().st_ino
        synced.append(len(log.read(journal.path)))

    def training():
        for count, (i, j) in enumerate([(1, 3), (1, 2), (1, 4)], start=1):
            heard = yield Question(i, j)
            last = log.read(journal.path)[-1]
            assert (last.number, last.i, last.j, last.same) == (count, i, j, heard)
            assert synced == list(range(1, count + 1))

    monkeypatch.setattr(os, "fsync", noted)
    drive(training(), journal.answer, [])
    assert synced == [1, 2, 3]


def test_a_question_without_an_answer_costs_nothing_and_can_be_asked_again(tmp_path):
    def away(question):
        raise UserError("nobody there")

    journal = Journal(tmp_path / "answers.jsonl", away, budget=9)
    with pytest.raises(UserError, match="nobody there"):
        journal.answer(Question(1, 3))
    assert journal.remaining == 9 and not journal.path.exists()
    assert Journal(journal.path, said, budget=9).answer(Question(1, 3)) is True


def test_the_budget_pays_for_yes_and_no_and_not_for_unsure(tmp_path):
    journal = Journal(tmp_path / "answers.jsonl", said, budget=2)
    assert journal.answer(Question(1, 2)) is None
    assert (journal.answer(Question(1, 3)), journal.answer(Question(1, 4)), journal.remaining) == (True, False, 0)
    with pytest.raises(BudgetExhausted, match="images 3 and 4: the budget of 2 questions is spent"):
        journal.answer(Question(3, 4))
    assert len(log.read(journal.path)) == 3


def test_a_negative_budget_is_refused(tmp_path):
    with pytest.raises(UserError, match="budget: -1"):
        Journal(tmp_path / "answers.jsonl", said, budget=-1)


def test_what_the_training_starts_from_begins_the_log_and_is_paid_for(tmp_path):
    before = [log.Answer(1, 4, 5, False, 0, 0, "pretrain", {}), log.Answer(2, 5, 6, None, 0, 0, "pretrain", {})]
    person = Person()
    journal = Journal(tmp_path / "answers.jsonl", person, budget=3, heard=before)
    assert journal.remaining == 2 and log.read(journal.path) == before
    journal.answer(Question(1, 3, 7, 2, "train", {"score": 0.5}))
    assert log.read(journal.path)[2] == log.Answer(3, 1, 3, True, 7, 2, "train", {"score": 0.5})


def test_an_unwritable_log_is_said_before_the_training_hears_the_answer(tmp_path):
    (tmp_path / "file").write_text("in the way")
    journal = Journal(tmp_path / "file" / "answers.jsonl", said, budget=3)
    with pytest.raises(UserError, match="cannot be written"):
        journal.answer(Question(1, 3))
    assert journal.remaining == 3


@pytest.mark.parametrize(
    ("arm", "budget", "at", "saved"),
    [
        ("pcl", 30, 3, False),
        ("pcl", 30, 20, False),
        ("pcl", 50, 30, True),  # in the second epoch, after answers that the checkpoint of the first holds
        ("dcc", 30, 3, False),
        ("dcc", 30, 20, False),
        ("adc", 30, 3, False),
        ("adc", 30, 20, True),  # in the second round
    ],
)
def test_a_run_killed_in_the_middle_of_an_epoch_asks_only_the_rest(
    workspace, tiny_config, monkeypatch, arm, budget, at, saved
):
    """And ends in the same bytes as one that was not."""
    plan, asked = Plan(tiny_config), []

    def files(run):
        return {p.name: p.read_bytes() for p in run.path.iterdir() if p.is_file() and p.name != "provenance.json"}

    def counted(oracle, last=None):
        def reply(question):
            if len(asked) == last:
                raise KeyboardInterrupt
            asked.append((question.i, question.j))
            return oracle.answer(question)

        return type("Counted", (), {"answer": staticmethod(reply)})

    run, made = plan.run("digits10-2", "personalized", arm, 0, budget), inputs.oracle
    if run.pretraining is not None:
        execute.pretrain(run)
    execute.train(run)
    whole, answered = files(run), json.loads(run.folder.last.read_text())["questions"]["asked"]
    shutil.rmtree(run.path)
    with monkeypatch.context() as patch:
        patch.setattr(inputs, "oracle", lambda *given: counted(made(*given), last=at))
        with pytest.raises(KeyboardInterrupt):
            execute.train(run)
    heard = [(a.i, a.j) for a in run.folder.read_answers()][-at:]
    assert run.folder.checkpoint.exists() is saved
    assert heard == asked, "every answer that was given is there, whenever the last checkpoint was"
    with monkeypatch.context() as patch:
        patch.setattr(inputs, "oracle", lambda *given: counted(made(*given)))
        execute.train(run)
    assert len(asked) == len(set(asked))
    assert files(run) == whole
    before = len(run.pretraining.folder.read_answers()) if run.pretraining else 0
    assert len(asked) == answered - before
