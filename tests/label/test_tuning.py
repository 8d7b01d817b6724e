"""The network that is trained beside the questions, and when its word counts."""

import numpy as np
import pytest

from pcl.label import tuning
from pcl.label.about import About, create
from pcl.label.session import Session
from pcl.label.tuning import Tuned
from pcl.neighbourhoods import Neighbourhoods

EACH = 12
KINDS = np.repeat([0, 1, 2], EACH)


def test_it_learns_from_placed_pictures_what_the_groups_look_like(monkeypatch):
    """Groups of unequal size, whose numbers are not in the order in which the method meets them."""
    monkeypatch.setattr(tuning, "SIDE", 16)
    noise = np.random.default_rng(0)
    images = noise.integers(0, 60, (len(KINDS), 3, 16, 16), dtype=np.uint8)
    images[np.arange(len(KINDS)), KINDS] += 150
    placed = np.array([0, 1, 2, 3, 4, 12, 13, 14, 15, 16, 17, 24, 25, 26, 27, 28, 29, 30])
    states = list(tuning.trained(images, Neighbourhoods(placed, KINDS[placed], 3), [0, 12, 24], 0, epochs=60))
    assert len(states) == 60 // tuning.SHOWN
    last = states[-1]
    np.testing.assert_allclose(last.p.sum(1), 1, rtol=1e-5)
    assert (last.p.argmax(1) == KINDS).mean() > 0.9
    assert last.kept > 0.7


def test_what_it_says_is_carried_over_to_the_groups_that_there_are_now():
    tuned = Tuned(np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], np.float32), np.array([4, 7, 9]), 1.0)
    merged = tuned.over([4, 9], {4: 4, 7: 4, 9: 9})
    assert merged == pytest.approx(np.array([[0.8, 0.2], [0.3, 0.7]]))
    assert tuned.over([4, 7, 9, 11], {4: 4, 7: 7, 9: 9, 11: 11}) is None, "it knows nothing of the new group"


def answered(place):
    """Ten questions about pictures whose features say nothing."""
    create(place, About(folder="pictures", features="rows"))
    session = Session(place, np.random.default_rng(0).normal(size=(len(KINDS), 4)).astype(np.float32))
    for _ in range(60):
        if session.due:
            session.fit()
        asked = session.question()
        if asked is not None:
            session.answer(asked.id, "same" if KINDS[asked.image] == KINDS[asked.members[0]] else "different")
    session.fit()
    return session


@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_its_word_counts_where_it_is_right_more_often(tmp_path, kept):
    session = answered(tmp_path)
    assert session.learning.found.kept is not None and 0 < session.learning.found.kept < 1
    founders = session.groups.founders
    p = np.eye(3, dtype=np.float32)[KINDS][:, [KINDS[founder] for founder in founders]]
    tuning.write(tmp_path, Tuned(p, np.array(founders), kept))
    assert session.due
    session.fit()
    assert session.learning.tuned == bool(kept)
    assert ("a network that learns from you" in session.learning.advice(session.groups)) == bool(kept)
    if kept:
        assert all(
            len(set(KINDS[[*group.answered, *(i for i, _ in group.inferred)]])) == 1 for group in session.shown()
        )


def test_a_damaged_state_is_no_state(tmp_path):
    (tmp_path / tuning.FILE).write_bytes(b"PK\x03\x04 half")
    assert tuning.read(tmp_path) is None
