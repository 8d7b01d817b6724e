"""An answer is on disk when it is given: kills at any moment, and nobody is asked twice."""

import json
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


@settings(max_examples=60, deadline=None)
@given(pairs=PAIRS, kills=st.lists(st.integers(0, 40), max_size=4), torn=st.integers(0, 30))
def test_whenever_it_is_killed_everything_heard_is_on_disk_and_nobody_is_asked_twice(
    tmp_path_factory, pairs, kills, torn
):
    """A killed training starts over from the beginning and asks the same questions again."""
    path, person = tmp_path_factory.mktemp("journal") / "answers.jsonl", Person()
    for stop in [*kills, len(pairs)]:
        journal = Journal(path, person, budget=100)
        for i, j in pairs[:stop]:
            heard = journal.answer(Question(i, j))
            assert heard == said(Question(i, j))
            written = [(a.i, a.j, a.same) for a in log.read(path)]
            assert (i, j, heard) in written
            assert written == [(a, b, said(Question(a, b))) for a, b in person.asked], (
                "all that was ever said, in order"
            )
        assert journal.remaining == 100 - sum(said(Question(i, j)) is not None for i, j in pairs[:stop])
        if stop < len(pairs):  # a kill in the middle of a line that was not heard yet
            with path.open("ab") as file:
                file.write(log.dump([log.Answer(1, 0, 1, True, 0, 0, "train", {})]).encode()[:torn])
    assert len(person.asked) == len(set(person.asked)) == len(set(pairs))


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


@pytest.mark.parametrize("arm", ["pcl", "dcc", "adc"])
@pytest.mark.parametrize("at", [3, 20])
def test_a_run_killed_in_the_middle_of_an_epoch_asks_only_the_rest(workspace, tiny_config, monkeypatch, arm, at):
    """And ends in the same bytes as one that was not."""
    plan, asked = Plan(tiny_config), []

    def files(run):
        return {p.name: p.read_bytes() for p in run.path.iterdir() if p.is_file() and p.name != "provenance.json"}

    def counted(oracle, last=None):
        def reply(question):
            if len(asked) == last:
                raise KeyboardInterrupt
            asked.append((question.i, question.j))
            return oracle.reply(question)

        return type("Counted", (), {"reply": staticmethod(reply)})

    run, made = plan.run("digits10-2", "personalized", arm, 0), inputs.oracle
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
    assert heard == asked, "every answer that was given is there, whenever the last checkpoint was"
    with monkeypatch.context() as patch:
        patch.setattr(inputs, "oracle", lambda *given: counted(made(*given)))
        execute.train(run)
    assert len(asked) == len(set(asked))
    assert files(run) == whole
    before = len(run.pretraining.folder.read_answers()) if run.pretraining else 0
    assert len(asked) == answered - before
