"""What `check --fix` shows: what each round changed, and the difference to the file before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from sanetune.audit.fixer import Fixed

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show(fixed: Fixed, console: Console | None = None, *, quiet: bool = False) -> None:
    """Rounds, difference, backup."""
    console = console or Console(highlight=False, quiet=quiet)
    for number, changes in enumerate(fixed.changes, start=1):
        listed = ", ".join(f"{key}: {value}" for key, value in changes.items())
        console.print(Text(f"Round {number}: {listed}"))
    if not fixed.changes:
        console.print(Text("Nothing was changed: no finding carries a fix for this file."))
        return
    console.print()
    for line in fixed.diff.splitlines():
        console.print(Text(line, COLOURS.get(line[:1], "")), soft_wrap=True)
    console.print(Text(f"\nThe file as it was: {fixed.backup}\n"))
