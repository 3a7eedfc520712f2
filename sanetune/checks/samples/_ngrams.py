"""Words of answers in any script, how much of a text repeats itself, and how alike two texts are."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from sanetune.text import WORDS_AND_SIGNS

MOST = 1_000
"""Words of one text that are compared: the first half of them and the last."""

GRAM = 4
LONG_WORD = 24
"""A longer run of letters or digits is no word, and stands for its characters ("00000…")."""


def words(text: str) -> list[str]:
    """Words and signs in small letters, at most MOST of them."""
    found: list[str] = []
    for word in WORDS_AND_SIGNS.findall(_bounded(text).casefold()):
        found += [word] if len(word) <= LONG_WORD else list(word)
    return found if len(found) <= MOST else [*found[: MOST // 2], *found[-MOST // 2 :]]


def repeated(found: Sequence[str]) -> float:
    """The share of runs of four words that stood in the text before: 0 when each is new.

    seq-rep-4 of Welleck et al., arXiv:1908.04319: 0.5 % in human text, 44 % in greedy text of a raw language model.
    """
    grams = [tuple(found[i : i + GRAM]) for i in range(len(found) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def tail(found: Sequence[str], longest: int = 64) -> tuple[int, int]:
    """The words at the end that repeat one phrase: (how many words, how long the phrase is); (0, 0) when it does not
    come at least three times in a row."""
    best = (0, 0)
    for period in range(1, min(longest, len(found) // 3) + 1):
        length = period
        while length < len(found) and found[-1 - length] == found[period - 1 - length]:
            length += 1
        if length >= 3 * period and length > best[0]:
            best = (length, period)
    return best


def alike(one: Sequence[str], other: Sequence[str], most: int = 300) -> float:
    """1 for the same words in the same order, 0 for none in common (difflib's ratio over the first ``most`` words)."""
    if not one and not other:
        return 1.0
    return SequenceMatcher(None, one[:most], other[:most], autojunk=False).ratio()


def between(texts: Sequence[Sequence[str]]) -> float:
    """How alike the answers to different prompts are: the mean over neighbours; 0 for fewer than two."""
    degrees = [alike(one, other) for one, other in pairwise(texts)]
    return sum(degrees) / len(degrees) if degrees else 0.0


def _bounded(text: str) -> str:
    most = MOST * LONG_WORD
    return text if len(text) <= most else text[: most // 2] + text[-most // 2 :]
