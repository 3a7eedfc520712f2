"""Reads the curve out of a log: a Hugging Face trainer_state.json, which every Trainer leaves in its checkpoints.

The file is untrusted: its size is bounded, it is JSON and nothing else, and what is not a number is left out.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.errors import DataError, Place

MOST_BYTES = 256 * 2**20
"""A million logged steps have about 150 MB."""


def read(path: Path) -> Curve:
    """The curve of the run that left ``path``. DataError where the file is no trainer_state.json."""
    state = _loaded(path)
    records = [record for record in state["log_history"] if isinstance(record, dict)]
    points = {}
    for record in records:
        step, loss = _whole(record.get("step")), _number(record.get("loss"))
        if step is not None and loss is not None:
            # A resumed run logs some steps twice: what came last is what went on.
            rate, norm = _number(record.get("learning_rate")), _number(record.get("grad_norm"))
            points[step] = Point(step, loss, rate, norm, _number(record.get("epoch")))
    key = validation_key(records)
    held = {}
    for record in records:
        step, loss = _whole(record.get("step")), _number(record.get(key)) if key else None
        if step is not None and loss is not None:
            held[step] = Evaluation(step, loss)
    series = [points[step] for step in sorted(points)]
    rates = [point.lr for point in series if point.lr is not None and math.isfinite(point.lr)]
    total, done = _whole(state.get("max_steps")), _whole(state.get("global_step"))
    return Curve(
        series,
        [held[step] for step in sorted(held)],
        total_steps=total or None,
        steps_per_epoch=_steps_per_epoch(series),
        planned_lr=max(rates, default=None),
        finished=bool(total and done is not None and done >= total),
        source=str(path),
    )


def validation_key(records: list[dict[str, Any]]) -> str | None:
    """The name of the validation loss: ``eval_loss``, else the ``eval_…_loss`` that was logged most often (the first
    of several)."""
    names = Counter(
        name
        for record in records
        for name in record
        if name.startswith("eval_") and name.endswith("_loss") and _number(record[name]) is not None
    )
    if "eval_loss" in names:
        return "eval_loss"
    return names.most_common(1)[0][0] if names else None


def _loaded(path: Path) -> dict[str, Any]:
    why = "A curve is read from the trainer_state.json that a Hugging Face Trainer writes."
    try:
        if path.stat().st_size > MOST_BYTES:
            todo = f"Give a log of at most {MOST_BYTES // 2**20} MB."
            raise DataError("the log is too large to be read", why, todo, Place(path))
        state = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"the log cannot be read: {error.strerror or error}", why, "Give its path.", Place(path)
        ) from None
    except (ValueError, RecursionError):  # bad UTF-8 is a ValueError too
        raise DataError("this is not JSON", why, "Give a trainer_state.json.", Place(path)) from None
    if not isinstance(state, dict) or not isinstance(state.get("log_history"), list):
        raise DataError("there is no log_history in this file", why, "Give a trainer_state.json.", Place(path))
    return state


def _number(value: object) -> float | None:
    """NaN and infinity are numbers here: to see them is the point."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and math.isfinite(number) and number >= 0 else None


def _steps_per_epoch(points: list[Point]) -> float | None:
    for point in reversed(points):
        if point.epoch is not None and math.isfinite(point.epoch) and point.epoch > 0 and point.step:
            return point.step / point.epoch
    return None
