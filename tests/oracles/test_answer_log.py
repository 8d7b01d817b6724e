"""The answer log: equal answers give equal bytes, and a damaged file says where and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl.errors import UserError
from pcl.oracles.log import Answer, dump, read

FIRST = Answer(1, 7, 12, True, 3, 0, "active", {"up": 0.123456789, "hp": -2.0})
SECOND = Answer(2, 3, 12, None, 4, 0, "active", {})
LINE = (
    '{"number": 1, "i": 7, "j": 12, "same": true, "step": 3, "epoch": 0, "stage": "active", '
    '"terms": {"hp": -2.0, "up": 0.123457}}\n'
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.jsonl"


def test_one_answer_is_this_line():
    assert dump([FIRST]) == LINE


def test_the_order_of_the_terms_does_not_matter():
    assert dump([replace(FIRST, terms={"hp": -2.0, "up": 0.123456789})]) == LINE


count = st.integers(0, 10**9)
finite = st.floats(allow_nan=False, allow_infinity=False)
answer = st.builds(
    Answer, count, count, count, st.sampled_from([True, False, None]), count, count, st.text(max_size=5),
    st.dictionaries(st.text(max_size=5), finite, max_size=3),
)  # fmt: skip


@given(st.lists(answer, max_size=3))
def test_a_log_read_and_written_again_is_the_same(tmp_path_factory, answers):
    path = tmp_path_factory.getbasetemp() / "again.jsonl"
    answers = [replace(a, number=k) for k, a in enumerate(answers, start=1)]
    path.write_text(dump(answers))
    again = read(path)
    assert dump(again) == dump(answers)
    for old, new in zip(answers, again, strict=True):
        assert replace(new, terms={}) == replace(old, terms={})
        assert new.terms == pytest.approx(old.terms, rel=1e-5, abs=0)


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("after", ["", "\n", "\n \n"])
def test_what_an_editor_adds_is_no_damage(path, start, end, after):
    text = start + dump([FIRST, SECOND]) + after
    path.write_bytes(text.replace("\n", end).encode())
    assert dump(read(path)) == dump([FIRST, SECOND])


def test_a_term_that_is_no_number_is_not_written():
    with pytest.raises(ValueError, match="JSON compliant"):
        dump([replace(FIRST, terms={"up": float("nan")})])


def test_a_complete_last_line_needs_no_newline(path):
    path.write_text(dump([FIRST, SECOND]).rstrip("\n"))
    assert read(path)[1] == SECOND


@given(st.data())
def test_a_half_written_last_line_says_what_to_do(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "half.jsonl"
    last = dump([SECOND])
    path.write_text(LINE + last[: data.draw(st.integers(1, len(last) - 2))])
    with pytest.raises(UserError, match=r"half\.jsonl:2: the last line is half-written.*delete this line"):
        read(path)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("{", "not a line of JSON"),
        ("", "not a line of JSON"),
        ("[]", "exactly the keys number, i, j"),
        ('{"number": 2}', "exactly the keys number, i, j"),
        (dump([SECOND]).replace("null", '"yes"').strip(), "same cannot be 'yes'"),
        (dump([SECOND]).replace("12", "12.5").strip(), "j cannot be 12.5"),
        (dump([SECOND]).replace("{}", '{"up": "high"}').strip(), "terms are numbers"),
        (dump([replace(SECOND, i=True)]).strip(), "i cannot be True"),
        (dump([replace(SECOND, number=5)]).strip(), "answer 5 stands where answer 2 belongs"),
    ],
)
def test_a_broken_line_is_named(path, second, message):
    path.write_text(LINE + second + "\n" + LINE)
    with pytest.raises(UserError, match=rf"answers\.jsonl:2: .*{message}"):
        read(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(UserError, match=r"answers\.jsonl: .*cannot be read"):
        read(path)


def test_bytes_that_are_no_text_are_refused(path):
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        read(path)
