"""Text from outside is fit for a message, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune import text

ANY = st.text(st.characters(exclude_categories=[]))


@given(ANY, st.integers(3, 40))
def test_a_shortened_text_is_as_long_as_allowed(words: str, length: int) -> None:
    for shortened in (text.shorten(words, length), text.both_ends(words, length)):
        assert len(shortened) <= length
        assert shortened == words or len(words) > length


@given(ANY)
def test_what_is_shown_cannot_steer_a_terminal(words: str) -> None:
    for shown in (text.escape_control(words, strict=True), text.replace_control(words)):
        assert all(sign.isprintable() or sign in "\n\t" for sign in shown)
    assert text.escape_control(text.escape_control(words)) == text.escape_control(words)
    assert len(text.replace_control(words)) == len(words)


@given(ANY | st.integers() | st.floats() | st.lists(st.integers()) | st.none(), st.integers(2, 80))
def test_a_quoted_value_is_one_printable_line(value: object, length: int) -> None:
    shown = text.quote(value, length)
    assert len(shown) <= length
    assert shown.isprintable()


def test_a_number_of_too_many_digits_is_quoted() -> None:
    assert text.quote(10**5_000) == "a very large number"


def test_scripts_without_spaces_have_words() -> None:
    assert text.WORDS.findall("東京 tower") == ["東", "京", "tower"]
    assert text.WORDS_AND_SIGNS.findall("a, b") == ["a", ",", "b"]


@pytest.mark.parametrize("newline", [" ", "↵\n"])
def test_line_breaks_become_what_is_asked_for(newline: str) -> None:
    assert text.escape_control("a\nb", newline=newline) == f"a{newline}b"


def test_similar_names_whatever_their_case() -> None:
    assert text.nearest("LABEL-none", ["labels-none", "rows-empty-reply"]) == ["labels-none"]
    assert text.did_you_mean("zzz", ["labels-none"]) == ""
