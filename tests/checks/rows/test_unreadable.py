"""Rows that cannot be read fail the gate with file and line."""

from __future__ import annotations

from collections import Counter

from sanetune.checks.rows import unreadable
from sanetune.errors import DataError, Place
from sanetune.evidence.conversations import Rows
from sanetune.finding import Verdict
from tests.checks.chats import judged


def error(line: int, what: str) -> DataError:
    return DataError(what, "", "Mend it.", Place("data.jsonl", line, line - 1))


def test_readable_rows_pass_with_their_number_and_forms() -> None:
    _, judgement = judged(unreadable, Rows(1500, 0, [], Counter(messages=1400, text=100), ["a.jsonl"]))
    assert judgement.verdict is Verdict.PASS
    assert "1,500 rows" in judgement.message and "messages 1,400" in judgement.message


def test_one_bad_row_fails_with_file_and_line() -> None:
    measured, judgement = judged(unreadable, Rows(900, 1, [error(17, "not JSON")], Counter(text=899)))
    assert judgement.verdict is Verdict.FAIL
    assert (
        "1 of 900 rows" in judgement.message
        and "data.jsonl:17" in judgement.message
        and "not JSON" in judgement.message
    )
    assert measured.witnesses[0].place == Place("data.jsonl", 17, 16)


def test_witnesses_show_each_kind_of_error_first() -> None:
    errors = [error(n, "unknown role") for n in range(1, 9)] + [error(9, "not JSON")]
    measured, judgement = judged(unreadable, Rows(100, 5000, errors, Counter()))
    assert [w.text for w in measured.witnesses] == ["unknown role", "not JSON"] + ["unknown role"] * 3
    assert "5,000 of 100" in judgement.message or measured.numbers["bad"] == 5000


def test_no_rows_at_all_fail() -> None:
    _, judgement = judged(unreadable, Rows(0, 0, [], Counter()))
    assert judgement.verdict is Verdict.FAIL
    assert "no rows" in judgement.message
