"""Read rows for preference training (DPO, KTO) as what a fine-tune can learn from them: the wanted answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sanetune.data.column_names import CHATS, LABELS, PAIRS, PREFERENCES
from sanetune.data.messages import ALIASES, ROLE_KEYS
from sanetune.data.unread import ReadPaths, Unread
from sanetune.errors import DataError
from sanetune.text import listing, quote

_SAID = re.compile(r"\n\n(Human|Assistant): ?")
_WORDS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_WANTED = frozenset(good for good, _ in PREFERENCES)
_LABELS = frozenset(LABELS)
REJECTED = frozenset(bad for _, bad in PREFERENCES)
"""Columns of unwanted answers, which nobody should learn."""


def columns_of(values: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the columns of a row's wanted and unwanted answer; None where it has no such pair."""
    if _WANTED.isdisjoint(values):
        return None
    return next((pair for pair in PREFERENCES if all(values.get(key) is not None for key in pair)), None)


def wanted(values: dict[str, Any], pair: tuple[str, str], read: ReadPaths, unread: Unread) -> dict[str, Any]:
    """Return the question and the wanted answer of a row, under their canonical names.

    Args:
        values: The row.
        pair: What :func:`columns_of` gave.
        read: Gets the columns that were read.
        unread: Gets what was done.

    Raises:
        DataError: The row has no question.
    """
    good, bad = pair
    unread.note(f"the wanted answer alone is used (`{good}`), `{bad}` is not")
    read.column(good)
    answer = [values[good]] if isinstance(values[good], dict) else values[good]
    question = next((key for key in (*CHATS, *PAIRS) if values.get(key) is not None), None)
    if isinstance(answer, list) and any(_role(message) == "user" for message in answer):
        if question and _is_beginning(values[question], answer):
            read.column(question)
        return {"messages": answer}
    if question:
        read.column(question)
        return {"prompt": values[question], "completion": answer}
    if isinstance(answer, str) and (messages := transcript(answer)):
        return {"messages": messages}
    raise DataError(
        f"`{good}` and `{bad}` without a question",
        f"Columns found: {listing(values)}.",
        f"Name the column of the question: data.fields: {{prompt: …, completion: {quote(good, 20)}}}.",
    )


def _role(message: object) -> str | None:
    who = next((message[key] for key in ROLE_KEYS if key in message), None) if isinstance(message, dict) else None
    return ALIASES.get(who) if isinstance(who, str) else None


def _is_beginning(question: object, answer: list[Any]) -> bool:
    """Whether a question says what the messages of the answer begin with."""
    if isinstance(question, list):
        return answer[: len(question)] == question
    first = next(message for message in answer if _role(message) == "user")
    return question in (first.get("content"), first.get("value"))


def transcript(text: str) -> list[dict[str, str]]:
    r"""Return the turns of a text in which each begins with "Human: " or "Assistant: "; none where it is no such text.

    >>> [turn["role"] for turn in transcript("\n\nHuman: Hi\n\nAssistant: Hello")]
    ['user', 'assistant']
    """
    before, *pieces = _SAID.split(text if text.startswith("\n") else f"\n\n{text}")
    roles = ["user" if name == "Human" else "assistant" for name in pieces[::2]]
    if before.strip() or roles[:1] != ["user"] or "assistant" not in roles:
        return []
    return [{"role": role, "content": said} for role, said in zip(roles, pieces[1::2], strict=True)]


def unwanted(values: Mapping[str, object], read: ReadPaths, named: object = None) -> str:
    """Return why a row is left out: its label says that the answer is not wanted; "" where none does.

    Args:
        values: The row.
        read: Gets the column of the label.
        named: The label, where ``data.fields`` names its column; it may be 0 or 1, too.

    Raises:
        DataError: ``named`` is neither yes nor no.
    """
    if named is not None:
        label = named if isinstance(named, bool | int | float) else _WORDS.get(str(named).strip().lower())
        if label not in (0, 1):
            raise DataError(f"the label is {quote(named, 20)}, neither true nor false", "", "Correct data.fields.")
        return "" if label else "rejected answer (its label is false)"
    for key in () if _LABELS.isdisjoint(values) else LABELS:
        value = values.get(key)
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            value = value.strip().lower() == "true"
        if isinstance(value, bool):
            read.column(key)
            return "" if value else f"rejected answer (`{key}` is false)"
    return ""
