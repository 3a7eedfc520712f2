"""Columns and keys whose text nobody reads are found; names, numbers, labels and copies are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import fields_unused
from sanetune.data.conversation_reader import read_conversations
from sanetune.data.sources.source import Source
from sanetune.data.unread_columns import UnreadColumn, merged
from sanetune.evidence.conversations import Rows
from sanetune.finding import Judgement, Measurement, Verdict
from tests.checks.chats import judged

Check = Callable[..., tuple[Measurement, Judgement]]


def words(number: int, count: int = 8) -> str:
    known = ("river", "stone", "lamp", "green", "paper", "quiet", "morning", "seven", "bottle", "window", "lake", "ink")
    return " ".join(known[(number * 7 + at * 5) % 12] for at in range(count)) + f" {number}"


def rows_of(sources: list[Source], fields: dict[str, str] | None = None) -> Rows:
    reader = read_conversations(sources, fields=fields)
    list(reader)
    unread = merged(reader.unread.columns.values())
    return Rows(reader.rows, 0, [], reader.formats, [], unread, reader.unread.notes, reader.left_out)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Judges rows, each made from its number."""

    def over(make: Callable[[int], dict[str, Any]], fields: dict[str, str] | None = None, count: int = 60) -> Any:
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(make(number)) + "\n" for number in range(count)))
        return judged(fields_unused, rows_of([Source(str(file))], fields))

    return over


def pair(n: int, **more: Any) -> dict[str, Any]:
    return {"question": words(n), "answer": words(n + 1), **more}


def chat(n: int, **more: Any) -> dict[str, Any]:
    user, reply = {"role": "user", "content": words(n)}, {"role": "assistant", "content": words(n + 1)}
    return {"messages": [{**user, **more}, reply]}


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda n: {"instruction": "Answer.", "question": words(n), "output": words(n + 1)}, "question"),
        (lambda n: {"prompt": words(n), "completion": words(n + 1), "question": words(n + 2)}, "question"),
        (lambda n: pair(n, problem=words(n + 2)), "problem"),
    ],
)
def test_a_question_of_which_a_part_is_lost_fails_and_says_how_to_map_it(
    make: Callable[[int], dict[str, Any]], path: str, check: Check
) -> None:
    measured, judgement = check(make)
    assert judgement.verdict is Verdict.FAIL
    assert f"nothing reads `{path}` (60, 100 %)" in judgement.message
    assert f"input: {path}" in judgement.remedy
    assert measured.witnesses[0].place and measured.witnesses[0].place.line == 1


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda n: pair(n, explanation=words(n + 3, 20)), "explanation"),
        (lambda n: {**chat(n), "documents": [{"title": "a", "text": words(n + 3, 20)}]}, "documents"),
        (lambda n: chat(n, attachments=[{"name": "a.txt", "content": words(n + 3, 20)}]), "messages.attachments"),
        (lambda n: {"text": words(n), "summary": words(n + 5)}, "summary"),
        (lambda n: pair(n, is_correct=n % 3 > 0), "is_correct"),
        (lambda n: {"prompt": words(n), "completion": words(n + 1), "label": n % 2}, "label"),
        (lambda n: {**chat(n), "weight": 1 if n % 2 else 0.2}, "weight"),
        (lambda n: {**chat(n), "train_on_turn": [False, True]}, "train_on_turn"),
        (lambda n: chat(n, supervised=False), "messages.supervised"),
    ],
)
def test_text_that_nothing_reads_warns(make: Callable[[int], dict[str, Any]], path: str, check: Check) -> None:
    _, judgement = check(make)
    assert judgement.verdict is Verdict.WARN
    assert f"`{path}`" in judgement.message


@pytest.mark.parametrize(
    "make",
    [
        lambda n: pair(n, id=f"q{n}", source="https://a.b/c", score=0.5, license="cc by sa four", label=n % 5),
        lambda n: pair(n, context=words(n + 2, 30)),
        lambda n: pair(n, category="closed question answering", difficulty="hard"),
        lambda n: {"prompt": words(n), "prompt_id": f"p{n}", **chat(n)},
        lambda n: {
            "instruction": words(n),
            "output": words(n + 1),
            "text": f"Below is a task.\n\n### Instruction:\n{words(n)}\n\n### Response:\n{words(n + 1)}",
        },
        lambda n: chat(n, timestamp="2024-01-01", model="a-model"),
        lambda n: pair(n, task="Answer the question in one short sentence."),
        lambda n: pair(n, metadata={"dataset": "a b c d e", "note": words(n)}),
        lambda n: {"prompt": words(n), "chosen": words(n + 1), "rejected": words(n + 2)},
        lambda n: {**chat(n), "reasoning": "on"},
        lambda n: {**chat(n), "weight": 1, "split": "train", "loss": 0.31 + n, "used_in_training": "yes"},
        lambda n: chat(n, end_turn=n % 2 == 0, edited=False),
    ],
)
def test_what_is_said_about_a_row_passes(make: Callable[[int], dict[str, Any]], check: Check) -> None:
    _, judgement = check(make)
    assert judgement.verdict is Verdict.PASS, judgement.message


@pytest.mark.parametrize(
    ("name", "value"), [("label", "positive"), ("label", 1), ("intent", "refund"), ("answer", "yes")]
)
def test_a_label_beside_a_plain_text_may_be_its_answer(name: str, value: object, check: Check) -> None:
    measured, judgement = check(lambda n: {"text": words(n), name: value})
    assert judgement.verdict is Verdict.WARN and measured.numbers["reported"] == {name: "answer"}
    assert f"completion: {name}" in judgement.remedy
    mapped = {"prompt": "text", "completion": name}
    assert check(lambda n: {"text": words(n), name: str(value)}, mapped)[1].verdict is Verdict.PASS
    few, judgement = check(lambda n: {"text": words(n)} | ({name: value} if n % 2 else {}))
    assert judgement.verdict is Verdict.PASS and not few.numbers["reported"]


def test_a_mapped_column_is_read(check: Check) -> None:
    fields = {"prompt": "instruction", "input": "question + hint", "completion": "output"}
    make = lambda n: {"instruction": "Do.", "question": words(n), "hint": words(n + 3), "output": words(n + 1)}  # noqa: E731
    assert check(make)[1].verdict is Verdict.FAIL
    assert check(make, fields)[1].verdict is Verdict.PASS


def test_what_was_left_out_is_said(check: Check) -> None:
    _, judgement = check(lambda n: {"prompt": words(n), "completion": words(n + 1), "label": n % 2 == 0})
    assert "30 rows: rejected answer (`label` is false)" in judgement.message


def test_slips_of_single_rows_do_not_warn(check: Check) -> None:
    make = lambda n: pair(n, **({"note": words(n + 4)} if n == 7 else {}))  # noqa: E731
    assert check(make, count=300)[1].verdict is Verdict.PASS
    assert check(make, count=60)[1].verdict is Verdict.WARN


def test_counts_survive_storage_and_add_up() -> None:
    column = UnreadColumn("a", 3, 3, 40, 3, 9, 1, ["x", "y"], 1)
    assert UnreadColumn.from_json(json.loads(json.dumps(column.to_json()))).to_json() == column.to_json()
    (both,) = merged([column, UnreadColumn("a", 2, 2, 10, 2, 4, 0, ["y", "z"], 0)])
    assert (both.rows, both.characters, both.values, both.repeated) == (5, 50, ["x", "y", "z"], 2)


def test_without_rows_there_is_nothing_to_say() -> None:
    from sanetune.checks.base import Check as One

    with pytest.raises(NotApplicableError):
        One.of(fields_unused).measured([Rows(0, 0, [], {})], One.of(fields_unused).defaults)  # type: ignore[arg-type]


REAL = [
    ("alpaca/instruction-data.json", {}),
    ("sharegpt/dummy_conversation.json", {}),
    ("gsm8k/test.jsonl", {}),
    ("messages/drone_training.jsonl", {}),
    ("messages/toy_chat_fine_tuning.jsonl", {}),
    ("airline/gpt-4o-airline.json", {"messages": "traj"}),
]


@pytest.mark.parametrize(("file", "fields"), REAL)
def test_real_data_passes(shared: Path, file: str, fields: dict[str, str]) -> None:
    _, judgement = judged(fields_unused, rows_of([Source(str(shared / "data" / file))], fields))
    assert judgement.verdict is Verdict.PASS, judgement.message


def test_a_column_without_a_name_is_named_in_words(check: Check) -> None:
    for name in ("", " "):
        _, judgement = check(lambda n, name=name: pair(n, **{name: n}))
        assert "not needed are `(no name)`" in judgement.message
