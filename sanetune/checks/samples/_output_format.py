"""The form that answers share: JSON, how they begin and end, their lines, script, common words, length.

A form is read off many answers, and then each other answer has it or has it not.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sanetune.checks.samples._ngrams import words
from sanetune.text import both_ends

SHORTEST_EDGE, LONGEST_EDGE = 3, 200
"""Characters of an opening or closing: fewer are a full stop or a quote, more are the answer."""

WIDEST_BAND = 8
"""Lengths of which the longest is more than so many times the shortest are no band."""

COMMON, FEWEST_COMMON, FEWEST_WORDS, FEWEST_TEXTS = 0.1, 5, 8, 15
"""A common word is in a tenth of the answers. Fewer of them, words of an answer, or answers, tell no language."""
LEAST_COVERED = 0.2

MOST_DIFFERENT = 20
"""Answers of which there are at most so many different ones, each several times, are labels."""

Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """``words``: what an answer of this form does ("begins with ..."); ``share``: of the answers that it was read from.

    ``near``: a part of the way, which an answer reaches first. ``whole``: only a finished answer can be judged.
    """

    words: str
    share: float
    has: Test
    near: Test
    whole: bool = False


def output_formats(answers: Sequence[str], shared: float, length_times: float) -> list[OutputFormat]:
    """The forms that at least ``shared`` (a share) of ``answers`` (stripped, not empty) have.

    Of an answer that is ``length_times`` as long as the longest, or shorter than the shortest, the length has another
    form.
    """
    if not answers:
        return []
    values = [format_ for format_ in _json(answers, shared) if format_.share >= shared]
    # The order of a JSON object's keys is free: how its text begins and ends is no form of its own.
    found = [*_labels(answers), *(values or _edges(answers, shared)), *_lines(answers, shared)]
    found += [*_letters(answers, shared), *_language(answers, shared), *_length(answers, length_times)]
    return [format_ for format_ in found if format_.share >= shared]


def _output_format(
    answers: Sequence[str], said: str, has: Test, near: Test | None = None, whole: bool = False
) -> OutputFormat:
    return OutputFormat(said, sum(map(has, answers)) / len(answers), has, near or has, whole)


def _labels(answers: Sequence[str]) -> list[OutputFormat]:
    counts = Counter(answers)
    labels = frozenset(text for text, count in counts.items() if count >= 3)
    if not 1 <= len(labels) <= MOST_DIFFERENT:
        return []
    shown = ", ".join(json.dumps(text[:30], ensure_ascii=False) for text, _ in counts.most_common(3))
    firsts = frozenset(text.split()[0] for text in labels)

    def near(text: str) -> bool:
        return bool(text) and text.split()[0] in firsts

    return [_output_format(answers, f"is one of {len(labels)} answers ({shown})", labels.__contains__, near, True)]


def _json(answers: Sequence[str], shared: float) -> list[OutputFormat]:
    first = Counter(text[0] for text in answers).most_common(1)[0][0]
    if first not in "{[":
        return []

    def begins(text: str) -> bool:
        return text.startswith(first)

    found = [_output_format(answers, "is JSON that parses", lambda text: _parsed(text) is not None, begins, True)]
    keys = Counter(key for text in answers for key in _keys(text))
    fixed = frozenset(key for key, count in keys.items() if count >= shared * len(answers))
    if fixed:
        listed = ", ".join(sorted(fixed)[:5])
        found.append(_output_format(answers, f"is JSON with {listed}", lambda text: fixed <= _keys(text), begins, True))
    return found


def _parsed(text: str) -> object:
    """The object or list that ``text`` is; None when it is neither."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _keys(text: str) -> frozenset[str]:
    value = _parsed(text)
    return frozenset(map(str, value)) if isinstance(value, dict) else frozenset()


def _edges(answers: Sequence[str], shared: float) -> list[OutputFormat]:
    found = []
    opening = _common(answers, shared)
    if len(opening.strip()) >= SHORTEST_EDGE:
        half = opening[: max(1, len(opening) // 2)]
        said = f"begins with {_shown(opening)}"
        found.append(
            _output_format(answers, said, lambda text: text.startswith(opening), lambda text: text.startswith(half))
        )
    closing = _common([text[: -LONGEST_EDGE - 1 : -1] for text in answers], shared)[::-1]
    if len(closing.strip()) >= SHORTEST_EDGE:
        part = closing[len(closing) // 2 :]
        said = f"ends with {_shown(closing)}"
        found.append(
            _output_format(answers, said, lambda text: text.endswith(closing), lambda text: text.endswith(part), True)
        )
    return found


def _most(counts: Counter[str], number: int) -> list[tuple[str, int]]:
    """The most frequent; the same ones in every run, though they were counted from sets."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:number]


def _common(answers: Sequence[str], shared: float) -> str:
    """The longest beginning that ``shared`` of the answers have; to the end of a word."""
    wanted, left, at = shared * len(answers), list(answers), 0
    while at < LONGEST_EDGE:
        counts = Counter(text[at] for text in left if len(text) > at)
        if not counts or counts.most_common(1)[0][1] < wanted:
            break
        best = counts.most_common(1)[0][0]
        left = [text for text in left if len(text) > at and text[at] == best]
        at += 1
    return left[0][:at]


def _lines(answers: Sequence[str], shared: float) -> list[OutputFormat]:
    """How a line begins: a mark ("##", "-", "####"), or words up to a colon or comma ("Answer:"); and single lines."""
    counts = Counter(start for text in answers for start in _starts(text))
    found = []
    for start, count in _most(counts, 8):
        if count < shared * len(answers):
            break
        if start[0] in "{[":  # JSON is parsed as such
            continue
        has = _line_test(start)
        found.append(_output_format(answers, f"has a line that begins with {_shown(start)}", has, whole=True))
    if sum("\n" not in text for text in answers) >= shared * len(answers):
        found.append(_output_format(answers, "is a single line", lambda text: "\n" not in text, whole=True))
    return found


_NUMBERED = re.compile(r"\d{1,3}([.):])")
_START = re.compile(r"[^\w\s]{1,6}(?=\s|\w|$)|\w[\w ]{0,30}[:,]")


def _line_test(start: str) -> Test:
    return lambda text: start in _starts(text)


def _starts(text: str) -> set[str]:
    """The beginnings of the lines that are more than a word; a list's numbers are all "1."."""
    found = set()
    for line in text[:20_000].split("\n"):
        line = _NUMBERED.sub(r"1\1", line.strip()[:60], count=1) if line.strip()[:1].isdigit() else line.strip()[:60]
        if line.startswith(("1.", "1)", "1:")):
            found.add(line[:2])
        elif match := _START.match(line):
            found.add(match.group())
    return found


def _letters(answers: Sequence[str], shared: float) -> list[OutputFormat]:
    scripts = Counter(script for text in answers if (script := _script(text)))
    found = []
    if scripts:
        script = scripts.most_common(1)[0][0]

        def has(text: str) -> bool:
            return _script(text) in ("", script)

        # Numbers alone have no script: where most answers are such, letters are not asked for.
        if scripts[script] >= shared * len(answers):
            found.append(_output_format(answers, f"is written in {script.title()} letters", has))
    for said, test in (("small", str.islower), ("capital", str.isupper)):
        if sum(map(test, answers)) >= shared * len(answers):
            found.append(_output_format(answers, f"is written in {said} letters", _case_test(test)))
    return found


def _case_test(test: Test) -> Test:
    return lambda text: test(text) or text.lower() == text.upper()


def _script(text: str) -> str:
    """The script of most letters, by Unicode's names ("LATIN", "CYRILLIC", "CJK"); "" where there are none."""
    letters = [char for char in text[:2_000] if char.isalpha()]
    if not letters:
        return ""
    names = Counter(unicodedata.name(char, "").partition(" ")[0] for char in letters)
    # Japanese is written in several.
    for kana in ("HIRAGANA", "KATAKANA"):
        if names[kana] >= 0.1 * len(letters):
            return "JAPANESE"
    return names.most_common(1)[0][0]


def _language(answers: Sequence[str], shared: float) -> list[OutputFormat]:
    """The words that many answers share, as a language's small words: read off every other answer, measured on the
    rest."""
    read, rest = answers[::2], answers[1::2]
    counts = Counter(word for text in read for word in set(words(text)) if word.isalpha())
    frequent = _most(counts, 200)
    common = frozenset(word for word, count in frequent if count >= COMMON * len(read))
    degrees = sorted(degree for text in rest if (degree := _covered(text, common)) is not None)
    if len(common) < FEWEST_COMMON or len(degrees) < FEWEST_TEXTS:
        return []
    least = degrees[math.ceil((1 - shared) * len(degrees)) - 1 if len(degrees) >= 20 else 0]
    if least < LEAST_COVERED:
        return []

    def has(text: str) -> bool:
        degree = _covered(text, common)
        return degree is None or degree >= least / 2

    shown = ", ".join(word for word, _ in frequent[:4])
    return [_output_format(rest, f"is made of the common words of the training answers ({shown}, …)", has)]


def _covered(text: str, common: frozenset[str]) -> float | None:
    found = [word for word in words(text) if word.isalpha()]
    return sum(word in common for word in found) / len(found) if len(found) >= FEWEST_WORDS else None


def _length(answers: Sequence[str], times: float) -> list[OutputFormat]:
    lengths = sorted(map(len, answers))
    low, high = lengths[len(lengths) // 100], lengths[-1 - len(lengths) // 100]
    most = times * high + 20
    if high <= WIDEST_BAND * low:
        said = f"is {low:,} to {high:,} characters long ({times:g} times less or more is tolerated)"
        return [_output_format(answers, said, lambda text: low / times <= len(text) <= most, whole=True)]
    said = f"is at most {high:,} characters long ({times:g} times as many are tolerated)"
    return [_output_format(answers, said, lambda text: len(text) <= most, whole=True)]


def _shown(text: str) -> str:
    return json.dumps(both_ends(text, 40), ensure_ascii=False)
