"""Headers that people write before prompts and answers, found by what nearly all texts share.

``### Response:``, ``Answer:`` and ``ASSISTANT:`` need not be known beforehand.
"""

from __future__ import annotations

import re
from collections import Counter

from sanetune.data.markup import BEGINS, ENDS

FEWEST = 8
"""Documents below which what they share may be chance."""
SHARED = 0.9
"""Share of the documents that have to have a header for it to be one."""
VARIED = 0.1
"""Share of the documents that have to have a prompt of their own between two headers, for these to be headers."""

MARK = re.compile(
    r"^[ ]*#{1,4} ?[A-Za-z][\w /-]{0,30}:?|^[ ]*[A-Za-z][\w /-]{0,24}:|\b[A-Z][A-Za-z]{2,15}:"
    r"|</?\|?[A-Za-z_]{1,30}\|?>:?|\[/?[A-Z_]{2,30}\]|^\*\*[A-Za-z][\w ]{0,24}:?\*\*:?",
    re.MULTILINE,
)
"""What a header looks like: ``### Answer:``, ``Q:``, ``ASSISTANT:``, ``<|user|>``, ``[/INST]``."""
ANSWER = re.compile(
    r"[ #*<|\[/]*(answer|response|assistant|output|reply|completion|gpt|bot|model|target|solution|a\b|/inst)",
    re.IGNORECASE,
)
"""Words that name who answers."""


def answer_header(texts: list[str]) -> str | None:
    """The header before the answers."""
    found = headers_of(texts)
    return found[1] if found else None


def headers_of(texts: list[str]) -> tuple[str, str] | None:
    """The first header and the one before the answers: of at least two of one form that nearly all texts have, in one
    order."""
    seen = [{match[0].lstrip(" "): match.start() for match in reversed(_marks(text))} for text in texts]
    counts = Counter(mark for marks in seen for mark in marks)
    shared = [mark for mark, count in counts.items() if count >= SHARED * len(texts)]
    order = sorted(shared, key=lambda mark: _median([marks[mark] for marks in seen if mark in marks]))
    if len(order) < 2:
        return None
    later = [mark for mark in order[1:] if _shape(mark) == _shape(order[0])]
    named = [mark for mark in later if ANSWER.match(mark)]
    header = named[0] if named else later[-1] if later else None
    if header is None:
        return None
    between = {text[marks[order[0]] : marks[header]] for text, marks in zip(texts, seen, strict=True)
               if order[0] in marks and header in marks and marks[order[0]] < marks[header]}  # fmt: skip
    return (order[0], header) if len(between) >= max(FEWEST / 2, VARIED * len(texts)) else None


def _marks(text: str) -> list[re.Match[str]]:
    """What looks like a header in a text, and is no token that begins or ends it."""
    return [one for one in MARK.finditer(text) if one[0].strip() not in ENDS and not BEGINS.fullmatch(one[0])]


def _shape(mark: str) -> str:
    """``### Answer:`` and ``### Question:`` have one form; ``[INST]`` and ``[/INST]`` too."""
    return re.sub(r"[\w ]+|(?<=[<\[])/|-", "a", mark.replace("/", "")).replace("aa", "a")


def _median(numbers: list[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]
