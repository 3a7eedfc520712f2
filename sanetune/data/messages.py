"""Turn a chat message of any usual dialect into :data:`sanetune.data.conversation.Message`.

Dialects are OpenAI's, ShareGPT's, and legacy function calls.
"""

from __future__ import annotations

from math import inf
from typing import Any

import orjson

from sanetune.data.conversation import ROLES, Message
from sanetune.errors import DataError, Place
from sanetune.text import did_you_mean, json_type, listing, quote

NESTING = 64
"""How deep tools and arguments may be nested: templates walk them recursively."""

ALIASES = {
    **{role: role for role in ROLES},
    **dict.fromkeys(("human",), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "model"), "assistant"),
    **dict.fromkeys(("function", "observation", "tool_response", "function_response", "ipython"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
}
"""Every name a role goes by. ``call`` is ShareGPT's turn of its own for what the assistant calls."""

REASONING = ("reasoning_content", "reasoning", "thinking")
"""Keys under which reasoning is found, best first."""

_ROLE_KEYS, _CONTENT_KEYS = ("role", "from"), ("content", "value")


def is_list_of_messages(value: object) -> bool:
    """Return whether ``value`` is a list that begins with an object that has ``role`` or ``from``."""
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and ("role" in value[0] or "from" in value[0])
    )


def to_messages(value: object, column: str) -> list[Message]:
    """Return the messages of one row, normalised.

    >>> to_messages([{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "conversations")
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]

    Raises:
        DataError: A message cannot be read; the error has its index.
    """
    value = parsed(value, column)
    if isinstance(value, dict) and is_list_of_messages(value.get("messages")):
        value = value["messages"]
    if not isinstance(value, list):
        raise DataError(f"`{quote(column, 40)}` is {json_type(value)}, not a list of messages", "", MESSAGE)
    if not value:
        raise DataError(f"`{quote(column, 40)}` is empty", "There is nothing to train on in it.", "Delete the row.")
    messages: list[Message] = []
    for index, item in enumerate(value):
        try:
            messages.append(_message(item))
        except DataError as error:
            error.place = Place(message=index)
            raise
    return messages


MESSAGE = 'A message is an object such as {"role": "user", "content": "..."} or {"from": "human", "value": "..."}.'


def _message(item: object) -> Message:
    if not isinstance(item, dict):
        raise DataError(f"{json_type(item)} where a message is wanted: {quote(item)}", "", MESSAGE)
    if len(item) == 2:  # nearly every message there is, so this way is short
        name, text = (
            (item.get("role"), item.get("content")) if "role" in item else (item.get("from"), item.get("value"))
        )
        known = ALIASES.get(name) if type(name) is str else None
        if type(text) is str and known is not None and known != "call":
            return {"role": known, "content": checked(text, "content")}
    who = next((key for key in _ROLE_KEYS if key in item), None)
    if who is None:
        raise DataError(f"a message without a role; it has {listing(item) or 'nothing'}", "", MESSAGE)
    role = _role(item[who])
    content = next((item[key] for key in _CONTENT_KEYS if item.get(key) is not None), None)
    if role == "call":
        return {"role": "assistant", "content": "", "tool_calls": tool_calls(content)}
    message: Message = {"role": role, "content": ""}
    text, thought = _text(content)
    message["content"] = text
    if role == "assistant":
        _add_assistant_parts(message, item, thought)
    elif item.get("tool_calls") or item.get("function_call"):
        raise DataError(f"tool calls in a message of role {role}", "Only the assistant calls tools.", "Correct it.")
    if content is None and len(message) == 2 and not any(key in item for key in _CONTENT_KEYS):
        raise DataError(f"a message without content; it has {listing(item)}", "", MESSAGE)
    for key in ("name", "tool_call_id"):
        if isinstance(item.get(key), str):
            message[key] = checked(item[key], key)
    _refuse_unsupported(item)
    return message


def _role(name: object) -> str:
    role = ALIASES.get(name) if isinstance(name, str) else None
    if role is None and isinstance(name, str):
        role = ALIASES.get(name.strip().lower())
    if role is not None:
        return role
    guess = did_you_mean(name, ALIASES) if isinstance(name, str) else ""
    raise DataError(
        f"unknown role {quote(name, 40)!r}",
        "Which turns are in the loss depends on their roles.",
        f"{guess}Known are {', '.join(ROLES)}, and human, gpt, model, function, function_call, observation.",
    )


def _text(content: object) -> tuple[str, str]:
    """(text, reasoning) of a message's content: a string, nothing, or typed parts that are all text."""
    if content is None:
        return "", ""
    if isinstance(content, str):
        return checked(content, "content"), ""
    if not isinstance(content, list):
        raise DataError(
            f"content is {json_type(content)}, not text",
            "",
            "Write it as text (an object with json.dumps) or as a list of text parts.",
        )
    texts, thoughts = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(checked(part, "content"))
            continue
        name = part.get("type", "text") if isinstance(part, dict) else None
        if name in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            texts.append(checked(part["text"], "content"))
        elif name in ("thinking", "reasoning") and isinstance(part.get(name, part.get("text")), str):
            thoughts.append(checked(part.get(name, part.get("text")), name))
        else:
            found = (
                f"of type {quote(name, 40)!r}"
                if isinstance(part, dict) and "type" in part
                else f"that is {json_type(part)}"
            )
            raise DataError(
                f"a content part {found}", "Only text is supported.", "Take out rows with images, audio or files."
            )
    return "".join(texts), "\n".join(thoughts)


def _add_assistant_parts(message: Message, item: dict[str, Any], thought: str) -> None:
    """Reasoning and tool calls of an assistant's message, under the one name each has here."""
    given = next((item[key] for key in REASONING if item.get(key)), None)
    if given is not None and not isinstance(given, str):
        raise DataError(f"the reasoning is {json_type(given)}, not text", "", "Write text in `reasoning_content`.")
    if given or thought:
        message["reasoning_content"] = checked(given, "reasoning") if given else thought
    calls = item.get("tool_calls") or item.get("function_call")
    if isinstance(calls, str):
        calls = parsed(calls, "tool_calls")
    if calls:
        message["tool_calls"] = tool_calls(calls)


def _refuse_unsupported(item: dict[str, Any]) -> None:
    """DataError for what a message asks for and sanetune cannot do: the row would be trained on otherwise than it
    says."""
    weight = item.get("weight")
    if weight is not None and weight != 1:
        raise DataError(
            f"the message has weight {quote(weight, 20)}",
            "Weights of single messages are not supported; training on it in full would not be what the row says.",
            "Take `weight` out, or train on the last answer of each row alone: data.loss_on: last",
        )
    if media := next((key for key in ("audio", "images", "image", "videos") if item.get(key)), None):
        raise DataError(f"the message holds `{media}`", "Only text is supported.", "Take such rows out.")


def tool_calls(value: object) -> list[dict[str, Any]]:
    """Return tool calls as OpenAI writes them, with arguments as an object wherever they parse as one.

    >>> tool_calls('{"name": "add", "parameters": {"a": 1}}')
    [{'type': 'function', 'function': {'name': 'add', 'arguments': {'a': 1}}}]

    Raises:
        DataError: ``value`` is no call and no list of calls.
    """
    value = parsed(value, "tool_calls")
    calls = value if isinstance(value, list) else [value]
    return [_call(call) for call in calls]


def _call(value: object) -> dict[str, Any]:
    function = value.get("function", value) if isinstance(value, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise DataError(
            f"a tool call without a function's name: {quote(value)}",
            "",
            'A call is written {"type": "function", "function": {"name": "...", "arguments": {...}}}.',
        )
    arguments = function.get("arguments", function.get("parameters"))
    if isinstance(arguments, str):
        checked(arguments, "arguments")
        try:
            loaded = orjson.loads(arguments) if arguments.strip() else {}
        except ValueError:
            loaded = None
        arguments = loaded if isinstance(loaded, dict) else arguments
    elif arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        raise DataError(f"the arguments of {quote(name, 40)} are {json_type(arguments)}", "", "Write an object.")
    shallow(arguments, "arguments")
    call = {"type": "function", "function": {"name": checked(name, "name"), "arguments": arguments}}
    number = value.get("id") if isinstance(value, dict) else None
    return {"id": checked(number, "id"), **call} if isinstance(number, str) else call


def to_tools(value: object) -> list[dict[str, Any]] | None:
    """Return tool schemas from a list or its JSON text, or None if there are none; a bare function is wrapped as OpenAI
    does.

    Raises:
        DataError: ``value`` is no list of objects.
    """
    value = parsed(value, "tools")
    if not value:
        return None
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        found = (
            json_type(value)
            if not isinstance(value, list)
            else f"a list with {json_type(next(t for t in value if type(t) is not dict))}"
        )
        raise DataError(f"`tools` is {found}, not a list of objects", "", "Write the schemas as a list of objects.")
    shallow(value, "tools")
    return [
        {"type": "function", "function": tool} if "name" in tool and "function" not in tool else tool for tool in value
    ]


def parsed(value: object, column: str) -> object:
    """Return ``value``, or what it says if it is JSON text, as in a cell of a CSV file; of blank text None.

    Raises:
        DataError: ``value`` is other text.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return orjson.loads(value)
    except ValueError:
        python = value.lstrip()[:2] in ("[{", "{'") and "'" in value[:20]
        fix = "It looks like Python, not JSON: write the column with json.dumps." if python else "Write it as JSON."
        raise DataError(f"`{quote(column, 40)}` is text that is not JSON: {quote(value)}", "", fix) from None


def checked(text: str, name: str) -> str:
    """Return ``text`` of the column or field ``name``.

    Raises:
        DataError: It has half of a character (a lone surrogate), which no tokenizer takes.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            found = f"\\u{ord(text[error.start]):04x}"
            raise DataError(
                f"{name} holds half of a character ({found}) at position {error.start:,}",
                "Such text cannot be written as UTF-8 and no tokenizer takes it.",
                "The text ends in the middle of an emoji or was read in the wrong encoding: correct or delete it.",
            ) from None
    return text


def shallow(value: object, names: str) -> None:
    """Check that templates can write ``value`` as JSON; ``names`` says in the plural what it is.

    Raises:
        DataError: It is nested deeper than :data:`NESTING`, or holds what JSON cannot.
    """
    level: list[Any] = [value]
    depth = 0
    while level:
        depth += 1
        if depth > NESTING:
            raise DataError(
                f"{names} are nested more than {NESTING} deep", "Templates cannot write them.", "Flatten them."
            )
        below: list[Any] = []
        for node in level:
            if type(node) is dict:
                for key in node:
                    if type(key) is not str:
                        raise DataError(f"{names} have a key that is {json_type(key)}", "", "Keys are text.")
                    checked(key, names)
                below.extend(node.values())
            elif type(node) is list:
                below.extend(node)
            elif type(node) is str:
                checked(node, names)
            elif (type(node) is int and not -(2**63) <= node < 2**64) or node in (inf, -inf):
                raise DataError(
                    f"{names} hold the number {quote(str(node), 30)}",
                    "It does not fit into 64 bits.",
                    "Write it as text.",
                )
            elif node is not None and type(node) not in (int, float, bool):
                raise DataError(f"{names} hold {json_type(node)}, which JSON cannot write", "", "Write it as text.")
        level = below
