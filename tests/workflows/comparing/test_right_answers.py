"""Final numbers and labels are compared as a person would."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from sanetune.workflows.comparing.right_answers import final_answer, right_answers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 18", "18"),
        ("#### 1,234", "1234"),
        ("#### $1,200.50", "1200.5"),
        ("#### 12.0", "12"),
        ("#### -3", "-3"),
        ("#### -0", "0"),
        ("#### .5", "0.5"),
        ("#### 100", "100"),
        ("#### 25%", "25"),
        ("#### 40 dollars", "40"),
        ("#### 7.", "7"),
        ("first #### 1\nthen #### 2", "2"),
        ("#### 3/4", "3/4"),
        ("####5", "5"),
        ("#### \u20ac70", "70"),
        ("#### \u22123", "-3"),
        ("#### \u20133.50", "-3.5"),
        ("#### -$3", "-3"),
        ("#### $-3", "-3"),
        ("#### +-3", "+-3"),
        ("#### **42**", "42"),
        ("**#### 42**", "42"),
        ("#### **42** dollars", "42"),
        ("#### `42`.", "42"),
        ("#### *42*", "42"),
        ("#### $42$", "42"),
        ("#### 1 000", "1000"),
        ("#### 1\u00a0000", "1000"),
        ("#### 1\u202f234\u202f567.50", "1234567.5"),
        ("#### 12\u2009345 km", "12345"),
        ("#### 1 0000", "1 0000"),
        ("#### 3 4/5", "3 4/5"),
        ("#### 10 20", "10 20"),
        ("no answer", None),
        ("####", None),
        ("### 5", None),
    ],
)
def test_final_answers_are_normalised(text: str, number: str | None) -> None:
    assert final_answer(text) == number


def test_every_answer_of_gsm8k_is_read_as_its_own_number(shared: Path) -> None:
    rows = [json.loads(line) for line in (shared / "data/gsm8k/test.jsonl").read_text().splitlines()]
    assert len(rows) > 1_000
    for row in rows:
        expected = Fraction(row["answer"].rsplit("#### ", 1)[1].replace(",", ""))
        found = final_answer(row["answer"])
        assert found is not None and Fraction(found) == expected


def test_labels_are_compared_as_text_and_letters_not_at_all() -> None:
    labels = ["positive"] * 5 + ["negative"] * 5
    found = right_answers(labels)
    assert found is not None
    words, right = found
    assert words == "label is right"
    assert right(" positive\n", "positive") and not right("negative", "positive")
    assert right_answers([f"Dear {name}, ..." for name in "abcdefgh"]) is None
    assert right_answers(["always the same"] * 9) is None, "what is always the same says nothing"
    assert right_answers([]) is None and right_answers(["", " "]) is None


def test_an_answer_without_a_final_number_is_wrong() -> None:
    found = right_answers(["#### 4", "#### 5"])
    assert found is not None
    assert not found[1]("It is 4.", "#### 4")
    assert not found[1]("no answer", "no answer either")
