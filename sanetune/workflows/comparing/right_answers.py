"""Whether an answer is the one in the data, where the data has one that can be compared: a number, or a label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

FINAL = re.compile(r"####[ \t]*([^\n]+)")
"""How GSM8K writes the number that an answer comes to (Cobbe et al., arXiv:2110.14168)."""
MARKUP = re.compile(r"\*\*|__|`")
"""What makes a number stand out in Markdown."""
MINUS = dict.fromkeys(map(ord, "\u2212\u2010\u2011\u2013\ufe63\uff0d"), "-")
"""Signs that stand for a minus: what is no sign before a number would be skipped, and -3 be 3."""
GROUPED = r"\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+(?!\d)(?:\.\d+)?"
"""A number whose thousands are set apart by spaces."""
WRITTEN = re.compile(rf"([+-]?)[^\d+.-]{{0,3}}([+-]?)({GROUPED}|[\d,]*\.?\d+)(?:\s*%|\s+[^\d]*)?\.?")
"""A number as a person writes it: sign, currency, sign, digits, unit."""
NUMBER, LABEL = "final number is right", "label is right"
"""Names of the measures."""
SHARED = 0.8
"""Proportion of the references that must have a final answer, or be labels."""
MOST_LABELS, FEWEST_OF_EACH = 20, 3
"""Labels: at most so many different references, each of them at least so many times."""

Right = Callable[[str, str], bool]
"""Gets an answer and its reference; returns whether the answer is right."""


def right_answers(references: Sequence[str]) -> tuple[str, Right] | None:
    """Return what makes an answer right, in words, and the test of it; None where the data says nothing about it.

    Args:
        references: The answers in the data.

    >>> words, right = right_answers(["2 + 2 = 4\\n#### 4", "#### 1,200"])
    >>> words, right("So it is $4.\\n#### $4.00", "#### 4"), right("#### 5", "#### 4")
    ('final number is right', True, False)
    >>> right_answers(["Dear Ann, ...", "Dear Bob, ..."]) is None
    True
    """
    written = [one for one in references if one.strip()]
    if not written:
        return None
    if sum(final_answer(one) is not None for one in written) >= SHARED * len(written):
        return NUMBER, _same_final
    counts = Counter(one.strip() for one in written)
    labels = sum(count for count in counts.values() if count >= FEWEST_OF_EACH)
    if len(counts) <= MOST_LABELS and labels >= SHARED * len(written) and len(counts) > 1:
        return LABEL, _same_text
    return None


def final_answer(text: str) -> str | None:
    """Return the last final answer in a text, as far as it can be normalised; None where there is none.

    Numbers lose currency signs, separators of thousands, units behind them, zeros at their end, and Markdown.

    >>> final_answer("#### $1,200.50 dollars"), final_answer("#### 3/4"), final_answer("the answer is 4")
    ('1200.5', '3/4', None)
    >>> final_answer("#### **\u22121 000**")
    '-1000'
    """
    found = FINAL.findall(text)
    if not found:
        return None
    raw = MARKUP.sub("", found[-1].translate(MINUS)).strip().rstrip(".").strip(" *_$")
    number = WRITTEN.fullmatch(raw)
    if number is None or (number[1] and number[2]):
        return str(raw.casefold())
    try:
        digits = re.sub(r"[,\s]", "", number[3])
        return format(Decimal(number[1] + number[2] + digits).normalize() + 0, "f")
    except InvalidOperation:
        return str(raw)


def _same_final(answer: str, reference: str) -> bool:
    found = final_answer(answer)
    return found is not None and found == final_answer(reference)


def _same_text(answer: str, reference: str) -> bool:
    return answer.strip() == reference.strip()
