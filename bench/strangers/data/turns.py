"""Turns that are not to be learned, splits in folders, and leaks from training into validation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.strangers.data.case import Case, Row, chat, chats, some, two_turns

OFF: tuple[tuple[str, Any, Any], ...] = (
    ("weight", 0, 1), ("train", False, True), ("training", False, True), ("trainable", False, True),
    ("learn", False, True), ("loss", False, True),
    ("loss", 0, 1), ("loss_mask", 0, 1), ("loss_weight", 0.0, 1.0), ("masked", True, False),
    ("loss_scale", 0, 1), ("weight", 0.0, 1.0),
)  # fmt: skip
"""(key, value for a turn that is not to be learned, value for one that is)."""


def masked_turns() -> Iterator[Case]:
    """A key of a message takes its turn out of the loss, and only that turn."""
    rows = two_turns()
    first, second = rows[2][1]["content"], rows[2][3]["content"]
    for key, off, on in OFF:
        made = [{"messages": [r[0], r[1] | {key: off}, r[2], r[3] | {key: on}]} for r in rows]
        yield Case(f"{key}: {off}", {"train.jsonl": made}, in_loss=(second,), masked=(first,))
        made = [{"messages": [r[0], r[1], r[2], r[3] | {key: off}]} for r in rows]
        yield Case(f"{key}: {off} on the last turn", {"train.jsonl": made}, in_loss=(first,), masked=(second,))
    made = [{"messages": [r[0], r[1] | {"weight": 0.5}, r[2], r[3]]} for r in rows]
    yield Case("weight: 0.5", {"train.jsonl": made}, refused=("weight", "0.5"))


def split_names() -> Iterator[Case]:
    """A folder with files of several splits: test rows are never trained on."""
    train, validation, test = chats(some(60)), chats(some(20, 60)), chats(some(20, 80))
    inside, outside = some(60)[3][1], some(20, 80)[3][1]
    for names in (
        ("train.jsonl", "validation.jsonl", "test.jsonl"), ("train.jsonl", "valid.jsonl", "test.jsonl"),
        ("train.jsonl", "dev.jsonl", "test.jsonl"), ("train.jsonl", "eval.jsonl", "test.jsonl"),
        ("train-00000-of-00001.jsonl", "validation-00000-of-00001.jsonl", "test-00000-of-00001.jsonl"),
        ("data/train.jsonl", "data/val.jsonl", "data/test.jsonl"),
        ("my_train.jsonl", "my_validation.jsonl", "my_test.jsonl"),
    ):  # fmt: skip
        files = {f"rows/{name}": rows for name, rows in zip(names, (train, validation, test), strict=True)}
        found = {"in_loss": (inside,), "absent": (outside,)}
        yield Case("folder of " + ", ".join(names), dict(files), {"train": "rows"}, **found)


def leaks() -> Iterator[Case]:
    """Validation rows that are in training, in whole or in part."""
    rows = [chat(*a, *b, *c) for a, b, c in zip(some(40), some(40, 40), some(40, 80), strict=True)]
    other = chats(some(12, 120))
    train = [{"messages": row} for row in rows]
    parts = {
        "its beginning": lambda row: row[:2], "its first two exchanges": lambda row: row[:4],
        "its middle": lambda row: row[2:4], "its end": lambda row: row[4:],
        "the whole row": lambda row: row,
        "the whole, with a system message": lambda row: [*chat(system="Be brief."), *row],
    }  # fmt: skip
    for name, part in parts.items():
        leaked = [{"messages": part(row)} for row in rows[:12]]
        files: dict[str, Any] = {"train.jsonl": train, "held.jsonl": other + leaked}
        yield Case(f"validation holds {name}", files, {"validation": "held.jsonl"}, named=("rows-leaked",))
    files = {"train.jsonl": train, "held.jsonl": other}
    yield Case("no leak", files, {"validation": "held.jsonl"})
    hello = chat("Hello!", "Hello! How can I help you today?")
    greeted: list[Row] = [{"messages": (hello if n % 8 == 0 else []) + row[:2]} for n, row in enumerate(rows)]
    files = {"train.jsonl": greeted, "held.jsonl": [{"messages": hello + row["messages"]} for row in other]}
    yield Case("the same greeting in some rows of both", files, {"validation": "held.jsonl"})


KINDS = {"masked turns": masked_turns, "split names": split_names, "leaks": leaks}
