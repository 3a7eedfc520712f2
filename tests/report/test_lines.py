"""Findings one a line: each has file and line, stays on its line, and cannot add commands of its own."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sanetune.errors import DataError, Place
from sanetune.finding import Finding, Report, Verdict, Witness
from sanetune.report.lines import github, lines
from tests.report import sample


def test_each_place_has_a_line_and_a_finding_without_one_that_of_the_configuration() -> None:
    found = lines(sample.report())
    heads = [line.partition("] ")[0] + "]" for line in found[:-1]]
    assert heads == [
        "sanetune.yaml:1: tokens-unknown [crash]",
        "data/train.jsonl:12: labels-on-prompt [fail]",
        "data/train.jsonl:3: labels-on-prompt [fail]",
        "data/train.jsonl:812: rows-duplicated [warn]",
        "data/train.jsonl:900: rows-duplicated [warn]",
        "data/train.jsonl:901: rows-duplicated [warn]",
        "data/train.jsonl:902: rows-duplicated [warn]",
        "sanetune.yaml:9: config-rate-unusual [warn]",
    ]
    assert found[1].endswith("Here: 18 tokens of this turn are in the loss")
    assert found[-1].startswith("refused: 1 crashed, 1 failed")


def test_a_row_of_a_file_without_lines_has_its_number() -> None:
    finding = Finding("rows-roles", Verdict.FAIL, "One.", witnesses=[Witness("x", Place("a.parquet", None, 7))])
    assert lines(Report([finding]))[0] == "a.parquet: row 7: rows-roles [fail] One."


def test_unusable_input_is_a_line_too() -> None:
    error = DataError("line 3 is not JSON", "It cannot be read.", "Is it CSV?", Place("rows.jsonl", 3))
    (first, _) = lines(Report([], unusable=error))
    assert first == "rows.jsonl:3: unusable [fail] line 3 is not JSON. It cannot be read. Is it CSV?"


def test_annotations_have_level_file_line_and_title() -> None:
    found = github(sample.report())
    assert found[1].startswith("::error file=data/train.jsonl,line=12,title=labels-on-prompt::12,345 of 40,000 tokens")
    assert "(30.9 %25)" in found[1]
    assert found[3].startswith("::warning file=data/train.jsonl,line=812,title=rows-duplicated::")


@given(st.text(min_size=1))
def test_no_text_makes_a_second_line_or_another_property(text: str) -> None:
    witness = Witness(text, Place(text, 1), text)
    report = Report([Finding("rows-roles", Verdict.FAIL, text, witnesses=[witness])], subject={"config": text})
    for written in (lines(report), github(report)):
        assert len(written) == 2
        assert all(sign.isprintable() for sign in written[0])
    properties = re.match(r"::error file=([^,:]*),line=1,title=rows-roles::", github(report)[0])
    assert properties is not None
