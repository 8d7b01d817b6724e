"""A session as a person meets it: questions, groups by hand, wrong answers, undoing, and coming back."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from pcl.constraints import Contradiction
from pcl.errors import UserError
from pcl.label import events
from pcl.label.about import About, create
from pcl.label.session import Clash, Session, Stale

EACH, GROUPS = 12, 3
N = EACH * GROUPS


def rows() -> np.ndarray:
    """Three groups of pictures that lie apart."""
    noise = np.random.default_rng(0).normal(size=(N, 2))
    return (np.repeat([[0, 0], [8, 0], [0, 8]], EACH, axis=0) + noise).astype(np.float32)


def of(image: int) -> int:
    return image // EACH


@pytest.fixture
def begin(tmp_path):
    """A new session in a folder of its own."""

    def begin(**about):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        create(place, About(folder="pictures", features="rows", **about))
        return Session(place, rows())

    return begin


def truly(session: Session, count: int) -> None:
    """Answer so many questions as they are."""
    for _ in range(count):
        if session.due:
            session.fit()
        asked = session.question()
        if asked is None:
            return
        session.answer(asked.id, "same" if of(asked.image) == of(asked.members[0]) else "different")


def labels(session: Session) -> np.ndarray:
    """The founder of the group in which every picture is shown."""
    found = np.full(N, -1)
    for group in session.shown():
        found[[*group.answered, *(image for image, _ in group.inferred)]] = group.id
    return found


@pytest.mark.parametrize("clusters", [None, 3])
def test_a_dozen_answers_sort_what_lies_apart(begin, clusters):
    session = begin(clusters=clusters)
    truly(session, 12)
    session.fit()
    found = labels(session)
    assert len(session.groups.founders) == GROUPS
    assert [len(set(found[of(np.arange(N)) == own])) for own in range(GROUPS)] == [1] * GROUPS


def test_every_answer_is_a_line_and_the_next_question_outlives_the_process(begin):
    session = begin()
    truly(session, 7)
    assert len(session.log.read_text().splitlines()) == 7
    again = Session(session.place, rows())
    assert again.question() == session.question()
    assert (again.said, again.groups.of) == (session.said, session.groups.of)


def test_what_a_kill_has_cut_short_is_forgotten_and_damage_is_named(begin):
    session = begin()
    truly(session, 3)
    whole = session.log.read_bytes()
    session.log.write_bytes(whole + b'{"number": 4, "at"')
    assert len(Session(session.place, rows()).standing) == 3
    assert session.log.read_bytes() == whole
    session.log.write_bytes(whole.replace(b'"number":2', b'"number":"two"'))
    with pytest.raises(UserError, match=r"log\.jsonl:2: number"):
        Session(session.place, rows())


def test_undoing_without_limit_and_an_answer_to_another_question_is_refused(begin):
    session = begin()
    truly(session, 5)
    asked = session.question()
    states = []
    while session.standing:
        states.append(dict(session.said))
        assert session.undo()
    assert [len(said) for said in states] == [5, 4, 3, 2, 1]
    assert not session.undo()
    with pytest.raises(Stale):
        session.answer(asked.id, "same")


def test_none_of_these_opens_a_group_and_choosing_another_one_answers_about_that(begin):
    session = begin()
    truly(session, 10)
    asked = session.question()
    other = asked.others[0]
    session.answer(asked.id, "choose", group=other)
    assert session.groups.of[asked.image] == other
    session.undo()
    session.answer(session.question().id, "none")
    assert session.groups.of[asked.image] == asked.image
    assert len(session.groups.founders) == GROUPS + 1


def test_no_more_groups_than_the_person_has_said(begin):
    session = begin(clusters=3)
    truly(session, 10)
    with pytest.raises(UserError, match="raise that number"):
        session.answer(session.question().id, "none")
    with pytest.raises(UserError, match="3 groups already"):
        session.move([session.question().image], None)


def test_a_contradiction_shows_its_chain_and_keeps_nothing_until_it_is_settled(begin):
    session = begin()
    for i, j, same in ((0, 1, True), (1, 2, True), (2, 12, False)):
        session.hear(i, j, same)
    before = session.log.read_bytes()
    with pytest.raises(Clash) as refused:
        session.hear(0, 12, True)
    assert [(given.i, given.j, given.same) for given in refused.value.chain] == [
        (0, 1, True),
        (1, 2, True),
        (2, 12, False),
    ]
    assert session.log.read_bytes() == before
    session.settle((0, 12), True, "new", [(2, 12)])
    assert session.known.relation(1, 12) is True
    session.undo()
    session.settle((0, 12), True, "old")
    assert session.said[(0, 12)] is False


def test_flipping_an_answer_that_others_bear_out_is_a_contradiction(begin):
    session = begin()
    for i, j, same in ((0, 1, True), (1, 2, True), (0, 2, True)):
        session.hear(i, j, same)
    with pytest.raises(Contradiction):
        session.flip(3)
    session.hear(5, 6, True)
    session.flip(4)
    assert session.known.relation(5, 6) is False


def test_unsure_skips_a_group_and_costs_nothing(begin):
    session = begin(budget=8)
    truly(session, 7)
    asked = session.question()
    session.answer(asked.id, "unsure")
    following = session.question()
    assert (following.image, following.group) != (asked.image, asked.group)
    assert session.left == 1
    truly(session, 1)
    assert session.left == 0
    assert session.question() is None


def test_tapping_answers_about_all_that_were_offered(begin):
    session = begin(mode="tap")
    for i, j, same in ((0, 1, True), (0, 12, False), (0, 24, False), (12, 24, False)):
        session.hear(i, j, same)
    session.fit()
    asked = session.question()
    assert asked.kind == "tap"
    session.answer(asked.id, "tap", chosen=[image for image in asked.candidates if of(image) == of(asked.members[0])])
    assert all(
        session.known.relation(image, asked.group) is (of(image) == of(asked.group)) for image in asked.candidates
    )


image = some.integers(0, N - 1)
act = some.one_of(
    some.tuples(some.just("hear"), image, image, some.sampled_from([True, False, None])),
    some.tuples(some.just("move"), some.lists(image, min_size=1, max_size=4, unique=True), some.integers(0, 4)),
    some.tuples(some.just("merge"), some.integers(0, 4), some.integers(0, 4)),
    some.tuples(some.just("undo")),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=some.lists(act, max_size=25))
def test_whatever_a_person_does_holds_and_is_the_same_after_coming_back(begin, acts):
    session = begin()
    for kind, *words in acts:
        founders = session.groups.founders
        if kind == "undo":
            session.undo()
        elif kind == "hear" and words[0] != words[1]:
            try:
                session.hear(*words)
            except Contradiction:
                continue
            if words[2] is not None:
                assert session.known.relation(words[0], words[1]) is words[2]
        elif kind == "move" and founders:
            to = founders[words[1]] if words[1] < len(founders) else None
            others = {i: own for i, own in session.groups.of.items() if i not in words[0]}
            session.move(words[0], to)
            moved = {session.groups.of[i] for i in words[0]}
            assert len(moved) == 1
            kept = [i for i in others if session.groups.of.get(i) in moved]
            assert {others[i] for i in kept} <= {to}
            apart = {frozenset((i, j)) for i in others for j in others if others[i] != others[j]}
            assert all(session.groups.of.get(i) != session.groups.of.get(j) for i, j in map(tuple, apart))
        elif kind == "merge" and len({*words}) == 2 and max(words) < len(founders):
            both = [session.groups.members(founders[own])[0] for own in words]
            session.merge([founders[own] for own in words])
            assert session.known.relation(int(both[0]), int(both[1])) is True
    again = Session(session.place, rows())
    assert again.said == session.said
    assert again.groups.of == session.groups.of


def test_names_stay_with_the_group_that_holds_the_picture(begin):
    session = begin()
    for i, j, same in ((0, 1, True), (0, 12, False), (12, 13, True)):
        session.hear(i, j, same)
    session.rename(session.groups.of[12], "  hearts ")
    session.move([12], None)
    assert session.names() == {session.groups.of[12]: "hearts"}


def test_a_full_disk_is_told_and_the_log_stays_whole(begin, monkeypatch):
    session = begin()
    truly(session, 3)
    before = session.log.read_bytes()
    monkeypatch.setattr(
        "pcl.artifacts.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(UserError, match="No space left"):
        session.hear(30, 31, True)
    monkeypatch.undo()
    assert session.log.read_bytes() == before
    session.hear(30, 31, True)
    assert [json.loads(line)["number"] for line in session.log.read_text().splitlines()] == [1, 2, 3, 4]
    assert len(events.read(session.log)) == 4
