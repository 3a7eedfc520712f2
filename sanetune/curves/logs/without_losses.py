"""Why a log holds no loss at any step, in words: which names it has, and what is missing beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sanetune import units
from sanetune.curves.logs.entries import ENDED, number
from sanetune.curves.logs.names import renamed, validation_loss_names
from sanetune.errors import DataError, Place
from sanetune.text import listing


def without_losses(path: Path, entries: Sequence[Mapping[str, object]], rationale: str, formats: str) -> DataError:
    """Return the error of a log without a loss at any step.

    Args:
        path: The file or folder that the entries are from.
        entries: As they were logged.
        rationale: Why a log needs losses, one sentence.
        formats: What may be given instead, likewise.
    """
    seen = sorted({str(name) for entry in entries for name, value in entry.items() if number(value) is not None})
    names = listing(seen)
    known = renamed(entries)
    losses = _counted(known, "loss") + sum(_counted(known, name) for name in validation_loss_names(known))
    mean = next((one for entry in entries if ENDED in entry and (one := number(entry.get("train_loss")))), None)
    if not seen:
        message, remedy = "no numbers were logged in it", formats
    elif losses:
        message = f"{units.many(losses, 'loss', 'losses')} without a step; it has {names}"
        remedy = "Add a column or key `step`, or `epoch` with whole numbers."
    elif mean is not None:
        message = f"it has the summary of a run alone, a mean training loss of {mean:.4g}, and no loss of any step"
        remedy = "Give the trainer_state.json of a run with logging_steps below its steps."
    else:
        message, remedy = f"no step of this log has a loss; it has {names}", formats
    return DataError(message, rationale, remedy, Place(path))


def _counted(entries: Sequence[Mapping[str, object]], name: str) -> int:
    return sum(number(entry.get(name)) is not None for entry in entries)
