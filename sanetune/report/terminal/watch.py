"""What the watch of a run finds, on a terminal, with the rows behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sanetune.probes.row_losses import ORDER, place_of
from sanetune.report.terminal.findings import STYLES
from sanetune.text import escape_control, shorten

if TYPE_CHECKING:
    from rich.console import Console

    from sanetune.gate.watch_report import WatchFinding

SHOWN = 5
"""Rows of a step that are shown."""


def show(found: WatchFinding, console: Console) -> None:
    """Print a finding of a run that is going on, and the rows of its step."""
    finding = found.live.finding
    line = Text.assemble((f" {finding.verdict.value.upper()} ", STYLES[finding.verdict]), " ", (finding.check, "bold"))
    line.append(f" at step {found.live.step:,}: {finding.text}")
    console.print(line, soft_wrap=True)
    if found.rows:
        show_rows(found.rows, found.weights, found.live.at, console, reason=found.reason)
    elif found.reason:
        words = f"  rows of step {found.live.at} are not named: {found.reason}"
        console.print(Text(words, style="dim"), soft_wrap=True)
    for answer in found.answers:
        console.print(Text(f"  - {answer['words']}"), soft_wrap=True)


def show_rows(
    rows: Sequence[Mapping[str, Any]],
    weights: str,
    step: int | None,
    console: Console,
    most: int = SHOWN,
    reason: str = "",
) -> None:
    """Print the worst rows of a step, with their places and figures, or why they were not measured."""
    because = f" ({reason})" if reason else ""
    measured = f", measured with {weights}, {ORDER}" if weights else f", not measured{because}"
    console.print(Text(f"  rows of step {step}{measured}", style="dim"), soft_wrap=True)
    for row in rows[:most]:
        figures = "  ".join(_figure(row.get(name), name) for name in ("loss", "grad_norm") if row.get(name) is not None)
        text = escape_control(shorten(" ".join(row["text"].split()), 120), strict=True)
        # One line each, however wide the terminal is: a place that is shortened cannot be opened.
        console.print(Text(f"  {place_of(row)}  {figures}  {text}"), soft_wrap=True)
    if len(rows) > most:
        console.print(Text(f"  and {len(rows) - most} more", style="dim"))


def _figure(value: object, name: str) -> str:
    number = f"{value:.3g}" if isinstance(value, float) else value
    return f"{name.replace('grad_', '')} {number}"
