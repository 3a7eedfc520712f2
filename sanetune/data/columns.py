"""Find out which columns of a row say what, by their usual names or as ``data.fields`` names them.

A row has one of the :data:`FORMATS`, and each of its columns a canonical name, whatever the file calls it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sanetune.data import chat_export, content, preferences, reply_tree
from sanetune.data.column_advice import UNDERSTOOD, unknown
from sanetune.data.column_names import (
    ANSWERS,
    CHATS,
    LATE_CHATS,
    LATE_PAIRS,
    MEDIA,
    PAIRS,
    REASONING,
    REPLIES,
    SWITCHES,
    SYSTEMS,
    TEMPLATE_ARGUMENTS,
    TOOLS,
    USUAL,
)
from sanetune.data.fields import MAIN, columns, main_format, mapped
from sanetune.data.messages import ALIASES, ROLE_KEYS, is_answered_chat
from sanetune.data.prompt_parts import below_question, with_options
from sanetune.data.tool_calls import calls_in
from sanetune.data.unread import ReadPaths, Unread, holds_something
from sanetune.errors import DataError
from sanetune.text import json_type, listing

FORMATS = (
    "messages",
    "sharegpt",
    "alpaca",
    "prompt-completion",
    "question-answer",
    "text",
    "prompt",
    "preference",
    "reply-tree",
    "chat-export",
)
"""The formats of rows; ``prompt`` is a question without a reply, ``preference`` a wanted and an unwanted reply,
``reply-tree`` messages below the message that they answer,
``chat-export`` a conversation as ChatGPT exports it."""

LONGEST_ARGUMENT = 200
"""Characters of a variable of a chat template; a longer text is none."""


def find(values: object, fields: Mapping[str, str] | None, unread: Unread | None = None) -> tuple[str, dict[str, Any]]:
    """Return the format of a row and its columns under their canonical names.

    >>> find({"question": "2 + 2?", "answer": "4", "id": 7}, None)
    ('question-answer', {'prompt': '2 + 2?', 'completion': '4'})
    >>> find({"q": "2 + 2?", "a": "4"}, {"prompt": "q", "completion": "a"})
    ('prompt-completion', {'prompt': '2 + 2?', 'completion': '4'})

    Args:
        values: The row: an object, or it is refused.
        fields: Canonical name -> column, or path into one; as in ``data.fields``.
        unread: Gets the columns that nothing reads.

    Raises:
        DataError: The row has no format, or its reply is ambiguous.
        ConfigError: ``fields`` cannot be meant.
    """
    if not isinstance(values, dict):
        raise DataError(f"the row is {json_type(values)}, not an object", "", UNDERSTOOD)
    if float in map(type, values.values()) and any(type(one) is float and one != one for one in values.values()):
        values = {key: value for key, value in values.items() if value == value}  # NaN: how tables write "missing"
    values = in_small_letters(values, fields)
    unread = unread if unread is not None else Unread()
    row = _Row(values, unread)
    named = row.named = mapped(values, fields, row.read) if fields else {}
    if fields and not fields.keys().isdisjoint(MAIN):
        main = main_format(named, fields)
        found = named if main == "text" else row.beside() | named
        if main == "messages":
            name = _chat_format(named["messages"])
        else:
            name = "text" if main == "text" else ("prompt-completion" if "completion" in fields else "prompt")
    else:
        name, found = row.found(named)
    if "options" in named or (name != "text" and not fields):
        found = with_options(found, named.get("options"), values, row.read, unread)
    if name != "text" and (reason := preferences.unwanted(row.values, row.read, named.get("label"))):
        found["left_out"] = reason
    for key in _OUT_OF_PLACE.get("text" if name == "text" else "messages" if "messages" in found else "", ()):
        if fields and key in named:
            unread.add(fields[key], named[key])
    row.read.rest(values, unread)
    return name, found


def in_small_letters(values: dict[str, Any], fields: Mapping[str, str] | None) -> dict[str, Any]:
    """Return ``values`` with usual names in small letters, unless ``fields`` names the column as it is.

    >>> in_small_letters({"Question": "2 + 2?", "ANSWER": "4", "Id": 7}, None)
    {'question': '2 + 2?', 'answer': '4', 'Id': 7}
    """
    if all(map(str.islower, values)):  # nearly every row there is
        return values
    paths = [part for path in (fields or {}).values() for part in str(path).split(" + ")]
    named = {path.strip().split(".")[0] for path in paths}
    small = {
        key: key.lower()
        for key in values
        if not key.islower() and key.lower() in USUAL and key.lower() not in values and key not in named
    }
    if not small or len(set(small.values())) < len(small):
        return values
    return {small.get(key, key): value for key, value in values.items()}


_OUT_OF_PLACE = {"text": ("system", "tools", "reasoning", "input", "options"), "messages": ("input", "options")}
"""Names in ``data.fields`` that say nothing beside a text, or beside messages."""

_BESIDE = frozenset((*SYSTEMS, *TOOLS, *TEMPLATE_ARGUMENTS, *REASONING, "chat_template_kwargs"))
_MEDIA = frozenset(MEDIA)


class _Row:
    """A row whose columns are found by their usual names."""

    def __init__(self, values: dict[str, Any], unread: Unread) -> None:
        self.values, self.unread, self.read = values, unread, ReadPaths()
        self.named: dict[str, Any] = {}

    def take(self, names: Sequence[str]) -> object:
        """The first value that is there under one of ``names``; equal ones under the others are read as well."""
        key = next((name for name in names if self.values.get(name) is not None), None)
        if key is None:
            return None
        value = self.values[key]
        for name in names:
            if name == key or (name in self.values and self.values[name] == value):
                self.read.column(name)
        return value

    def found(self, named: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The format, and the columns; ``named`` are those that ``data.fields`` names."""
        self._refuse_media()
        if pair := preferences.columns_of(self.values):
            found = preferences.wanted(self.values, pair, self.read, self.unread)
            return "preference", {
                **self.beside(),
                **self._below(found),
                **found,
                **named,
            }
        if chat_export.is_export(self.values):
            self.read.tree |= dict.fromkeys(chat_export.COLUMNS, True)
            return "chat-export", {**named, "messages": chat_export.shown_path(self.values, self.unread)}
        if reply_tree.is_tree(self.values):
            self.read.tree |= reply_tree.read_columns(self.values)
            return "reply-tree", {**self.beside(), **named, "messages": reply_tree.best_path(self.values, self.unread)}
        for key in CHATS:
            chat = self.values.get(key)
            if chat is not None and (key in CHATS[:3] or isinstance(chat, list)):
                self.read.column(key)
                reply = self._reply_behind(chat)
                return _chat_format(chat), {**self.beside(), **named, **reply, "messages": chat}
        for question, (name, _) in PAIRS.items():
            if self.values.get(question) is not None:
                return self._pair(question, name, named)
        if isinstance(self.values.get("text"), str):
            return "text", {"text": self.take(("text",))}
        turns = self.values.get("turns")
        if isinstance(turns, list) and turns and all(isinstance(turn, str) for turn in turns):
            self.read.column("turns")
            prompt = [{"role": "user", "content": turn} for turn in turns]
            return "prompt", {**self.beside(), **named, "prompt": prompt}
        if self.values.get("input") is not None and any(self.values.get(key) is not None for key in REPLIES):
            return self._pair("input", "prompt-completion", named)
        for asked, answered in LATE_PAIRS:
            if isinstance(self.values.get(asked), str) and _is_text(self.values.get(answered)):
                return self._pair(asked, "prompt-completion", named, (answered,))
        return self._late_chat(named)

    def _late_chat(self, named: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Messages in a column whose name alone does not say so, unless a reply to all of them may be beside it."""
        key = next((name for name in LATE_CHATS if isinstance(self.values.get(name), list | dict)), "")
        reply = self._reply_behind(chat := self.values.get(key))
        if not reply and (not is_answered_chat(chat) or any(_is_text(self.values.get(name)) for name in ANSWERS)):
            raise unknown(self.values)
        self.read.column(key)
        return _chat_format(chat), {**self.beside(), **named, **reply, "messages": chat}

    def beside(self) -> dict[str, Any]:
        """What a row says besides its messages."""
        if _BESIDE.isdisjoint(self.values):
            return {}
        usual = {"system": SYSTEMS, "tools": TOOLS}
        found = {name: self.take(columns) for name, columns in usual.items() if name not in self.named}
        found["chat_template_kwargs"] = self.take(("chat_template_kwargs",))
        arguments = {key: value for key in TEMPLATE_ARGUMENTS if _is_argument(key, value := self.values.get(key))}
        for key in arguments:
            self.read.column(key)
        thought = {key: value for key in REASONING if _is_reasoning(value := self.values.get(key))}
        if thought and "reasoning" not in self.named:
            found["reasoning"], _ = content.reasoning(thought)
            same = {key for key in thought if content.reasoning({key: thought[key]})[0] == found["reasoning"]}
            for key in same:
                self.read.column(key)
            content.add_rest_of_details(thought, same, self.unread, "")
        return {key: value for key, value in found.items() if value is not None} | (
            {"template_arguments": arguments} if arguments else {}
        )

    def _pair(
        self, question: str, name: str, named: dict[str, Any], replies: tuple[str, ...] = ()
    ) -> tuple[str, dict[str, Any]]:
        """A question with the reply that belongs to it; DataError when two columns could be the reply."""
        values = self.values
        if isinstance(values[question], dict):
            raise unknown(values)
        belonging = replies or (PAIRS[question][1] if question in PAIRS else ())
        own = next((key for key in belonging if values.get(key) is not None), None)
        if own is None:
            others = [key for key in REPLIES if values.get(key) is not None and key != question]
            if len(others) > 1 or (not others and isinstance(values.get("text"), str)):
                raise DataError(
                    f"`{question}` with {listing(others or ['text'])}: which column is the reply is not clear",
                    f"Columns found: {columns(values)}.",
                    f"Write data.fields: {{prompt: {question}, completion: {(others or ['text'])[0]}}}",
                )
            own = others[0] if others else None
        self.read.column(question)
        found = {**self.beside(), "prompt": values[question], "completion": None}
        if own:
            self.read.column(own)
            found["completion"] = values[own]
        elif calls := calls_in(values.get("answers")):
            self.read.column(own := "answers")
            found["completion"] = [{"role": "assistant", "content": "", "tool_calls": calls}]
        found |= self._below(found)
        if values.get("history"):
            self.read.column("history")
            found["history"] = values["history"]
        has_reply = own or any(key in values for key in (*belonging, *REPLIES))
        return (name if has_reply else "prompt"), found | named

    def _reply_behind(self, chat: object) -> dict[str, Any]:
        """The reply in a column of its own, where the messages end on a question."""
        if not any(key in self.values for key in REPLIES):
            return {}
        last = chat[-1] if isinstance(chat, list) and chat else None
        who = next((last[key] for key in ROLE_KEYS if key in last), None) if isinstance(last, dict) else None
        replies = [key for key in REPLIES if isinstance(self.values.get(key), str)]
        if isinstance(who, str) and ALIASES.get(who) in ("user", "tool") and len(replies) == 1:
            return {"completion": self.take(replies)}
        return {}

    def _below(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """What is below the question, unless ``data.fields`` says what is."""
        return {} if "input" in self.named else below_question(self.values, found.get("prompt"), self.read)

    def _refuse_media(self) -> None:
        if _MEDIA.isdisjoint(self.values):
            return
        for key in MEDIA:
            if holds_something(self.values.get(key)):
                raise DataError(
                    f"the row has `{key}` ({json_type(self.values[key])})",
                    content.ONLY_TEXT,
                    "Take such rows out, or name the columns to read where nobody needs it: data.fields.",
                )


def _is_text(value: object) -> bool:
    """Whether a value is a text, or a list of texts."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _is_argument(key: str, value: object) -> bool:
    """Whether a column is a variable of the chat template."""
    if isinstance(value, bool | int | float):
        return True
    return isinstance(value, str) and key != "thinking" and 0 < len(value.strip()) <= LONGEST_ARGUMENT


def _is_reasoning(value: object) -> bool:
    """Whether a column of reasoning holds reasoning, and no switch for it."""
    if isinstance(value, str):
        return bool(value.strip()) and value.strip().lower() not in SWITCHES
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _chat_format(chat: object) -> str:
    """``sharegpt`` for messages of ``from`` and ``value``, else ``messages``."""
    if isinstance(chat, str):
        return "sharegpt" if '"from"' in chat[:200] else "messages"
    first = chat[0] if isinstance(chat, list) and chat else None
    return "sharegpt" if isinstance(first, dict) and "from" in first and "role" not in first else "messages"
