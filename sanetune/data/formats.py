"""Turn rows of every usual format into conversations.

Each row is recognised by itself: a file may mix formats, and the counts show it. What is not understood is refused,
never guessed, and what is not read is noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sanetune.data import content
from sanetune.data.columns import find
from sanetune.data.conversation import Conversation, MaskedPart, Message
from sanetune.data.json_values import advice, parsed, shallow
from sanetune.data.messages import to_messages
from sanetune.data.naming import USUAL, Naming
from sanetune.data.sources.row import Row
from sanetune.data.tool_calls import to_tools
from sanetune.data.unread import Unread
from sanetune.data.usual_rows import quick
from sanetune.errors import DataError, Place
from sanetune.text import json_type, quote


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row that was read.

    Attributes:
        format: One of :data:`sanetune.data.columns.FORMATS`.
        conversation: What it says.
        unread: What it says beside that, and what was done to it.
        left_out: Why it is not to be trained on; "" for nearly all rows.
    """

    format: str
    conversation: Conversation
    unread: Unread = field(default_factory=Unread)
    left_out: str = ""


def to_conversation(row: Row, fields: Mapping[str, str] | None = None) -> Conversation:
    """Return a row as a conversation.

    Raises:
        DataError: The row cannot be read; the error has its file, line and row.
    """
    return convert(row, fields).conversation


def convert(row: Row, fields: Mapping[str, str] | None = None) -> ReadRow:
    """Read a row as a conversation.

    >>> row = Row(Place("rows.jsonl", 1, 0), {"instruction": "Add.", "input": "2 and 2", "output": "4", "by": "Rosa"})
    >>> one = convert(row)
    >>> one.format, one.conversation.messages[0]["content"], one.unread.values
    ('alpaca', 'Add.\\n\\n2 and 2', [('by', 'Rosa')])

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


def _converted(row: Row, fields: Mapping[str, str] | None) -> ReadRow:
    if not fields and (usual := quick(row.values)) is not None:
        format_, said, left = usual
        return ReadRow(format_, Conversation(said, row.place), left)
    unread = Unread()
    name, values = find(row.values, fields, unread)
    if name == "text":
        text = content.text(_string(values["text"], "text"), "text")
        return ReadRow(name, Conversation([], row.place, text=text), unread)
    messages = _messages(values, Naming.of(fields) if fields else USUAL, unread)
    if (system := values.get("system")) is not None:
        _add_system(messages, _instruction(system, unread))
    if reasoning := values.get("reasoning"):
        _add_reasoning(messages, _string(reasoning, "reasoning"), unread)
    tools = _tools(messages, values.get("tools"), unread)
    arguments = values.get("template_arguments", {})
    if kwargs := values.get("chat_template_kwargs"):
        arguments = {**arguments, **_template_kwargs(kwargs)}
    shallow(arguments, "template arguments")
    conversation = Conversation(messages, row.place, tools, arguments, masked=_masked(messages))
    if conversation.masked:
        unread.note("turns, or parts of them, are masked as the row says")
    return ReadRow(name, conversation, unread, values.get("left_out", ""))


def _messages(values: dict[str, Any], naming: Naming, unread: Unread) -> list[Message]:
    if "messages" in values:
        messages = to_messages(values["messages"], "messages", naming, unread)
        reply = values.get("completion")
        if isinstance(reply, dict | list) and reply:
            return messages + to_messages(reply if isinstance(reply, list) else [reply], "completion", naming, unread)
        if reply:
            messages.append({"role": "assistant", "content": content.text(_string(reply, "completion"), "completion")})
        return messages
    for name in ("prompt", "completion"):
        value = values.get(name)
        if type(value) is list and len(value) == 1 and type(value[0]) is str:
            values[name] = value[0]
    if type(values["prompt"]) is str and (values.get("completion") is None or type(values["completion"]) is str):
        return _pair(values)
    return _joined(values, naming, unread)


def _masked(messages: list[Message]) -> list[MaskedPart]:
    """What messages say is not to be learned, taken out of them."""
    found: list[MaskedPart] = []
    for index, message in enumerate(messages):
        if "masked" not in message:
            continue
        parts = message.pop("masked")
        if parts is True:
            found.append(MaskedPart(index))
        elif parts:
            found += [MaskedPart(index, *part) for part in parts]
    return found


def _tools(messages: list[Message], given: object, unread: Unread) -> list[dict[str, Any]] | None:
    """The tools of a row: those beside the messages, or those that a system message lists."""
    for message in messages:
        if "tools" in message:
            listed = message.pop("tools")
            if given:
                unread.add("messages.tools", listed)
            given = given or listed
    return to_tools(given) if given else None


def _pair(values: dict[str, Any]) -> list[Message]:
    """A question and its reply as turns, ``input`` two lines below the question; an empty reply is no reply."""
    prompt = content.text(values["prompt"], "prompt")
    more = values.get("input")
    if more is not None and (more := content.text(_string(more, "input"), "input")).strip():
        prompt = f"{prompt}\n\n{more}" if prompt.strip() else more
    messages = _history(values["history"]) if values.get("history") else []
    messages.append({"role": "user", "content": prompt})
    reply = values.get("completion")
    if reply is not None and content.text(reply, "completion").strip():
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
        {"role": role, "content": content.text(_string(text, "history"), "history")}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]


def _joined(values: dict[str, Any], naming: Naming, unread: Unread) -> list[Message]:
    """Prompt and completion where at least one is a list of messages."""
    messages = _history(values["history"]) if values.get("history") else []
    more = values.get("input")
    for column, role in (("prompt", "user"), ("completion", "assistant")):
        value = values.get(column)
        if isinstance(value, str):
            if role == "user" or value.strip():
                messages.append({"role": role, "content": content.text(value, column)})
        elif isinstance(value, list):
            messages += to_messages(value, column, naming, unread)
        elif value is not None:
            raise DataError(
                f"the {'question' if role == 'user' else 'reply'} is {json_type(value)}, not text",
                "",
                advice(value, _part_of(column, value) or "Write it as text."),
            )
        if more and isinstance(value, str) and role == "user":
            messages[-1]["content"] += f"\n\n{content.text(_string(more, 'input'), 'input')}"
            more = None
    if more:
        raise DataError(
            f"`input` beside a prompt that is a list of messages: {quote(more)}", "", "Put it into the messages."
        )
    return messages


def _part_of(name: str, value: object) -> str:
    """How to name the longest text inside an object that stands where text is wanted; "" where it has none."""
    texts = {key: len(one) for key, one in value.items() if isinstance(one, str)} if isinstance(value, dict) else {}
    if not texts:
        return ""
    return (
        f"Name the text inside it in data.fields, as in {name}: COLUMN.{quote(max(texts, key=texts.__getitem__), 30)}."
    )


def _instruction(system: object, unread: Unread) -> str:
    """The text of a system prompt, which Google and Amazon write as parts."""
    if isinstance(system, dict) and isinstance(parts := system.get("parts", system.get("content")), list | str):
        unread.add_rest("system", system, {"role", "parts", "content"})
        system = parts
    if isinstance(system, list):
        return content.of(system, unread, "system")[0]
    return _string(system, "system")


def _add_system(messages: list[Message], system: str) -> None:
    if not system.strip():
        return
    if messages and messages[0]["role"] in ("system", "developer"):
        if messages[0]["content"].strip() == system.strip():
            return
        raise DataError("two system prompts: one in the messages and another beside them", "", "Take one of them out.")
    messages.insert(0, {"role": "system", "content": content.text(system, "system")})


def _add_reasoning(messages: list[Message], reasoning: str, unread: Unread) -> None:
    """Give the reasoning of a row to its last answer, unless that has it already."""
    last = next((message for message in reversed(messages) if message["role"] == "assistant"), None)
    core = reasoning.strip()
    if not core or (last is not None and core in last["content"]):
        return
    if last is not None and "reasoning_content" not in last:
        last["reasoning_content"] = content.text(reasoning, "reasoning")
    elif last is None or core != last["reasoning_content"].strip():
        unread.add("reasoning", reasoning)


def _template_kwargs(value: object) -> dict[str, Any]:
    value = parsed(value, "chat_template_kwargs")
    if not isinstance(value, dict):
        raise DataError(f"`chat_template_kwargs` is {json_type(value)}, not an object", "", "Write it as an object.")
    shallow(value, "chat_template_kwargs")
    return value


def _string(value: object, column: str) -> str:
    if isinstance(value, str):
        return value
    raise DataError(f"`{column}` is {json_type(value)}, not text", "", advice(value, "Write it as text."))
