"""A step that was made again, on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sanetune import units
from sanetune.report.terminal.watch import show_rows

if TYPE_CHECKING:
    from sanetune.workflows.replay import Replay


def show(replay: Replay, console: Console | None = None) -> None:
    """Print how the step was rebuilt, whether it is the same, and its rows, the worst first."""
    console = console or Console(highlight=False)
    for line in lines(replay):
        console.print(Text(line), soft_wrap=True)
    show_rows([row.to_json() for row in replay.rows], replay.weights, replay.step, console, most=len(replay.rows))


def lines(replay: Replay) -> list[str]:
    """Return what can be said of the step before its rows, a sentence each."""
    start = f"checkpoint-{replay.start}" if replay.start else "the base model"
    # Two losses that differ in the last bit have to look different.
    digits = 9 if replay.same_loss is False else 6
    logged = f"loss {replay.logged_loss:.{digits}g}, gradient norm {_norm(replay.logged_grad_norm)}"
    if not replay.exact:
        return [
            f"Step {replay.step:,} of the run had {logged}.",
            f"Its state was not rebuilt: {replay.reason}. Its rows are those that the run logged.",
        ]
    between = f", and {units.many(replay.retrained, 'step')} made again" if replay.retrained else ""
    rows = "the same rows" if replay.same_rows else "OTHER ROWS than the run logged"
    again = f"loss {replay.loss:.{digits}g}, gradient norm {_norm(replay.grad_norm)}"
    same = "equal to the last bit" if replay.same_loss else f"the run logged {logged}"
    since = replay.nan_since
    earlier = f"Losses are no numbers since step {since}: the rows of that one are those to see (--step {since})."
    return [
        f"Step {replay.step:,} was rebuilt from {start}{between}, with {rows}.",
        f"Made again it has {again}: {same}.",
        *([earlier] if replay.nan_since else []),
    ]


def _norm(value: float | None) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{value:.4g}"
