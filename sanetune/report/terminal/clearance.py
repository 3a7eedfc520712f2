"""Why a run is checked before it is trained, and why it is refused, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from sanetune import units
from sanetune.commands import command
from sanetune.finding import Report, Verdict
from sanetune.report.clearance import LONGEST
from sanetune.report.terminal import findings
from sanetune.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

BETWEEN = "\n      "
SHOWN = 8
"""Reasons that are shown."""


def show_missing(reasons: Sequence[str], level: str, console: Console) -> None:
    """Print why the run is checked at ``level`` before it is trained."""
    console.print(Text(f"Checking at level {level} first:", style="bold"))
    for reason in reasons[:SHOWN]:
        console.print(Text(f"  {one_line(reason, LONGEST)}"))
    if len(reasons) > SHOWN:
        console.print(Text(f"  and {units.many(len(reasons) - SHOWN, 'more difference')}"))


def show_refusal(report: Report, console: Console) -> None:
    """Print the findings and the commands that help."""
    findings.show(report, console)
    unchecked = command("train", "--unchecked", "why it may train all the same")
    fixes = any(finding.fix for finding in report.of(Verdict.FAIL))
    ways = [command("check", "--fix")] if fixes else []
    console.print(Text(f"Next: {BETWEEN.join([*ways, unchecked])}", style="dim"), soft_wrap=True)
