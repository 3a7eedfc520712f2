"""Clearances as text: the same on the terminal, in the model card and on the page."""

from __future__ import annotations

from sanetune.finding import Verdict
from sanetune.gate.clearance import LONGEST as LONGEST_REASON
from sanetune.gate.clearance import Clearance
from sanetune.text import one_line

LONGEST = 300
"""Characters of a reason and of a check's message that are shown."""


def lines(clearance: Clearance) -> list[str]:
    """Return how the run was cleared, then one line for each check that warned."""
    warned = [f"{one.check}: {one.message}" for one in clearance.of(Verdict.WARN)]
    head = clearance.summary
    return [one_line(head[:1].upper() + head[1:], 2 * LONGEST_REASON), *(one_line(one, LONGEST) for one in warned)]
