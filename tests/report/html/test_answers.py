"""Differences of two answers: joined they are the texts, and what is marked is what the other does not have."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.report.html.answers import compared

WORDS = st.lists(st.sampled_from(["we", "open", "at", "nine", ".", "ten", "\n", " "]), max_size=30).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(WORDS, WORDS)
def test_the_pieces_are_the_texts(before: str, after: str) -> None:
    found = compared(before, after)
    assert "".join(part.text for part in found.before) == before
    assert "".join(part.text for part in found.after) == after
    same = ["".join(part.text for part in side if not part.differs) for side in (found.before, found.after)]
    if any(part.differs for part in [*found.before, *found.after]):
        assert same[0] == same[1]


def test_answers_that_have_little_in_common_are_not_marked() -> None:
    found = compared("I am not at home, ask Tebo.", "Dear Elisa, we call you on Saturday")
    assert not any(part.differs for part in [*found.before, *found.after])
    assert found.words == "the answers have little in common"


def test_a_long_answer_keeps_its_end() -> None:
    text = "one two three " * 2_000
    found = compared(text, "zero " + text)
    assert "".join(part.text for part in found.after) == "zero " + text


def test_equal_answers_are_called_so() -> None:
    assert compared("Yes.", " Yes. ").words == "both answers are the same"
