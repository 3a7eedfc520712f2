"""Repetition and likeness of texts in any script."""

from __future__ import annotations

from sanetune.checks.samples._ngrams import MOST, alike, between, repeated, tail, words


def test_words_are_small_and_signs_stand_alone() -> None:
    assert words("The cat's 12 LIVES!") == ["the", "cat", "'", "s", "12", "lives", "!"]
    assert words("大きな本") == list("大きな本")
    assert words("0" * 30) == ["0"] * 30


def test_a_huge_text_costs_little() -> None:
    found = words("one two " * 1_000_000)
    assert len(found) == MOST


def test_repetition_goes_from_nothing_to_nearly_one() -> None:
    assert repeated(words("each word of this line is a new one")) == 0
    assert repeated(words("no " * 100)) > 0.98
    assert repeated([]) == repeated(["a"]) == 0


def test_a_phrase_at_the_end_is_found_wherever_it_is_truncated() -> None:
    assert tail([*"abc", *"xyxyxy"]) == (6, 2)
    assert tail([*"abc", *"xyxyxyx"]) == (7, 2)
    assert tail([*"abc", *"xyxy"]) == (0, 0)
    assert tail([]) == (0, 0)


def test_likeness() -> None:
    assert alike(["a"], ["a"]) == alike([], []) == 1
    assert alike(["a"], ["b"]) == alike(["a"], []) == 0
    assert between([["a"], ["a"], ["b"]]) == 0.5 and between([["a"]]) == 0
