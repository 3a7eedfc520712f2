"""Find out which columns of a row say what, by their usual names or as ``data.fields`` names them.

A row has one of the :data:`FORMATS`, and each of its columns a canonical name, whatever the file calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from sanetune.data.messages import is_list_of_messages
from sanetune.errors import ConfigError, DataError
from sanetune.text import did_you_mean, json_type, listing, quote

CANONICAL = ("messages", "prompt", "completion", "system", "input", "text", "tools", "reasoning")
"""What ``data.fields`` may name; each stands for a column, or for a path into one (``info.history``)."""

CHATS = ("messages", "conversations", "conversation")
PAIRS: dict[str, tuple[str, tuple[str, ...]]] = {
    "instruction": ("alpaca", ("output", "response")),
    "prompt": ("prompt-completion", ("completion",)),
    "question": ("question-answer", ("answer",)),
    "query": ("question-answer", ("answer",)),
}
"""Question column -> (format, the reply columns that belong to it, best first)."""

REPLIES = ("completion", "response", "output", "answer")
"""Any one of these may stand for the reply when the one that belongs to the question is not there."""

FORMATS = ("messages", "sharegpt", "alpaca", "prompt-completion", "question-answer", "text", "prompt")
"""The formats of rows; ``prompt`` is a question without a reply."""

UNDERSTOOD = (
    "Understood are: messages or conversations (a list of role/content or from/value), prompt and completion, "
    "instruction [and input] and output or response, question and answer, text."
)


def find(values: object, fields: Mapping[str, str] | None) -> tuple[str, dict[str, Any]]:
    """Return the format of a row and its columns under their canonical names.

    >>> find({"question": "2 + 2?", "answer": "4", "id": 7}, None)
    ('question-answer', {'prompt': '2 + 2?', 'completion': '4'})
    >>> find({"q": "2 + 2?", "a": "4"}, {"prompt": "q", "completion": "a"})
    ('prompt-completion', {'prompt': '2 + 2?', 'completion': '4'})

    Args:
        values: The row: an object, or it is refused.
        fields: Canonical name -> column, or path into one; as in ``data.fields``.

    Raises:
        DataError: The row has no format, or its reply is ambiguous.
        ConfigError: ``fields`` cannot be meant.
    """
    if not isinstance(values, dict):
        raise DataError(f"the row is {json_type(values)}, not an object", "", UNDERSTOOD)
    if any(type(value) is float and value != value for value in values.values()):
        values = {key: value for key, value in values.items() if value == value}  # NaN: how tables write "missing"
    named = _mapped(values, fields) if fields else {}
    if fields and not fields.keys().isdisjoint(("messages", "prompt", "completion", "text")):
        for key in ("system", "tools", "chat_template_kwargs"):
            if key not in named and values.get(key) is not None:
                named[key] = values[key]
        return _mapped_format(named, fields), named
    for key in CHATS:
        if (chat := values.get(key)) is not None:
            return _chat_format(chat), {**_beside(values), **named, "messages": chat}
    for question, (name, _) in PAIRS.items():
        if values.get(question) is not None:
            return _pair_format(values, question, name, named)
    if isinstance(values.get("text"), str):
        return "text", {"text": values["text"]}
    turns = values.get("turns")
    if isinstance(turns, list) and turns and all(isinstance(turn, str) for turn in turns):
        return "prompt", {**_beside(values), **named, "prompt": [{"role": "user", "content": turn} for turn in turns]}
    if values.get("input") is not None and any(values.get(key) is not None for key in REPLIES):
        values = {**values, "prompt": values["input"], "input": None}
        return _pair_format(values, "prompt", "prompt-completion", named)
    raise _unknown(values)


def _beside(values: dict[str, Any]) -> dict[str, Any]:
    """What a row says besides its messages."""
    keys = ("system", "system_prompt", "tools", "functions", "chat_template_kwargs")
    return {key: values[key] for key in keys if values.get(key) is not None}


def _pair_format(values: dict[str, Any], question: str, name: str, named: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A question with the reply that belongs to it; DataError when two columns could be the reply."""
    own = next((key for key in PAIRS[question][1] if values.get(key) is not None), None)
    if own is None:
        others = [key for key in REPLIES if values.get(key) is not None]
        if len(others) > 1 or (not others and isinstance(values.get("text"), str)):
            raise DataError(
                f"`{question}` with {listing(others or ['text'])}: which column is the reply is not clear",
                f"Columns found: {_columns(values)}.",
                f"Write data.fields: {{prompt: {question}, completion: {(others or ['text'])[0]}}}",
            )
        own = others[0] if others else None
        if own is None and "chosen" in values:
            raise _unknown(values)
    found = {**_beside(values), **named, "prompt": values[question]}
    found["completion"] = values[own] if own else None
    if name == "alpaca" and "input" not in found:
        found["input"] = values.get("input") if values.get("input") is not None else values.get("context")
    if values.get("history"):
        found["history"] = values["history"]
    return (name if own or not _missing_reply(values, question) else "prompt"), found


def _missing_reply(values: dict[str, Any], question: str) -> bool:
    """Whether the row has no column for a reply at all (an empty one still shows the format)."""
    return not any(key in values for key in (*PAIRS[question][1], *REPLIES))


def _mapped(values: dict[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """Columns that ``data.fields`` names, under their canonical names. Empty ones are left out."""
    found = {}
    for name, path in fields.items():
        if name not in CANONICAL or not isinstance(path, str):
            fix = (
                f"{did_you_mean(str(name), CANONICAL)}Names are {', '.join(CANONICAL)}; each with the name of a column."
            )
            raise ConfigError(f"data.fields: {quote(name, 40)}: {quote(path, 40)} is not understood", "", fix)
        value, known = at_path(values, path)
        if value != value:
            value = None
        if not known and name in ("messages", "prompt", "text"):
            raise DataError(
                f"no column `{quote(path, 60)}`, which data.fields names as {name}",
                f"Columns found: {_columns(values)}.",
                f"{did_you_mean(path, _paths(values))}Change data.fields, or correct the row.",
            )
        if value is not None:
            found[name] = value
    return found


def at_path(values: dict[str, Any], path: str) -> tuple[object, bool]:
    """Return the value of a column, or of a dotted path into one, and whether it is there.

    >>> at_path({"info": {"chat": [1]}}, "info.chat"), at_path({"info": 7}, "info.chat")
    (([1], True), (None, False))
    """
    if path in values:
        return values[path], True
    node: object = values
    for part in path.split("."):
        if not isinstance(node, dict) or part not in node:
            return None, False
        node = node[part]
    return node, True


def _mapped_format(named: dict[str, Any], fields: Mapping[str, str]) -> str:
    main = [name for name in ("messages", "prompt", "text") if name in named]
    given = [fields[name] for name in ("messages", "prompt", "text") if name in fields]
    if len(main) > 1 or not given:
        message = f"data.fields gives {listing(main)} at once"
        raise ConfigError(
            message if main else "data.fields gives a completion, and no prompt",
            "",
            "Name either messages, or prompt and completion, or text.",
        )
    if not main:
        names = listing(f"`{name}`" for name in given)
        raise DataError(f"the column {names} is empty", "", "Correct or delete the row.")
    if main[0] == "messages":
        return _chat_format(named["messages"])
    return "text" if main[0] == "text" else ("prompt-completion" if "completion" in fields else "prompt")


def _chat_format(chat: object) -> str:
    """``sharegpt`` for messages of ``from`` and ``value``, else ``messages``."""
    if isinstance(chat, str):
        return "sharegpt" if '"from"' in chat[:200] else "messages"
    first = chat[0] if isinstance(chat, list) and chat else None
    return "sharegpt" if isinstance(first, dict) and "from" in first and "role" not in first else "messages"


def _columns(values: dict[str, Any]) -> str:
    return listing(f"{quote(key, 40)} ({json_type(value)})" for key, value in values.items()) or "none"


def _paths(values: dict[str, Any]) -> list[str]:
    """Names of columns, and of what is one level inside them."""
    inside = [f"{key}.{name}" for key, value in values.items() if isinstance(value, dict) for name in value]
    return [*(str(key) for key in values), *inside]


def _unknown(values: dict[str, Any]) -> DataError:
    """The error for a row in none of the formats, with a line for ``data.fields`` where one would work."""
    chats = [path for path in _paths(values) if is_list_of_messages(at_path(values, path)[0])]
    known = [*CHATS, *PAIRS, *REPLIES, "text"]
    guesses = {guess for key in islice(values, 50) if isinstance(key, str) and (guess := did_you_mean(key, known))}
    if "chosen" in chats or (isinstance(values.get("chosen"), str) and "prompt" in values):
        mapping = "messages: chosen" if "chosen" in chats else "prompt: prompt, completion: chosen"
        hint = f"These are pairs of preferences; to train on the chosen reply, write data.fields: {{{mapping}}}. "
    elif chats:
        hint = f"`{quote(chats[0])}` holds messages: write data.fields: {{messages: {quote(chats[0])}}} to use it. "
    elif guesses:
        hint = min(guesses)
    else:
        hint = "Columns of other names are named in the configuration: data.fields: {prompt: …, completion: …}. "
    return DataError(
        "no format is recognised in the row's columns" if values else "the row has no columns",
        f"Columns found: {_columns(values)}.",
        f"{hint}{UNDERSTOOD}",
    )
