"""Clearances in words, the same on the terminal, in the model card and on the page."""

from __future__ import annotations

from sanetune.finding import Verdict
from sanetune.gate.clearance import LONGEST as LONGEST_REASON
from sanetune.gate.clearance import Clearance
from sanetune.text import escape_control, shorten_middle

LONGEST = 300
"""Characters of a reason that are shown, and of what a check found."""


def lines(clearance: Clearance) -> list[str]:
    """Return how the run was cleared, then each check that warned, on a bounded line each."""
    warned = [f"{one.check}: {one.message}" for one in clearance.of(Verdict.WARN)]
    head = clearance.summary
    return [one_line(head[:1].upper() + head[1:], 2 * LONGEST_REASON), *map(one_line, warned)]


def one_line(text: str, length: int = LONGEST) -> str:
    """Return ``text`` on one line of about ``length`` characters, with control characters as escapes."""
    return escape_control(shorten_middle(text, length), newline=" ", strict=True)
