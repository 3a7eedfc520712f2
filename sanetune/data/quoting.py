"""The user's own words inside an error: cut to length, control characters shown, never the whole file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any


def quote(value: Any, limit: int = 60) -> str:
    """``value`` as one printable line of at most ``limit`` characters; terminal escapes come out as ``\\x1b``."""
    text = value if isinstance(value, str) else _outline(value)
    cut = text[: limit + 1].replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)
    return shown if len(shown) <= limit and len(text) <= limit else shown[: limit - 1] + "…"


def kind(value: Any) -> str:
    """What a value is, in a reader's words: ``text``, ``list of 3``, ``object``, ``number``, ``nothing``."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, dict) else type(value).__name__


def listing(names: Iterable[Any], limit: int = 12) -> str:
    """Names joined by commas; past ``limit`` only how many more there are."""
    words = [quote(name, 40) for name in names]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more


def nearest(word: str, options: Iterable[str]) -> str:
    """``Did you mean a or b? `` for the closest of ``options``, or an empty string."""
    close = _close(word[:200].lower(), tuple(islice(options, 1000)))
    return f"Did you mean {' or '.join(quote(name, 80) for name in close)}? " if close else ""


@lru_cache(256)  # a hundred thousand rows may each lack the same column
def _close(word: str, options: tuple[str, ...]) -> list[str]:
    lowered = {option.lower(): option for option in options}
    return [lowered[name] for name in difflib.get_close_matches(word, lowered, n=3, cutoff=0.6)]


def _outline(value: Any) -> str:
    """``repr`` of a scalar; of a container only its kind, because its repr may be as large as the file."""
    if isinstance(value, (int, float, type(None))):
        try:
            return repr(value)
        except ValueError:  # Python refuses to print integers of thousands of digits
            return "a very large number"
    return kind(value)
