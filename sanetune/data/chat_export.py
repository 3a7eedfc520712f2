"""Read a conversation as ChatGPT exports it: a tree of messages (``mapping``) and the one that is shown last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.data.json_values import parsed
from sanetune.data.unread import Unread
from sanetune.errors import DataError
from sanetune.text import json_type, quote

COLUMNS = ("mapping", "current_node")
TEXTS = ("text", "multimodal_text", "code", "execution_output")
"""Types of content that are read; of the others (summaries of reasoning, pages, settings) it is noted what they say."""


def is_export(values: Mapping[str, object]) -> bool:
    """Return whether a row is a conversation of a ChatGPT export.

    >>> is_export({"title": "Hi", "mapping": {}, "current_node": "a"}), is_export({"mapping": "a"})
    (True, False)
    """
    return isinstance(values.get("mapping"), dict) and "current_node" in values


def shown_path(values: Mapping[str, Any], unread: Unread) -> list[dict[str, Any]]:
    """Return the messages from the root of a conversation to the one that is shown last, in OpenAI's shape.

    What was said to a tool is a call of it. Messages off that path, and hidden ones, are noted as unread.

    Args:
        values: A row for which :func:`is_export` holds.
        unread: Gets what is not on the path, and what was done.

    Raises:
        DataError: The path leads nowhere, or holds what is no text.
    """
    nodes: Mapping[str, Any] = values["mapping"]
    path = _path(nodes, values["current_node"])
    for key, node in nodes.items():
        if key not in path:
            unread.add("mapping", _said(_message(node)))
    if any(len(_children(nodes[key])) > 1 for key in path):
        unread.note("of answers to the same message the one that was shown last is used")
    for node in nodes.values():
        if isinstance(node, dict):
            unread.add_rest("mapping", node, {"message", "parent", "children", "id"})
    found = (_turn(message, unread) for key in path if (message := _message(nodes[key])))
    return [turn for turn in found if turn]


def _path(nodes: Mapping[str, Any], last: object) -> list[str]:
    """Keys from the root to ``last``."""
    path: list[str] = []
    while last is not None:
        if not isinstance(last, str) or not isinstance(nodes.get(last), dict) or last in path:
            raise DataError(
                f"the conversation's path leads to {quote(last, 40)}, which its `mapping` does not have",
                "Which messages were shown is not known.",
                "Export the conversation again, or delete the row.",
            )
        path.append(last)
        last = nodes[last].get("parent")
    return path[::-1]


def _children(node: Mapping[str, Any]) -> list[object]:
    children = node.get("children")
    return children if isinstance(children, list) else []


def _message(node: object) -> dict[str, Any]:
    """The message of a node; empty where it has none."""
    message = node.get("message") if isinstance(node, dict) else None
    return message if isinstance(message, dict) else {}


def _said(message: Mapping[str, Any]) -> object:
    """What is in a message's content, beside its type."""
    content = message.get("content")
    return {key: one for key, one in content.items() if key != "content_type"} if isinstance(content, dict) else content


def _turn(message: Mapping[str, Any], unread: Unread) -> dict[str, Any]:
    """A message in OpenAI's shape; empty where it is hidden, or says nothing."""
    author, content = message.get("author"), message.get("content")
    role = author.get("role") if isinstance(author, dict) else None
    about = message.get("metadata")
    hidden = isinstance(about, dict) and about.get("is_visually_hidden_from_conversation") is True
    if not isinstance(content, dict) or content.get("content_type") not in TEXTS or hidden:
        unread.add("mapping", _said(message))
        return {}
    unread.add_rest("mapping", content, {"content_type", "parts", "text"})
    unread.add_rest("mapping", message, {"author", "content", "recipient", "id"})
    text = _text(content)
    if role == "system" and not text.strip():
        return {}
    recipient = message.get("recipient")
    if role == "assistant" and isinstance(recipient, str) and recipient != "all":
        return {"role": role, "content": "", "tool_calls": [{"name": recipient, "arguments": text}]}
    name = author.get("name") if isinstance(author, dict) else None
    return {"role": role, "content": text} | ({"name": name} if role == "tool" and isinstance(name, str) else {})


def _text(content: Mapping[str, Any]) -> str:
    parts = parsed(content.get("parts"), "parts") if "parts" in content else [content.get("text", "")]
    if not isinstance(parts, list):
        raise DataError(f"the parts of a message are {json_type(parts)}, not a list", "", "Correct or delete the row.")
    if other := next((part for part in parts if not isinstance(part, str)), None):
        kind = quote(other.get("content_type"), 40) if isinstance(other, dict) else json_type(other)
        raise DataError(
            f"a message holds {kind}, which is no text",
            "Only text is trained; without the rest the answer would be about something that the model never sees.",
            "Take such conversations out.",
        )
    return "\n\n".join(parts)
