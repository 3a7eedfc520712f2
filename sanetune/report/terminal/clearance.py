"""Clearances in words: on the terminal, in the model card, on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from sanetune import units
from sanetune.finding import Report, Verdict
from sanetune.gate.clearance import LONGEST as REASON
from sanetune.gate.clearance import Clearance
from sanetune.report.terminal import findings
from sanetune.report.terminal.run import shortest
from sanetune.text import escape_control, shorten_middle

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["lines", "shortest", "show_missing", "show_refusal"]

SHOWN = 8
"""Reasons that are shown."""
LONGEST = 300
"""Characters of one of them, and of what a check said."""


def show_missing(why: list[str], level: str, console: Console) -> None:
    """Why the run is checked before it is trained."""
    console.print(Text(f"Checking at level {level} first:", style="bold"))
    for reason in why[:SHOWN]:
        console.print(Text(f"  {_plain(reason)}"))
    if len(why) > SHOWN:
        console.print(Text(f"  and {units.many(len(why) - SHOWN, 'more difference')}"))


def show_refusal(report: Report, console: Console) -> None:
    """The findings, and what can be done about them."""
    findings.show(report, console)
    todo = 'Next: sanetune check CONFIG --fix\n      sanetune train CONFIG --unchecked "why it may train all the same"'
    console.print(Text(todo, style="dim"), soft_wrap=True)


def lines(clearance: Clearance) -> list[str]:
    """How the run was cleared, and each check that warned: control characters visible, lengths bounded."""
    warned = [f"{one.check}: {one.message}" for one in clearance.of(Verdict.WARN)]
    head = clearance.summary
    return [_plain(head[:1].upper() + head[1:], 2 * REASON), *map(_plain, warned)]


def _plain(text: str, longest: int = LONGEST) -> str:
    return escape_control(shorten_middle(text, longest), newline=" ", strict=True)
