"""Where two lists of token ids part, and the texts around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

AROUND = 4
"""Tokens that are shown on either side of a difference."""


def parting(trained: Sequence[int], served: Sequence[int]) -> int:
    """Return the first position at which two lists of ids differ; the shorter one's length where one begins the other.

    >>> parting([1, 2, 3], [1, 5, 3]), parting([1, 2], [1, 2, 3])
    (1, 2)
    """
    pairs = enumerate(zip(trained, served, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(trained), len(served)))


def around(ids: Sequence[int], at: int, texts: Mapping[int, str]) -> str:
    """Return the text of the tokens around position ``at``."""
    return "".join(texts.get(one, f"<{one}>") for one in ids[max(0, at - AROUND) : at + AROUND + 1])


def without_second(ids: Sequence[int], bos: int | None) -> list[int]:
    """Return ``ids`` with one token ``bos`` at the beginning, where they have two or more.

    >>> without_second([1, 1, 5], 1), without_second([1, 5], 1)
    ([1, 5], [1, 5])
    """
    found = list(ids)
    while bos is not None and found[:2] == [bos, bos]:
        found = found[1:]
    return found
