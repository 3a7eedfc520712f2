"""Text from outside, made fit for messages: shortened, escaped, quoted, normalised, and matched to similar names.

Nothing in a user's file, and nothing that a model writes, may steer a terminal, fill a screen or break a file for
another program. Where text is shown, it goes through one of these functions.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2066\u2067\u2068\u2069")
"""Characters that change the direction of the text around them, and line separators."""

# Scripts that put no spaces between words: each character is a word of its own.
_UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
WORDS = re.compile(rf"{_UNSPACED}|\w+")
"""Matches the words of a text in any script."""
WORDS_AND_SIGNS = re.compile(rf"{_UNSPACED}|\w+|[^\w\s]")
"""As :data:`WORDS`, and each punctuation mark or symbol by itself."""


# -- shorten ------------------------------------------------------------------------------------------------------


def shorten(text: str, length: int) -> str:
    """Return ``text``, or its beginning and an ellipsis: at most ``length`` characters.

    >>> shorten("abcdef", 6), shorten("abcdefg", 6)
    ('abcdef', 'abcde…')
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def shorten_middle(text: str, length: int, separator: str = " ") -> str:
    """Return ``text``, or about ``length`` characters of its beginning and end, and how many are left out between.

    >>> shorten_middle("a" * 50 + "z" * 50, 8)
    'aaaa … 92 characters left out … zzzz'

    Args:
        text: Any text.
        length: Characters of ``text`` that are kept.
        separator: Text on both sides of the note, for instance a line break.
    """
    if len(text) <= length:
        return text
    half = length // 2
    note = f"… {len(text) - 2 * half:,} characters left out …"
    return separator.join((text[:half], note, text[-half:]))


def both_ends(text: str, length: int) -> str:
    """Return ``text``, or two thirds of ``length`` characters from its beginning and one third from its end.

    >>> both_ends("the first words, many others, the last words", 24)
    'the first words… t words'
    """
    if len(text) <= length:
        return text
    end = len(text) - max(0, length // 3 - 1)
    return f"{shorten(text, 2 * length // 3)} {text[end:]}"


# -- make harmless ------------------------------------------------------------------------------------------------


def escape_control(text: str, *, newline: str = "\n", strict: bool = False) -> str:
    r"""Return ``text`` with control characters as escapes (``\x1b``, ``\u202e``), so that it cannot steer anything.

    >>> print(escape_control("red: \x1b[31m, reversed: \u202e"))
    red: \x1b[31m, reversed: \u202e

    Args:
        text: Any text. Tabs stay.
        newline: What a line break becomes.
        strict: Also escape what is invisible but harmless (other spaces, joiners).
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escaped(sign, newline, strict) for sign in text)


def _escaped(sign: str, newline: str, strict: bool) -> str:
    if sign == "\n":
        return newline
    if sign == "\t":
        return sign
    if not strict and sign not in _DIRECTION and unicodedata.category(sign) in ("Zs", "Cf"):
        return sign
    return ascii(sign)[1:-1]


def replace_control(text: str) -> str:
    r"""Return ``text`` with U+FFFD for every control or invisible character but line breaks and tabs.

    The length stays, so that text that a model writes can be shown piece by piece.

    >>> ascii(replace_control("a\x1b[31m\n"))
    "'a\\ufffd[31m\\n'"
    """
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)


def one_line(text: str, length: int) -> str:
    r"""Return ``text`` on one line of about ``length`` characters, with control characters as escapes.

    >>> one_line("two\nlines \x1b[31m", 100)
    'two lines \\x1b[31m'
    """
    return escape_control(shorten_middle(text, length), newline=" ", strict=True)


# -- quote in a message -------------------------------------------------------------------------------------------


def quote(value: object, length: int = 60) -> str:
    r"""Return ``value`` as one printable line of at most ``length`` characters.

    Of a list or mapping only its kind is shown, because its ``repr`` may be as large as the file.

    >>> quote("two\nlines"), quote([1, 2, 3]), quote("x" * 100, 5)
    ('two\\nlines', 'a list of 3', 'xxxx…')
    """
    text = value if isinstance(value, str) else _outline(value)
    begun = text[: length + 1].replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    shown = escape_control(begun, strict=True)
    return shown if len(shown) <= length and len(text) <= length else shown[: length - 1] + "…"


def _outline(value: object) -> str:
    if isinstance(value, (int, float, type(None))):
        try:
            return repr(value)
        except ValueError:  # Python refuses to print integers of thousands of digits
            return "a very large number"
    return json_type(value)


def quote_name(name: str, length: int = 40) -> str:
    """Return the name of a column as :func:`quote` does; words where it is empty, as pandas' index in a CSV file is.

    >>> quote_name("answer"), quote_name("")
    ('answer', '(no name)')
    """
    return quote(name, length) if name.strip() else "(no name)"


def json_type(value: object) -> str:
    """Return what a JSON value is, in words.

    >>> [json_type(value) for value in (None, "a", True, 1.5, [1, 2], {})]
    ['nothing', 'text', 'true/false', 'a number', 'a list of 2', 'an object']
    """
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


def listing(names: Iterable[object], most: int = 12) -> str:
    """Return names joined by commas; past ``most`` names only how many more there are.

    >>> listing(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    words = [quote(name, 40) for name in names]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def in_a_row(words: Sequence[str]) -> str:
    """Return words as a sentence lists them.

    >>> in_a_row(["loss", "ends", "form"]), in_a_row(["loss"])
    ('loss, ends and form', 'loss')
    """
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def shortest_path(path: Path) -> str:
    """Return ``path`` as it is shortest to type from the current folder.

    >>> shortest_path(Path.cwd() / "runs" / "one")
    'runs/one'
    """
    try:
        return min(str(path), os.path.relpath(path), key=len)
    except ValueError:  # another drive
        return str(path)


# -- similar names ------------------------------------------------------------------------------------------------


def nearest(word: str, options: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return the names most like ``word``, whatever their case, best first.

    >>> nearest("Promt", ["prompt", "completion", "text"])
    ['prompt']

    Args:
        word: What was written. Its first 200 characters are compared.
        options: Names that exist. The first 1,000 are compared.
        most: Number of names returned at most.
        cutoff: Similarity from 0 to 1 (difflib's ratio) below which a name is left out.
    """
    return _nearest(word[:200].lower(), tuple(islice(options, 1000)), most, cutoff)


@lru_cache(256)  # a hundred thousand rows may each lack the same column
def _nearest(word: str, options: tuple[str, ...], most: int, cutoff: float) -> list[str]:
    lowered = {option.lower(): option for option in options}
    return [lowered[name] for name in difflib.get_close_matches(word, lowered, n=most, cutoff=cutoff)]


def did_you_mean(word: str, options: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> str:
    """Return the question whether a similar name was meant, with a space behind it; nothing where none is similar.

    >>> did_you_mean("trian", ["train", "trial", "probe"]), did_you_mean("x", ["train"])
    ('Did you mean trial or train? ', '')

    Args:
        word: What was written.
        options: Names that exist.
        most: Number of names offered at most.
        cutoff: As for :func:`nearest`, from 0 to 1.
    """
    return offer(nearest(word, options, most=most, cutoff=cutoff))


def offer(names: Iterable[str]) -> str:
    """Return the question whether one of ``names`` was meant, with a space behind it; nothing where there are none.

    >>> offer(["train", "trial"])
    'Did you mean train or trial? '
    """
    offered = " or ".join(dict.fromkeys(quote(name, 80) for name in names))
    return f"Did you mean {offered}? " if offered else ""


# -- compare ------------------------------------------------------------------------------------------------------


def normalise(text: str) -> str:
    """Return ``text`` without differences of case, white space and Unicode form (NFKC).

    >>> normalise("  Ｈello\\n WORLD ")
    'hello world'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())
