"""Take tool calls and their results out of typed parts, as Anthropic, Google and Amazon write them, into messages."""

from __future__ import annotations

import json
from typing import Any

CALLS = {"tool_use": "input", "toolUse": "input", "functionCall": "args", "function_call": "args"}
"""Type or key of a part that is a call -> the key of its arguments."""

RESULTS = {
    "tool_result": "content",
    "toolResult": "content",
    "functionResponse": "response",
    "function_response": "response",
}
"""Type or key of a part that is a result -> the key of what came out."""

_KINDS = frozenset((*CALLS, *RESULTS))
_NUMBERS = ("id", "tool_use_id", "toolUseId")


def flat(item: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return a message as several in OpenAI's shape: its results, each of its own, then itself with its calls.

    >>> call = {"type": "tool_use", "id": "a", "name": "add", "input": {"x": 1}}
    >>> flat({"role": "assistant", "content": [call]}, "content")[0]["tool_calls"]
    [{'name': 'add', 'arguments': {'x': 1}, 'id': 'a'}]
    >>> flat({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"}]}, "content")
    [{'role': 'tool', 'content': '1', 'tool_call_id': 'a'}]

    Args:
        item: A message whose content is a list of parts.
        key: The key of its content.
    """
    parts, calls, results = [], [], []
    for part in item[key]:
        kind, values = _kind(part)
        if kind in CALLS:
            calls.append(_call(values, CALLS[kind]))
        elif kind in RESULTS:
            results.append(_result(values, RESULTS[kind]))
        else:
            parts.append(part)
    if not calls and not results:
        return [item]
    rest = {**item, key: parts} | ({"tool_calls": calls} if calls else {})
    return [*results, rest] if parts or calls else results


def has_tools(parts: list[Any]) -> bool:
    """Return whether a list of parts has a call or a result."""
    return any(_kind(part)[0] in _KINDS for part in parts)


def _kind(part: object) -> tuple[str, dict[str, Any]]:
    """The kind of a part ("" for those that are neither call nor result), and what it holds."""
    if not isinstance(part, dict):
        return "", {}
    if isinstance(kind := part.get("type"), str):
        return (kind, part) if kind in _KINDS else ("", part)
    if len(part) == 1 and (key := next(iter(part))) in _KINDS and isinstance(part[key], dict):
        return str(key), part[key]
    return "", part


def _call(values: dict[str, Any], arguments: str) -> dict[str, Any]:
    known = {"type", "name", arguments, *_NUMBERS}
    rest = {key: value for key, value in values.items() if key not in known}
    number = next((values[key] for key in _NUMBERS if key in values), None)
    return {"name": values.get("name"), "arguments": values.get(arguments) or {}, **rest} | (
        {"id": number} if isinstance(number, str) else {}
    )


def _result(values: dict[str, Any], key: str) -> dict[str, Any]:
    """A result as a message; what is no text in it is written as JSON."""
    number = next((values[name] for name in _NUMBERS if name in values), None)
    rest = {name: value for name, value in values.items() if name not in ("type", "name", key, *_NUMBERS)}
    made = {"role": "tool", "content": _written(values.get(key)), **rest}
    made |= {"tool_call_id": number} if isinstance(number, str) else {}
    return made | ({"name": values["name"]} if isinstance(values.get("name"), str) else {})


def _written(value: object) -> object:
    """What a result says: text, parts that are text, or JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
        return value
    if isinstance(value, list) and (typed := next((p for p in value if isinstance(p, dict) and "type" in p), None)):
        return [typed]  # an image, say, which is refused where parts are read
    return json.dumps(value, ensure_ascii=False, default=str)
