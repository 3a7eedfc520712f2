"""The rows behind a finding of a watched trainer: named, and measured while its weights are numbers or with those of a
checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sanetune.engine.own.ending import weights_put_back
from sanetune.engine.own.sampled_rows import UnknownOrderError, rows_of
from sanetune.evidence.step_rows import NO_NUMBERS, step_rows

if TYPE_CHECKING:
    from torch.utils.data import DataLoader
    from transformers import Trainer

    from sanetune.gate.watch_report import WatchFinding, WatchReport


def name_rows(entry: WatchFinding, trainer: Trainer, loader: DataLoader[Any] | None, weights: str = "") -> None:
    """Add the rows of the finding's step, measured with the model as it is now, or the reason why not.

    Args:
        entry: The finding.
        trainer: Somebody's own, between two of its steps.
        loader: Its training dataloader, as its callbacks get it.
        weights: Those that the model has, in words; empty: those after its last step.
    """
    if entry.live.at is None:
        return
    try:
        numbers = rows_of(trainer, loader, entry.live.at)
    except UnknownOrderError as error:
        entry.reason = str(error)
        return
    found = step_rows(trainer, loader, numbers, weights)
    entry.rows = [row.to_json() for row in found.rows]
    entry.weights, entry.reason = found.measured_with, found.reason


def measured_after_stop(
    report: WatchReport, trainer: Trainer, loader: DataLoader[Any] | None
) -> Sequence[WatchFinding]:
    """Measure rows that could not be, for the weights were no numbers, with those of the checkpoint that a stop has
    left, which the model then has.

    Returns:
        The findings whose rows are measured now.
    """
    unmeasured = [one for one in report.findings if one.rows and one.reason == NO_NUMBERS]
    if not unmeasured or report.ended is None or report.ended.checkpoint is None or trainer.args.world_size > 1:
        return []
    try:
        weights = weights_put_back(trainer, report.ended.checkpoint)
    except Exception:  # noqa: BLE001 -- what cannot be loaded must not hide what the run was stopped for
        return []
    for one in unmeasured if weights else ():
        name_rows(one, trainer, loader, weights)
    return [one for one in unmeasured if one.weights]
