"""What the markup in a row's own text does to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.data.conversation import Conversation, Message
from sanetune.data.markup import BEGINS, DIALECTS, ENDS, Rendered, Turn, rendered, without_end
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.errors import TemplateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ORDINARY = re.compile(r"</?(think|thinking|reasoning|answer|tool_calls?|tool_response|tools)>|\[/?THINK\]")
"""Strings that are tokens of their own and belong into the text of messages."""

_QUOTES = "`'\"“‘«"
_FORGED = [dialect.header for dialect in DIALECTS if not dialect.words]
_FORGED.append(re.compile(r"^### ?(?:Human|User|Assistant) ?:", re.MULTILINE))


@dataclass(frozen=True, slots=True)
class Fault:
    """Markup in a row: its kind, the index of its message, and where it is in the text."""

    kind: str
    message: int
    start: int
    end: int
    dialect: str = ""


class MarkupReader:
    """Finds markup in rows for one tokenizer and its chat template.

    Attributes:
        added: What the template writes after an answer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: ChatTemplate | None) -> None:
        names = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        names = [name for name in names if len(name) > 2 and not name.isalnum() and not _ORDINARY.fullmatch(name)]
        alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self._special = re.compile(alternatives) if alternatives else None
        self.added = _added(template)

    def fault_of(self, conversation: Conversation) -> Fault | None:
        """Return the gravest markup in a row, or None."""
        if conversation.text is not None:
            found = rendered(conversation.text)
            if found is None or not {"user", "assistant"} <= set(found.roles):
                return None
            return Fault("plain", 0, 0, min(len(conversation.text), 200), found.dialect.name)
        faults = [
            fault
            for index, message in enumerate(conversation.messages)
            if (fault := self._in_message(message, index)) is not None
        ]
        if not faults and (dialect := _headed(conversation.messages)):
            return Fault("rendered", 0, 0, min(len(conversation.messages[0]["content"]), 200), dialect)
        return min(faults, key=lambda fault: ORDER.index(fault.kind), default=None)

    def _in_message(self, message: Message, index: int) -> Fault | None:
        text = message["content"]
        if not text or not any(sign in text for sign in "<[|#:"):
            return None
        if message["role"] != "tool" and (found := rendered(text)) and _again(found, message["role"]):
            return Fault("rendered", index, 0, min(len(text), 200), found.dialect.name)
        if match := _first_unquoted(_FORGED, text):
            return Fault("forged", index, match.start(), match.end())
        if message["role"] == "tool":
            return self._special_in(text, index)
        if span := self._doubled(text, message["role"]):
            return Fault("ends", index, *span)
        return self._special_in(text, index)

    def _special_in(self, text: str, index: int) -> Fault | None:
        match = self._special.search(text) if self._special else None
        return Fault("special", index, match.start(), match.end()) if match else None

    def _doubled(self, text: str, role: str) -> tuple[int, int] | None:
        """Where an end token ends the text of a message, though the template writes one or it is none of its own."""
        if not text.rstrip().endswith(ENDS):
            return None
        start = len(without_end(text))
        end = text[start:].strip()
        struck = end == "</s>" and text.rfind("<s>", 0, start) > 0  # HTML's struck text
        alone = role == "assistant" and not self.added  # the template leaves the end to the data
        return None if struck or alone else (start, len(text.rstrip()))


ORDER = ("plain", "rendered", "forged", "ends", "special")
"""Kinds of markup, gravest first."""


def _again(found: Rendered, role: str) -> bool:
    """Whether a message holds turns, and is not an ordinary text that happens to begin as one."""
    if not found.dialect.words:
        return True
    if role == "assistant":
        return "user" in found.roles and found.turns[0].role == "assistant"
    if found.dialect.name == "names" and found.turns[-1] != Turn("assistant", ""):
        return False  # a transcript that is to be summed up looks so, too
    return found.roles[0] in ("user", "system") and "assistant" in found.roles


def _headed(messages: list[Message]) -> str:
    """The dialect of headers in words with which every message of user and assistant begins; "" where not all do."""
    names = set()
    for message in messages:
        if message["role"] in ("user", "assistant"):
            found = rendered(message["content"])
            names.add(found.dialect.name if found and found.roles == [message["role"]] else "")
    return names.pop() if len(names) == 1 else ""


def _first_unquoted(patterns: list[re.Pattern[str]], text: str) -> re.Match[str] | None:
    begin = BEGINS.match(text)
    for pattern in patterns:
        for match in pattern.finditer(text, begin.end() if begin else 0):
            if not _quoted(text, match.start()):
                return match
    return None


def _quoted(text: str, at: int) -> bool:
    """Whether a place is right after a quotation mark, or inside code."""
    before = text[:at]
    return before[-1:] in _QUOTES or before.count("```") % 2 == 1 or before.rpartition("\n")[2].count("`") % 2 == 1


def _added(template: ChatTemplate | None) -> str:
    """What the template writes after the text of an answer."""
    if template is None:
        return ""
    asked, answered = "sanetune-question", "sanetune-answer"
    try:
        text = template.render([{"role": "user", "content": asked}, {"role": "assistant", "content": answered}])
    except TemplateError:
        return ""
    return text.rpartition(answered)[2].strip()
