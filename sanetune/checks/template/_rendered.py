"""Texts of messages as chat templates write them: as they are, or escaped as within JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sanetune.data.conversation import Message

_TAG = re.compile(r"<[^<>\n]{1,60}>|\[/?[A-Z_]{2,40}\]")
_NO_WORD = re.compile(r"[\W_]+")


def contains(text: str, piece: str) -> bool:
    """Return whether ``text`` holds ``piece``, in whatever spelling of JSON.

    >>> contains('{"content": "a \\\\"b\\\\""}', 'a "b"')
    True
    """
    escaped = (json.dumps(piece, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True))
    return piece in text or any(spelling in text for spelling in escaped)


def words_only(text: str) -> str:
    """Return the letters and digits of ``text`` alone, in small letters.

    >>> words_only("Où est-il?")
    'oùestil'
    """
    return _NO_WORD.sub("", text).casefold()


def added(text: str, messages: list[Message]) -> str:
    """Return what ``text`` has besides its tags and the texts of ``messages``."""
    for piece in sorted(set(_texts(messages)), key=len, reverse=True):
        text = text.replace(piece, "\n")
    return _TAG.sub("\n", text)


def _texts(messages: list[Message]) -> list[str]:
    values: list[Any] = [message.get(name) for message in messages for name in ("content", "reasoning_content")]
    return [value.strip() for value in values if isinstance(value, str) and value.strip()]
