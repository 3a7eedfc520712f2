"""Whether an answer calls a tool as the prompt declares it, in the ways that templates write calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from sanetune.checks.rows._calls import call_faults
from sanetune.data.conversation import Conversation
from sanetune.data.tool_calls import tool_calls
from sanetune.engine.answer import Answer
from sanetune.errors import DataError, Place

OWN_FAULTS = frozenset(("unparsed", "refused", "undeclared"))
"""Faults of a call itself; others are of its result, which is not there yet."""
LONGEST = 20_000
"""Characters of an answer that are read."""

_TAGGED = re.compile(r"<tool_call>\s*(\{.*?\})\s*(?:</tool_call>|\Z)", re.DOTALL)
_LISTED = re.compile(r"(?:\[TOOL_CALLS\]|<\|tool_calls?\|>|<\|tool_call_begin\|>)\s*(\[.*|\{.*)", re.DOTALL)
_ALONE = re.compile(r"\s*(?:<\|python_tag\|>)?\s*(\{.*\}|\[\s*\{.*\}\s*\])\s*(?:<\|[a-z_]+\|>)?\s*\Z", re.DOTALL)


def calls_rightly(answer: Answer, tools: list[dict[str, Any]] | None) -> bool:
    """Return whether ``answer`` holds calls, each of a declared tool with arguments that its schema takes.

    >>> tool = {"name": "weather", "parameters": {"type": "object", "required": ["city"]}}
    >>> text = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'
    >>> calls_rightly(Answer(text, True, 9), [tool]), calls_rightly(Answer("It rains.", True, 3), [tool])
    (True, False)

    Args:
        answer: What a model wrote.
        tools: Schemas of the tools that its prompt declares.
    """
    try:
        found = [call for value in _values((answer.raw or answer.text)[:LONGEST]) for call in tool_calls(value)]
    except DataError:
        return False
    if not found:
        return False
    message = {"role": "assistant", "content": "", "tool_calls": found}
    faults = call_faults(Conversation([message], Place(), tools=tools))
    return not any(fault.kind in OWN_FAULTS for fault in faults)


def _values(text: str) -> Iterator[object]:
    """The JSON of the calls in an answer; text that is none is passed on as an empty call, which is refused."""
    tagged = _TAGGED.findall(text)
    if not tagged and "<tool_call>" in text:
        yield {}
    if not tagged and (found := _LISTED.search(text) or _ALONE.match(text)):
        tagged = [found[1].strip()]
    for raw in tagged:
        value = _parsed(raw)
        if value is None or (isinstance(value, dict) and not tagged_call(value)):
            if not _ALONE.match(text):
                yield {}
            continue
        yield value


def tagged_call(value: dict[str, Any]) -> bool:
    """Return whether an object is a call: it names a function and its arguments."""
    function = value.get("function", value)
    return isinstance(function, dict) and "name" in function and bool({"arguments", "parameters"} & function.keys())


def _parsed(raw: str) -> object:
    """The JSON at the beginning of ``raw``, which special tokens may follow; None where it is none."""
    import json

    try:
        return orjson.loads(raw)
    except ValueError:
        pass
    try:
        return json.JSONDecoder().raw_decode(raw)[0]
    except (ValueError, RecursionError):
        return None
