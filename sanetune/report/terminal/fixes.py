"""The result of `check --fix` on a terminal: the changes of each round, and the diff of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sanetune import units
from sanetune.commands import command
from sanetune.evidence.experiments import Experiments
from sanetune.finding import REFUSING
from sanetune.report.experiment_text import loss_text

if TYPE_CHECKING:
    from sanetune.gate.fixer import Fixed, Round

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show(fixed: Fixed, console: Console | None = None, *, quiet: bool = False, brief: bool = False) -> None:
    """Print the rounds, the diff and the name of the backup; ``console`` None: on standard output.

    Args:
        fixed: What the correction did.
        console: Where to print.
        quiet: Print nothing.
        brief: Print one line: how many values were changed, and what to type next.
    """
    console = console or Console(highlight=False, quiet=quiet)
    if brief:
        count = units.many(len(fixed.changes), "value")
        console.print(Text(f"{count} changed. Next: {_next(fixed)}", "dim"), soft_wrap=True)
        return
    for number, one in enumerate(fixed.rounds, start=1):
        if one.undone:
            console.print(Text(f"  undone: {one.undone}", style="yellow"))
        console.print(Text(f"Round {number}: {_outcome(one)}", style="bold"))
        for change in one.changes:
            console.print(Text(f"  {change.key}: {_plain(change.before)} -> {_plain(change.after)}  ({change.check})"))
    if not fixed.changes:
        clear = not fixed.report.exit_code
        reason = "the run is clear" if clear else "no finding carries a fix for this file"
        console.print(Text(f"Nothing was changed: {reason}."))
        console.print(Text(f"Next: {_next(fixed)}", "dim"), soft_wrap=True)
        return
    console.print()
    for line in fixed.diff.splitlines():
        console.print(Text(line, COLOURS.get(line[:1], "")), soft_wrap=True)
    console.print(Text(f"\nThe original file: {fixed.backup}"))
    console.print(Text(f"Next: {_next(fixed)}\n", "dim"), soft_wrap=True)


def _next(fixed: Fixed) -> str:
    """The command to type now."""
    return command("check", "--verbose") if fixed.report.exit_code else command("train")


def _outcome(one: Round) -> str:
    """The failed checks of a round, and the trial's first and last validation loss."""
    if one.report.unusable is not None:
        return f"unusable: {one.report.unusable.message}"
    bad = one.report.of(*REFUSING)
    words = f"{len(bad)} failed ({', '.join(finding.check for finding in bad)})" if bad else "clear"
    trial = Experiments.from_json(one.report.experiments).trial
    if trial and len(losses := trial.curve.validation) > 1:
        first, last = loss_text(losses[0].loss), loss_text(losses[-1].loss)
        words += f"; trial of {trial.steps:,} steps: validation loss {first} -> {last}"
    return words


def _plain(value: object) -> str:
    return "unset" if value is None else str(value)
