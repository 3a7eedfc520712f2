"""One file of data as somebody has it, with what is right about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bench.figures import shared

Row = dict[str, Any]
Files = dict[str, "str | list[Row]"]


@dataclass(frozen=True)
class Case:
    """Files, the section ``data``, and what is right.

    Attributes:
        name: What is in the files, in a few words.
        files: Name -> text, or rows that become JSON lines.
        data: The section ``data``, without ``train`` where that is ``train.jsonl``.
        family: The model, of ``bench.faults.setups.FAMILIES``.
        named: At least one of these checks warns or fails; empty: no check of the data does.
        unless_read: A text; where it is in an example, ``named`` need not speak.
        refused: Words that the error has, where the file cannot be used as it is.
        in_loss: Texts that are in the loss.
        masked: Texts that are in an example and not in the loss.
        absent: Texts that are in no example.
    """

    name: str
    files: Files
    data: dict[str, Any] = field(default_factory=dict)
    family: str = "qwen3"
    named: tuple[str, ...] = ()
    unless_read: str = ""
    refused: tuple[str, ...] = ()
    in_loss: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


Maker = Callable[[], Iterator[Case]]


@cache
def pairs() -> tuple[tuple[str, str], ...]:
    """Real questions and answers, each in one line and unlike the others: of the Alpaca set."""
    rows = json.loads((shared() / "data/alpaca/instruction-data.json").read_text())
    seen: dict[str, tuple[str, str]] = {}
    for row in rows:
        question = " ".join(filter(None, (row["instruction"].strip(), row["input"].strip())))
        answer = row["output"].strip()
        if 30 <= len(answer) <= 200 and 25 <= len(question) <= 160 and "\n" not in question + answer:
            seen.setdefault(answer, (question, answer))
    return tuple(seen.values())


def some(count: int = 60, skip: int = 0) -> tuple[tuple[str, str], ...]:
    """``count`` of the pairs, from the ``skip``-th on."""
    return pairs()[skip : skip + count]


def chat(*turns: str, system: str = "") -> list[Row]:
    """Messages of user and assistant in turn."""
    first = [{"role": "system", "content": system}] if system else []
    return [*first, *({"role": ("user", "assistant")[n % 2], "content": turn} for n, turn in enumerate(turns))]


def chats(some_pairs: Sequence[tuple[str, str]]) -> list[Row]:
    """One conversation of one exchange per pair."""
    return [{"messages": chat(*pair)} for pair in some_pairs]


def two_turns(count: int = 40) -> list[list[Row]]:
    """Messages of conversations with two exchanges."""
    return [chat(*a, *b) for a, b in zip(some(count), some(count, count), strict=True)]
