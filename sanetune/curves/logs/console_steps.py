"""Steps for printed losses beside which no bar says at which step they were logged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from sanetune.curves.logs.console_passes import Printed
from sanetune.curves.logs.entries import Entry, number


def counted(printed: Printed, reached: int | None = None) -> list[dict[str, object]]:
    """Return the entries at equal distances.

    Args:
        printed: The entries, in the order of printing.
        reached: The last step; None: each training loss is a step.
    """
    losses = sum("loss" in entry for _, entry in printed)
    distance = max(1, reached // losses) if reached and losses else 1
    entries, count = [], 0
    for _, entry in printed:
        count += "loss" in entry
        entries.append({"step": count * distance, **entry})
    return entries


def finer(entries: Sequence[Entry]) -> list[dict[str, object]]:
    """Return the entries at steps in proportion to their epochs, of which the smallest distance is one step.

    None where each evaluation has a step of its own already, where epochs are missing or go back, or where two training
    losses would come to one step.

    Args:
        entries: As :func:`counted` returns them.

    >>> finer([{"step": 0, "eval_loss": 2.0, "epoch": 0.5}, {"step": 0, "eval_loss": 1.5, "epoch": 1.0}])
    [{'step': 1, 'eval_loss': 2.0, 'epoch': 0.5}, {'step': 2, 'eval_loss': 1.5, 'epoch': 1.0}]
    """
    if not _evaluations_meet(entries):
        return []
    epochs = _epochs(entries)
    distances = [after - before for before, after in pairwise(epochs)]
    unit = min((one for one in distances if one > 0), default=0.0)
    if len(epochs) < len(entries) or min(distances, default=0.0) < 0 or not unit:
        return []
    placed = [{**entry, "step": round(epoch / unit)} for entry, epoch in zip(entries, epochs, strict=True)]
    steps = [entry["step"] for entry in placed if "loss" in entry]
    return placed if len(set(steps)) == len(steps) else []


def _evaluations_meet(entries: Sequence[Entry]) -> bool:
    """Whether evaluations of different epochs are at one step."""
    evaluated = {
        (entry["step"], entry.get("epoch")) for entry in entries if any(name.startswith("eval") for name in entry)
    }
    return len(evaluated) > len({step for step, _ in evaluated})


def _epochs(entries: Sequence[Entry]) -> list[float]:
    """The epoch of each entry, or that before it; fewer than there are entries if the first has none."""
    epochs: list[float] = []
    for entry in entries:
        epoch = number(entry.get("epoch"))
        if epoch is not None and math.isfinite(epoch):
            epochs.append(epoch)
        elif epochs:
            epochs.append(epochs[-1])
    return epochs
