"""What the watch of a run found, as the page shows it: the step, the rows behind it, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune.errors import RunError
from sanetune.gate.watch_report import Ended, WatchFinding, WatchReport
from sanetune.probes.row_losses import StepRow, place_of
from sanetune.report.experiment_text import loss_text
from sanetune.report.html.view import FiredView, RowView

if TYPE_CHECKING:
    from sanetune.runs import Run

ROWS = 10
"""Rows of one step that are shown, the worst first."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watch of a run came to.

    Attributes:
        fired: Its findings, in the order in which they were found.
        ended: How it ended the run; None: it did not.
    """

    fired: Sequence[FiredView] = ()
    ended: Ended | None = None


def watched(run: Run) -> Watched:
    """Return what the watch of ``run`` found; nothing where there was none, or its file cannot be read."""
    try:
        if not run.watch.is_file():
            return Watched()
        report = WatchReport.from_json(run.read_json(run.watch))
        return Watched([_fired(one) for one in report.findings], report.ended)
    except (RunError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return Watched()


def ended_text(ended: Ended) -> str:
    """Return how the watch ended a run, in a sentence."""
    left = "no checkpoint is left" if ended.checkpoint is None else f"the weights of step {ended.checkpoint:,} are kept"
    return f"ended early after step {ended.step:,} by {', '.join(ended.checks)}; {left}"


def _fired(one: WatchFinding) -> FiredView:
    live = one.live
    return FiredView(
        live.at if live.at is not None else live.step,
        live.finding,
        live.step,
        [_row(row) for row in one.rows[:ROWS]],
        len(one.rows),
        one.weights,
        one.reason,
        [str(answer.get("words", "")) for answer in one.answers],
    )


def _row(plain: Mapping[str, Any]) -> RowView:
    row = StepRow.from_json(plain)
    return RowView(place_of(plain), _figure(row.loss), _figure(row.grad_norm), row.text)


def _figure(value: float | None) -> str:
    return "" if value is None else loss_text(value)
