"""Show what each round of `check --fix` has changed, and the difference to the file before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sanetune.evidence.experiments import Experiments
from sanetune.finding import REFUSING
from sanetune.report.experiment_text import loss_text

if TYPE_CHECKING:
    from sanetune.gate.fixer import Fixed, Round

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show(fixed: Fixed, console: Console | None = None, *, quiet: bool = False) -> None:
    """Print rounds, difference and backup; ``quiet``: nothing."""
    console = console or Console(highlight=False, quiet=quiet)
    for number, one in enumerate(fixed.rounds, start=1):
        console.print(Text(f"Round {number}: {_outcome(one)}", style="bold"))
        for change in one.changes:
            console.print(Text(f"  {change.key}: {_plain(change.before)} -> {_plain(change.after)}  ({change.check})"))
    if not fixed.changes:
        console.print(Text("Nothing was changed: no finding carries a fix for this file."))
        return
    console.print()
    for line in fixed.diff.splitlines():
        console.print(Text(line, COLOURS.get(line[:1], "")), soft_wrap=True)
    console.print(Text(f"\nThe file as it was: {fixed.backup}\n"))


def _outcome(one: Round) -> str:
    """How a round ended, and what the trial did to the validation loss."""
    bad = one.report.of(*REFUSING)
    words = f"{len(bad)} failed ({', '.join(finding.check for finding in bad)})" if bad else "clear"
    trial = Experiments.from_json(one.report.proof).trial
    if trial and len(losses := trial.curve.validation) > 1:
        first, last = loss_text(losses[0].loss), loss_text(losses[-1].loss)
        words += f"; trial of {trial.steps:,} steps: validation loss {first} -> {last}"
    return words


def _plain(value: object) -> str:
    return "unset" if value is None else str(value)
