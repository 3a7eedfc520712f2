"""Steps for printed losses beside which no bar says at which step they were logged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from sanetune.curves.logs.console_passes import Printed
from sanetune.curves.logs.entries import MOST_STEPS, Entry, number

HALF_A_DIGIT, SURE = 0.0005, 0.4
"""By which a rounded number of steps a second may be off, and by how many steps all of them may be."""
ROUNDED = 1e-4
"""By which a loss or epoch of one record may differ: callbacks round to four decimals."""


def counted(printed: Printed, reached: int | None = None) -> list[dict[str, object]]:
    """Return the entries at distances by their epochs where ``reached`` is known, else at equal ones.

    Args:
        printed: The entries, in the order of printing.
        reached: The last step; None: each training loss is a step.
    """
    last = max(_epochs([entry for _, entry in printed]), default=0.0)
    if reached and last and (placed := at_epochs([entry for _, entry in printed], last / reached)):
        return placed
    losses = sum("loss" in entry for _, entry in printed)
    distance = max(1, reached // losses) if reached and losses else 1
    entries, count = [], 0
    for _, entry in printed:
        count += "loss" in entry
        entries.append({"step": count * distance, **entry})
    return entries


def made(entries: Sequence[Entry]) -> int | None:
    """Return how many steps a run made by its summary, seconds times steps a second; None where there is none, or where
    so many seconds are too long for three decimals of the other.

    >>> made([{"loss": 1.5}, {"train_runtime": 82.83, "train_steps_per_second": 0.29}])
    24
    """
    for entry in reversed(entries):
        seconds, speed = number(entry.get("train_runtime")), number(entry.get("train_steps_per_second"))
        if seconds and speed and 0 < seconds * HALF_A_DIGIT < SURE and speed > 0:
            return round(seconds * speed) or None
    return None


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
    unit = min((after - before for before, after in pairwise(epochs) if after > before), default=0.0)
    return at_epochs(entries, unit) if unit else []


def at_epochs(entries: Sequence[Entry], epochs_per_step: float) -> list[dict[str, object]]:
    """Return the entries at the steps of their epochs; none where epochs are missing or go back, or where two training
    losses would come to one step.

    Args:
        entries: In the order of printing.
        epochs_per_step: Share of an epoch that a step makes.
    """
    epochs = _epochs(entries)
    if len(epochs) < len(entries) or any(after < before for before, after in pairwise(epochs)):
        return []
    if not epochs or not 0 <= epochs[0] <= epochs[-1] / epochs_per_step < MOST_STEPS:
        return []
    placed = [{**entry, "step": round(epoch / epochs_per_step)} for entry, epoch in zip(entries, epochs, strict=True)]
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


def once(printed: Sequence[tuple[int, Entry]]) -> list[tuple[int, Entry]]:
    """Return each record once, where two callbacks print it one after the other: the one with more in it, at the place
    of the first. LLaMA-Factory prints its own beside that of the Trainer, with fewer decimals.

    Args:
        printed: Each mapping with the place of its end in the text, in characters.
    """
    kept: list[tuple[int, Entry]] = []
    for place, entry in printed:
        if kept and _same_record(kept[-1][1], entry):
            before_place, before = kept[-1]
            kept[-1] = before_place, max(before, entry, key=len)
        else:
            kept.append((place, entry))
    return kept


def _same_record(first: Entry, second: Entry) -> bool:
    """Whether two mappings are of one step: one has all names of the other and more, and both the same loss and
    epoch."""
    if first.keys() == second.keys() or not (first.keys() <= second.keys() or second.keys() <= first.keys()):
        return False
    numbers = [(number(first.get(name)), number(second.get(name))) for name in ("loss", "epoch")]
    return all(a is not None and b is not None and abs(a - b) <= ROUNDED for a, b in numbers)
