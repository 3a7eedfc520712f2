"""What `sanetune clearance verify` has found, on a terminal: a line for each part, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sanetune.finding import Verdict
from sanetune.text import escape_control, shortest_path

if TYPE_CHECKING:
    from sanetune.workflows.verify_clearance import Verification

MARKS = {Verdict.PASS: ("fits", "green"), Verdict.FAIL: ("differs", "bold red"), Verdict.SKIP: ("skipped", "dim")}


def show(found: Verification, console: Console | None = None) -> None:
    """Print ``found``; ``console`` None: on standard output."""
    console = console or Console(highlight=False)
    for part in found.parts:
        mark, style = MARKS[part.verdict]
        line = Text.assemble((f"{mark:8}", style), f"{part.name}: {escape_control(part.message)}")
        console.print(line, soft_wrap=True)
    run = shortest_path(found.run.path)
    if found.fits:
        console.print(Text(f"The clearance of {run} is about these weights.", "green"), soft_wrap=True)
    else:
        console.print(
            Text(f"The clearance of {run} does not prove these weights. Do not deploy them.", "bold red"),
            soft_wrap=True,
        )
