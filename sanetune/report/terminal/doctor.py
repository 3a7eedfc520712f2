"""What `sanetune doctor` has found, on a terminal: by part, with the commands that put things right last."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sanetune.text import escape_control

if TYPE_CHECKING:
    from sanetune.workflows.doctor.examined import Examination

MARKS = {"ok": ("✓", "green"), "note": ("!", "yellow"), "missing": ("–", "dim"), "broken": ("✗", "bold red")}


def show(found: Examination, console: Console | None = None) -> None:
    """Print ``found``; ``console`` None: on standard output."""
    console = console or Console(highlight=False)
    for part, items in groupby(found.items, key=lambda item: item.part):
        console.print(Text(part, "bold"))
        for item in items:
            mark, style = MARKS[item.state]
            line = Text.assemble((f"  {mark} ", style), f"{item.name:14} {escape_control(item.message)}")
            console.print(line, soft_wrap=True)
    commands = dict.fromkeys(item.command for item in found.items if item.command)
    if commands:
        console.print(Text("\nWhat is missing, where you want it:", "bold"))
        for command in commands:
            console.print(Text(f"  {command}"), soft_wrap=True)
    words, style = ("Training can start here.", "green") if found.is_sound else ("Something is broken.", "bold red")
    console.print(Text(f"\n{words}", style))
