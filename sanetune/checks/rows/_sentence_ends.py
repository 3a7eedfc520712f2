"""How sentences end in a set of answers, learned from the answers themselves, and which answers stop before that.

Nothing is known of any language: which words do not end a sentence is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

READ = 4_000
"""Characters at the beginning of an answer from which sentences are learned."""

SEEN = 20
"""How often a word has to be inside sentences before it can be said not to end any."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LAST = re.compile(r"(?:^|(?<=[\s(\"“„«»]))([^\W\d_]+(?:['’][^\W\d_]+)*)\Z")
_CODE = re.compile(r"```.*?```", re.DOTALL)
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class SentenceEnds:
    """Words of a set of answers: how often each is inside a sentence, and how often the last of one or of a line."""

    inside: Counter[str]
    last: Counter[str]

    @classmethod
    def of(cls, answers: Iterable[str]) -> SentenceEnds:
        """Count the words of ``answers``."""
        inside: Counter[str] = Counter()
        last: Counter[str] = Counter()
        for answer in answers:
            text = _CODE.sub("\n", answer[:READ]) if "`" in answer else answer[:READ]
            for match in _WORD.finditer(text):
                after = text[match.end() : match.end() + 2]
                ends = after[:1] in ("", "\n") or (after[:1] not in " ,-'’/" and not after[:1].isalnum())
                (last if ends else inside)[match[0].casefold()] += 1
        return cls(inside, last)

    def never_last(self, word: str, most: float) -> bool:
        """Whether at most the share ``most`` of the uses of ``word`` end a sentence, a bracket or a line."""
        word = word.casefold()
        inside = self.inside[word]
        return inside >= SEEN and self.last[word] <= most * (inside + self.last[word])

    def without_end(self, most: float) -> float:
        """The share of all words that end no sentence: of texts truncated anywhere so many stop after such a word."""
        words = sum(self.inside.values()) + sum(self.last.values())
        never = sum(count for word, count in self.inside.items() if self.never_last(word, most))
        return never / words if words else 0.0


def is_sentence(answer: str) -> bool:
    """Return whether the last line of an answer has the words of a sentence: no heading, name or item of a list."""
    return len(answer.rstrip().rpartition("\n")[2].split()) >= FEWEST


def is_open_code(answer: str) -> bool:
    """Return whether an answer stops inside a block of code. One that ends by closing a block has begun it, or its
    prompt has.

    >>> is_open_code("Run this:\\n```\\nls"), is_open_code("```\\nls\\n```"), is_open_code("ls\\n```")
    (True, False, False)
    """
    return answer.count("```") % 2 == 1 and not answer.rstrip().endswith("```")


def broken_off(answer: str, ends: SentenceEnds, beginnings: frozenset[str], most: float) -> str:
    """Return why an answer that ends on a sentence seems to stop in the middle of it; "" where it does not.

    Args:
        answer: The text of an answer.
        ends: How sentences of the data end.
        beginnings: Beginnings of words of the data.
        most: The share of its uses in which a word may end a sentence and still count as one that does not.

    Returns:
        ``word`` after a word that ends no sentence, ``letter`` inside a word, ``mark`` after a comma or in open code.
    """
    text = answer.rstrip()
    if is_open_code(text) or text[-1:] == ",":
        return "mark"
    found = _LAST.search(text[-80:])
    if found is None or _UNSPACED.match(found[1]):
        return ""
    word = found[1].casefold()
    if ends.never_last(word, most):
        return "word"
    unknown = ends.inside[word] == 0 and ends.last[word] == 1
    return "letter" if unknown and word in beginnings else ""


def has_end(answer: str) -> bool:
    """Return whether an answer ends on a mark, such as a full stop, and not on a letter or a comma."""
    last = answer.rstrip()[-1:]
    return not last.isalnum() and last != ","


FEWEST = 4
"""Words of a last line from which it is a sentence."""


def beginnings_of(ends: SentenceEnds) -> frozenset[str]:
    """Return the beginnings of words that are used at least three times, of two letters up to all but three: a word
    and its plural are two words."""
    words = {word for counts in (ends.inside, ends.last) for word, count in counts.items() if count >= 3}
    return frozenset(word[:length] for word in words for length in range(2, min(len(word), 40) - 2))
