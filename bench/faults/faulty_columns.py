"""Texts in columns and keys that nobody reads."""

from __future__ import annotations

from bench.faults.recipes import breaks
from bench.faults.setups import Row, Setup

ON = ("demo-demo", "stories-alpaca", "llama3-gsm8k")


def pairs(setup: Setup) -> list[tuple[str, str]]:
    """First question and first answer of every row."""
    turns = [
        [m["content"] for m in row["messages"] if m["role"] in ("user", "assistant")] for row in setup.as_messages()
    ]
    return [(asked, answered) for asked, answered, *_ in turns]


@breaks("rows-fields-unused", on=ON, related=("config-no-validation", "rows-duplicated"))
def question_beside_an_instruction(setup: Setup) -> None:
    """Every row has the same instruction, and its question in a column of its own."""
    setup.write([{"instruction": "Answer.", "question": q, "output": a} for q, a in pairs(setup)])


@breaks("rows-fields-unused", on=ON)
def explanation_beside_the_answer(setup: Setup) -> None:
    """Every row explains its answer in a column that no format has."""
    found = pairs(setup)
    explained = [f"First comes this part of it: {q[:80]} It was row {n}." for n, (q, _) in enumerate(found)]
    setup.write([{"prompt": q, "completion": a, "why": why} for (q, a), why in zip(found, explained, strict=True)])


@breaks("rows-fields-unused", on=("demo-demo", "llama3-sharegpt"))
def attachments_of_questions(setup: Setup) -> None:
    """The first message of every row has an attached text."""
    rows: list[Row] = setup.as_messages()
    for number, row in enumerate(rows):
        text = f"These are the notes of visit {number}, which the question is about."
        row["messages"][0]["attachments"] = [{"name": f"{number}.txt", "content": text}]
    setup.write(rows)


@breaks("rows-fields-unused", on=ON)
def labels_of_rejected_answers(setup: Setup) -> None:
    """Every second answer is marked as rejected by a 0 in the column label."""
    setup.write([{"prompt": q, "completion": a, "label": n % 2} for n, (q, a) in enumerate(pairs(setup))])
