"""Turn rows of every usual format into conversations.

Each row is recognised by itself: a file may mix formats, and the counts show it. What is not understood is refused,
never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.data.columns import find
from sanetune.data.conversation import Conversation, Message
from sanetune.data.messages import checked, parsed, shallow, to_messages, to_tools
from sanetune.data.sources.row import Row
from sanetune.errors import DataError, Place
from sanetune.text import json_type, quote


def to_conversation(row: Row, fields: Mapping[str, str] | None = None) -> Conversation:
    """Return a row as a conversation.

    Raises:
        DataError: The row cannot be read; the error has its file, line and row.
    """
    return convert(row, fields)[1]


def convert(row: Row, fields: Mapping[str, str] | None = None) -> tuple[str, Conversation]:
    """Return the format of a row, one of :data:`sanetune.data.columns.FORMATS`, and the row as a conversation.

    >>> row = Row(Place("rows.jsonl", 1, 0), {"instruction": "Add.", "input": "2 and 2", "output": "4"})
    >>> name, conversation = convert(row)
    >>> name, conversation.messages[0]["content"]
    ('alpaca', 'Add.\\n\\n2 and 2')

    Args:
        row: The row as it was read.
        fields: Canonical name -> column, as in ``data.fields``.

    Raises:
        DataError: The row cannot be read; the error has its file, line and row.
        ConfigError: ``fields`` cannot be meant.
    """
    place = row.place
    try:
        return _converted(row, fields)
    except DataError as error:
        inside = error.place.message if error.place else None
        error.place = Place(place.file, place.line, place.row, inside)
        raise


def _converted(row: Row, fields: Mapping[str, str] | None) -> tuple[str, Conversation]:
    name, values = find(row.values, fields)
    if name == "text":
        return name, Conversation([], row.place, text=checked(_string(values["text"], "text"), "text"))
    if name in ("messages", "sharegpt"):
        messages = to_messages(values["messages"], "messages")
    elif type(values["prompt"]) is str and (values.get("completion") is None or type(values["completion"]) is str):
        messages = _pair(values)
    else:
        messages = _joined(values)
    if (system := values.get("system", values.get("system_prompt"))) is not None:
        _add_system(messages, _string(system, "system"))
    if reasoning := values.get("reasoning"):
        _add_reasoning(messages, _string(reasoning, "reasoning"))
    tools = values.get("tools") or values.get("functions")
    kwargs = values.get("chat_template_kwargs")
    return name, Conversation(
        messages, row.place, to_tools(tools) if tools else None, _template_kwargs(kwargs) if kwargs else {}
    )


def _pair(values: dict[str, Any]) -> list[Message]:
    """A question and its reply as turns, ``input`` two lines below the question; an empty reply is no reply."""
    prompt = checked(values["prompt"], "prompt")
    more = values.get("input")
    if more is not None and (more := checked(_string(more, "input"), "input")).strip():
        prompt = f"{prompt}\n\n{more}" if prompt.strip() else more
    messages = _history(values["history"]) if values.get("history") else []
    messages.append({"role": "user", "content": prompt})
    reply = values.get("completion")
    if reply is not None and checked(reply, "completion").strip():
        messages.append({"role": "assistant", "content": reply})
    return messages


def _history(value: object) -> list[Message]:
    """Earlier turns as Alpaca files keep them: pairs of question and reply."""
    turns = parsed(value, "history")
    if not isinstance(turns, list) or not all(isinstance(turn, (list, tuple)) and len(turn) == 2 for turn in turns):
        raise DataError(
            f"`history` is {json_type(turns)}, not pairs of question and reply", "", "Rename the column or correct it."
        )
    return [
        {"role": role, "content": checked(_string(text, "history"), "history")}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]


def _joined(values: dict[str, Any]) -> list[Message]:
    """Prompt and completion where at least one is a list of messages."""
    messages: list[Message] = []
    for column, role in (("prompt", "user"), ("completion", "assistant")):
        value = values.get(column)
        if isinstance(value, str):
            if role == "user" or value.strip():
                messages.append({"role": role, "content": checked(value, column)})
        elif isinstance(value, list):
            messages += to_messages(value, column)
        elif value is not None:
            raise DataError(
                f"the {'question' if role == 'user' else 'reply'} is {json_type(value)}, not text",
                "",
                "Write it as text.",
            )
    if more := values.get("input"):
        raise DataError(
            f"`input` beside a prompt that is a list of messages: {quote(more)}", "", "Put it into the messages."
        )
    return messages


def _add_system(messages: list[Message], system: str) -> None:
    if not system.strip():
        return
    if messages and messages[0]["role"] in ("system", "developer"):
        if messages[0]["content"].strip() == system.strip():
            return
        raise DataError("two system prompts: one in the messages and another beside them", "", "Take one of them out.")
    messages.insert(0, {"role": "system", "content": checked(system, "system")})


def _add_reasoning(messages: list[Message], reasoning: str) -> None:
    last = next((message for message in reversed(messages) if message["role"] == "assistant"), None)
    if last is not None and reasoning.strip():
        last.setdefault("reasoning_content", checked(reasoning, "reasoning"))


def _template_kwargs(value: object) -> dict[str, Any]:
    value = parsed(value, "chat_template_kwargs")
    if not isinstance(value, dict):
        raise DataError(f"`chat_template_kwargs` is {json_type(value)}, not an object", "", "Write it as an object.")
    shallow(value, "chat_template_kwargs")
    return value


def _string(value: object, column: str) -> str:
    if isinstance(value, str):
        return value
    raise DataError(f"`{column}` is {json_type(value)}, not text", "", "Write it as text.")
