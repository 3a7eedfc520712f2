"""Bring lists of turns that are no lists of messages into that form: texts, pairs, a list for each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.data.tool_parts import flat, has_tools
from sanetune.data.unread import Unread

WHO = {
    "system": "system",
    **dict.fromkeys(("user", "human", "prompter", "input", "question", "prompt", "instruction", "query"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "ai", "model", "chatbot"), "assistant"),
    **dict.fromkeys(("output", "answer", "response", "completion"), "assistant"),
}
"""Key of a turn that names no role -> the role of the text under it."""

ORDER = ("system", "user", "assistant")
LISTS = ("content", "parts")
"""Keys of a message under which typed parts are found."""


def as_rows(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return one object for each turn where ``value`` has a list for each key, as ``datasets`` stores sequences.

    >>> as_rows({"from": ["human", "gpt"], "value": ["Hi", "Hello"]})
    [{'from': 'human', 'value': 'Hi'}, {'from': 'gpt', 'value': 'Hello'}]
    """
    columns = list(value.values())
    if not columns or not all(isinstance(column, list) for column in columns) or len(set(map(len, columns))) > 1:
        return None
    return [dict(zip(value, turn, strict=True)) for turn in zip(*columns, strict=True)]


def from_texts(texts: list[str], unread: Unread) -> list[dict[str, Any]]:
    """Return texts as turns of the user and the assistant, the user's first."""
    unread.note("texts without roles are read as question and answer in turn")
    return [{"role": ORDER[1 + number % 2], "content": text} for number, text in enumerate(texts)]


def apart(item: dict[str, Any], names_role: bool) -> list[dict[str, Any]]:
    """Return the messages that one item of a list stands for, nearly always itself.

    >>> apart({"input": "2 + 2?", "output": "4"}, False)
    [{'role': 'user', 'content': '2 + 2?'}, {'role': 'assistant', 'content': '4'}]

    Args:
        item: A message, a pair of question and answer, or an object of role -> text.
        names_role: Whether it says whose words it holds.
    """
    if names_role:
        key = next((key for key in LISTS if isinstance(item.get(key), list)), None)
        return flat(item, key) if key is not None and has_tools(item[key]) else [item]
    said = {WHO[name]: key for key in item if (name := str(key).lower()) in WHO and isinstance(item[key], str)}
    if len(said) < sum(str(key).lower() in WHO for key in item) or not said:
        return [item]
    turns: list[dict[str, Any]] = [{"role": role, "content": item[said[role]]} for role in ORDER if role in said]
    turns[-1] |= {key: value for key, value in item.items() if key not in said.values()}
    return turns
