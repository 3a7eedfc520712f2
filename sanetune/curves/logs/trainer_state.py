"""The ``trainer_state.json`` that every Hugging Face Trainer leaves in its checkpoints.

The file is untrusted: its size is bounded, it is JSON and nothing else, and what is not a number is left out.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from sanetune import units
from sanetune.curves.logs.entries import number, whole_number
from sanetune.curves.logs.json_files import loaded
from sanetune.curves.logs.log import OTHER_METRIC, Log
from sanetune.errors import DataError, Place

KIND = "trainer_state.json of a Hugging Face Trainer"
RATIONALE = "A curve is read from the log_history that a Hugging Face Trainer writes into its trainer_state.json."
BY_ANOTHER = (
    "The trainer has chosen its best checkpoint by another metric than a validation loss; the one to keep is named here"
    " by the loss."
)
REMEDY = "Give the trainer_state.json of a run's folder or checkpoint; a summary such as all_results.json has no curve."


def read(path: Path) -> Log:
    """The log of the run that left ``path``.

    Raises:
        DataError: The file is no trainer_state.json, holds no loss, or is too large.
    """
    state = loaded(path)
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(state, dict) or not isinstance(history, list):
        raise DataError("there is no log_history in this file", RATIONALE, REMEDY, Place(path))
    entries = [entry for entry in history if isinstance(entry, dict)]
    total, reached = whole_number(state.get("max_steps")) or None, whole_number(state.get("global_step"))
    if not entries:
        raise _nothing_logged(path, reached or 0, whole_number(state.get("logging_steps")))
    log = Log.of(path, KIND, entries, total_steps=total)
    decides = _deciding(log, number(state.get("best_metric")))
    notes = (*log.notes, BY_ANOTHER) if decides == OTHER_METRIC and log.validation_losses else log.notes
    saving = _interval(state.get("save_steps"), total)
    return replace(log, reached=reached, save_steps=saving, decides=decides, notes=notes)


def _deciding(log: Log, best: float | None) -> str:
    """The name of the validation loss that was ``best_metric`` at some step; :data:`OTHER_METRIC` where none was, and
    empty where none decides."""
    if best is None or not math.isfinite(best):
        return ""
    names = log.validation_losses
    return next((name for name in names if any(entry.get(name) == best for entry in log.entries)), OTHER_METRIC)


def _nothing_logged(path: Path, made: int, every: int | None) -> DataError:
    message, remedy = f"nothing was logged in {units.many(made, 'step')}", REMEDY
    if every and made < every:
        message, remedy = f"{message}: logging_steps was {every:,}", "Log more often: logging_steps=10."
    return DataError(message, RATIONALE, remedy, Place(path))


def _interval(value: object, total: int | None) -> int | None:
    """Steps between checkpoints; a number below one is a share of all."""
    share = number(value)
    if share is not None and 0 < share < 1:
        return int(share * total) if total else None
    return whole_number(value)
