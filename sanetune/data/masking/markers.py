"""Put invisible marks around every text of a conversation, to find it again in what a template renders.

A mark is a run of Unicode noncharacters (U+FDD0 to U+FDDF, which are reserved for a program's own use and never valid
in text that is exchanged). Rendering the marked messages and removing the marks must give the text that the unmarked
messages give; then each mark is exactly where its text begins or ends, whatever the template puts around it.

Example:
    >>> marker = Marker()
    >>> marked = marker.mark({"role": "user", "content": " Hi "}, 0)
    >>> text, found = marker.read(f"<user>{marked['content']}</user>")
    >>> text, [one.at for one in found], [one.mark.field for one in found]
    ('<user> Hi </user>', [7, 9], ['content', 'content'])
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sanetune.data.conversation import Message

if TYPE_CHECKING:
    from sanetune.data.json_types import Json

_OPEN, _SHUT = "\ufdd0", "\ufdd1"
_DIGITS = "".join(chr(0xFDD2 + digit) for digit in range(14))
_MARK = re.compile(rf"{_OPEN}([{_DIGITS}]+){_SHUT}|\\ufdd0((?:\\ufdd[0-9a-f])+?)\\ufdd1")
"""A mark as it is, or escaped by a template that writes JSON in ASCII."""
RESERVED = re.compile("[\ufdd0-\ufddf]")
"""Matches what no input may contain: with these in the data a mark could be forged."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One end of one text.

    Attributes:
        message: The number of the message.
        field: ``content``, ``reasoning`` or ``tool call``.
        closes: Whether it is the end of the text, and not its beginning.
    """

    message: int
    field: str
    closes: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A mark in a rendered text.

    Attributes:
        at: The character before which it was, in the text without marks.
        number: Its number; text k has the marks 2k and 2k + 1.
        mark: What it marks.
    """

    at: int
    number: int
    mark: Mark


@dataclass(slots=True)
class Marker:
    """Marks messages, remembers which mark is which, and reads them back."""

    marks: list[Mark] = field(default_factory=list)

    def mark(self, message: Message, index: int) -> Message:
        """Return a copy of message number ``index`` with marks around its content, its reasoning, and the names and
        arguments of its tool calls.

        ``message`` is one that :meth:`~sanetune.data.template.chat_template.ChatTemplate.adapted` has made.
        """
        marked = dict(message)
        content = message.get("content")
        if isinstance(content, str):
            marked["content"] = self._around(content, index, "content")
        elif isinstance(content, list):
            marked["content"] = [
                {**part, "text": self._around(part["text"], index, "content")} if "text" in part else part
                for part in content
            ]
        reasoning = message.get("reasoning_content")
        if isinstance(reasoning, str):
            marked["reasoning_content"] = marked["thinking"] = self._around(reasoning, index, "reasoning")
        if message.get("tool_calls"):
            marked["tool_calls"] = [self._mark_call(call, index) for call in message["tool_calls"]]
        return marked

    def read(self, text: str) -> tuple[str, list[Found]]:
        """Return ``text`` without its marks, and the first place of each mark: a tool's answer may name the call
        again."""
        pieces, found, seen, at, end = [], [], set(), 0, 0
        for match in _MARK.finditer(text):
            pieces.append(text[end : match.start()])
            at += match.start() - end
            end = match.end()
            number = 0
            digits = match[1] or "".join(chr(int(one, 16)) for one in match[2].split("\\u")[1:])
            for digit in digits:
                number = number * len(_DIGITS) + ord(digit) - 0xFDD2
            if number not in seen:
                seen.add(number)
                found.append(Found(at, number, self.marks[number]))
        pieces.append(text[end:])
        return "".join(pieces), found

    def _mark_call(self, call: dict[str, Any], index: int) -> dict[str, Any]:
        function = call["function"]
        return {
            **call,
            "function": {
                **function,
                "name": self._around(function["name"], index, "tool call"),
                "arguments": self._inside(function["arguments"], index),
            },
        }

    def _inside(self, value: Json, index: int) -> Json:
        """Marks around every text inside ``value``; keys have none."""
        if isinstance(value, str):
            return self._around(value, index, "tool call")
        if isinstance(value, dict):
            return {key: self._inside(item, index) for key, item in value.items()}
        if isinstance(value, list):
            return [self._inside(item, index) for item in value]
        return value

    def _around(self, text: str, index: int, name: str) -> str:
        """Marks go inside the outer white space, so that a template that trims still does; blank text stays blank."""
        core = text.strip()
        if not core:
            return text
        lead = text[: len(text) - len(text.lstrip())]
        return (
            f"{lead}{self._new(index, name, False)}{core}{self._new(index, name, True)}{text[len(lead) + len(core) :]}"
        )

    def _new(self, index: int, name: str, closes: bool) -> str:
        """A mark as text: its number in base 14, between two signs."""
        number, digits = len(self.marks), ""
        self.marks.append(Mark(index, name, closes))
        while True:
            number, digit = divmod(number, len(_DIGITS))
            digits = _DIGITS[digit] + digits
            if not number:
                return _OPEN + digits + _SHUT
