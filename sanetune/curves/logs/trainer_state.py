"""The ``trainer_state.json`` that every Hugging Face Trainer leaves in its checkpoints, read as a curve.

The file is untrusted: its size is bounded, it is JSON and nothing else, and what is not a number is left out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sanetune.curves.logs.entries import VALIDATION_LOSS, Entry, curve_of, number, whole_number
from sanetune.curves.series import Curve
from sanetune.errors import DataError, Place

MOST_BYTES = 256 * 2**20
"""A million logged steps have about 150 MB."""


def read(path: Path) -> Curve:
    """The curve of the run that left ``path``.

    Raises:
        DataError: The file is no trainer_state.json, or it is too large.
    """
    state = _loaded(path)
    entries = [entry for entry in state["log_history"] if isinstance(entry, dict)]
    total, done = whole_number(state.get("max_steps")), whole_number(state.get("global_step"))
    return curve_of(
        entries,
        validation_loss_name(entries),
        total_steps=total or None,
        finished=bool(total and done is not None and done >= total),
        source=str(path),
    )


def validation_loss_name(entries: Sequence[Entry]) -> str | None:
    """The name of the validation loss: ``eval_loss``, else the ``eval_…_loss`` that was logged most often (the first
    of several)."""
    names = Counter(
        name
        for entry in entries
        for name, value in entry.items()
        if name.startswith("eval_") and name.endswith("_loss") and number(value) is not None
    )
    if VALIDATION_LOSS in names:
        return VALIDATION_LOSS
    return names.most_common(1)[0][0] if names else None


def _loaded(path: Path) -> dict[str, Any]:
    rationale = "A curve is read from the trainer_state.json that a Hugging Face Trainer writes."
    try:
        if path.stat().st_size > MOST_BYTES:
            remedy = f"Give a log of at most {MOST_BYTES // 2**20} MB."
            raise DataError("the log is too large to be read", rationale, remedy, Place(path))
        state = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"the log cannot be read: {error.strerror or error}", rationale, "Give its path.", Place(path)
        ) from None
    except (ValueError, RecursionError):  # bad UTF-8 is a ValueError too
        raise DataError("this is not JSON", rationale, "Give a trainer_state.json.", Place(path)) from None
    if not isinstance(state, dict) or not isinstance(state.get("log_history"), list):
        raise DataError("there is no log_history in this file", rationale, "Give a trainer_state.json.", Place(path))
    return state
