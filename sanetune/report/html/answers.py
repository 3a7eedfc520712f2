"""Where two answers to one prompt differ, word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.probes.results import Sample

WORDS = 400
"""Words of an answer that are compared; the rest of a longer one is shown without marks."""
ALIKE = 0.35
"""Share of equal words below which two answers are different texts: marks would only be noise."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an answer.

    Attributes:
        text: Its text.
        differs: Whether the other answer does not have it here.
    """

    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Differences:
    """Two answers in pieces.

    Attributes:
        before: Pieces of the first answer.
        after: Pieces of the second one.
        words: How much of them is the same, in words.
    """

    before: Sequence[Part]
    after: Sequence[Part]
    words: str


def differences(sample: Sample) -> Differences:
    """Return the pieces of both answers of ``sample``; nothing is marked where they have little in common."""
    return compared(sample.base.text, sample.tuned.text)


def compared(before: str, after: str) -> Differences:
    """Return the pieces of two texts, word by word.

    >>> found = compared("We open at nine.", "We open at ten.")
    >>> [part.text for part in found.before if part.differs], [part.text for part in found.after if part.differs]
    (['nine'], ['ten'])
    >>> found.words
    '88 % of the words and marks are the same'
    """
    if before.strip() == after.strip():
        return Differences([Part(before, False)], [Part(after, False)], "both answers are the same")
    ours, theirs = _words(before), _words(after)
    matcher = difflib.SequenceMatcher(None, ours[:WORDS], theirs[:WORDS], autojunk=False)
    share = matcher.ratio()
    if share < ALIKE:
        return Differences([Part(before, False)], [Part(after, False)], "the answers have little in common")
    first: list[Part] = []
    second: list[Part] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        first += _part(ours[a:b], tag != "equal")
        second += _part(theirs[c:d], tag != "equal")
    first += _part(ours[WORDS:], False)
    second += _part(theirs[WORDS:], False)
    return Differences(first, second, f"{round(100 * share)} % of the words and marks are the same")


def _words(text: str) -> list[str]:
    """Words, marks and white space; joined they are the text."""
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _part(words: Sequence[str], differs: bool) -> list[Part]:
    return [Part("".join(words), differs)] if words else []
