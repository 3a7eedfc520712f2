"""Several runs in one log, and runs that go on from an earlier step.

A program that appends to its log leaves one file of several runs, or a run whose steps go back where it was resumed.
The training losses tell: a step at or before the first one begins another run, and so does one that is a single
interval of logging from the start; one in between is made again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sanetune.curves.logs.entries import ENDED, VALIDATION_LOSS, Entry, number, whole_number
from sanetune.curves.logs.log import Log

FEWEST = 2
"""Training losses of a run, below which a step that goes back begins no other one."""
ROUNDED = 1.02
"""Times an interval of logging: epochs are printed with few digits."""


def parted(log: Log) -> list[Log]:
    """Return the runs in ``log``: usually it alone, with a note where it was resumed."""
    runs = split(log.entries, "step")
    if len(runs) == 1:
        return [_with_note(log)]
    parts = []
    for place, entries in enumerate(runs, 1):
        last = place == len(runs)
        title = f"{log.title} run {place} of {len(runs)}".strip()
        part = replace(log, entries=entries, title=title, reached=None)
        if not last:
            part = replace(part, total_steps=None, finished=ended(entries))
        parts.append(_with_note(part))
    return parts


def split(entries: Sequence[Entry], key: str) -> list[list[Entry]]:
    """Return the entries of each run.

    Args:
        entries: In the order of logging.
        key: What counts the course, ``step`` or ``epoch``.

    >>> [len(run) for run in split([{"step": s, "loss": 1.0} for s in (10, 20, 30, 10, 20)], "step")]
    [3, 2]
    >>> [len(run) for run in split([{"step": s, "loss": 1.0} for s in (10, 20, 30, 20, 30)], "step")]
    [5]
    >>> [len(run) for run in split([{"step": s, "loss": 1.0} for s in (1, 2, 3, 4, 2, 4)], "step")]
    [4, 2]
    """
    runs: list[list[Entry]] = [[]]
    first = highest = None
    losses = 0
    places = [_place(entry, key) for entry in entries]
    for entry, at, interval in zip(entries, places, _intervals(places), strict=True):
        if at is not None:
            begins = first is not None and at <= max(first, ROUNDED * interval)
            if begins and first is not None and highest is not None and losses >= FEWEST and max(first, at) < highest:
                runs.append(_before_the_first_loss(runs[-1], highest, key))
                first = highest = None
                losses = 0
            first = at if first is None else first
            highest = at if highest is None else max(at, highest)
            losses += 1
        runs[-1].append(entry)
    return runs


def _intervals(places: Sequence[float | None]) -> list[float]:
    """From each place to the next one that is known; 0 where there is none after it."""
    found, following = [], -math.inf
    for at in reversed(places):
        found.append(max(0.0, following - at) if at is not None else 0.0)
        following = following if at is None else at
    return found[::-1]


def repeated(entries: Sequence[Entry], key: str = "step") -> tuple[float, float] | None:
    """Return the first and the last place that was logged again after the log had gone further; None: there is none.

    >>> repeated([{"step": s, "loss": 1.0} for s in (10, 20, 30, 40, 30, 40, 50)])
    (30.0, 40.0)
    """
    highest, again = -math.inf, []
    for entry in entries:
        at = _place(entry, key)
        if at is not None and at < highest:
            again.append(at)
        highest = highest if at is None else max(highest, at)
    return (min(again), _highest_before(entries, key, min(again))) if again else None


def _highest_before(entries: Sequence[Entry], key: str, again: float) -> float:
    """How far the log had gone when it first went back to ``again``."""
    highest = -math.inf
    for entry in entries:
        at = _place(entry, key)
        if at is None:
            continue
        if at == again and highest > again:
            return highest
        highest = max(highest, at)
    return highest


def went_on(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries without those that a run that was resumed has made again, told by their epochs.

    >>> [one["loss"] for one in went_on([{"epoch": e, "loss": i} for i, e in enumerate((0.1, 0.2, 0.3, 0.2, 0.3))])]
    [0, 3, 4]
    """
    kept: list[Entry] = []
    made: list[float] = []  # epochs of the training losses among them, rising
    for entry in entries:
        at = _place(entry, "epoch")
        if at is not None:
            if made and at < made[-1]:
                while kept and (number(kept[-1].get("epoch")) or 0.0) >= at:
                    if _place(kept.pop(), "epoch") is not None:
                        made.pop()
            made.append(at)
        kept.append(entry)
    return kept


def ended(entries: Sequence[Entry]) -> bool:
    """Return whether the summary of a whole run is among the entries."""
    return any(name.rpartition("/")[2] == ENDED for entry in entries for name in entry)


def _before_the_first_loss(run: list[Entry], highest: float, key: str) -> list[Entry]:
    """Take the entries off the end of ``run`` that belong to the next one: its evaluation before the first step."""
    taken: list[Entry] = []
    while run and VALIDATION_LOSS in run[-1] and (number(run[-1].get(key)) or 0.0) < highest:
        taken.insert(0, run.pop())
    return taken


def _place(entry: Entry, key: str) -> float | None:
    if number(entry.get("loss")) is None:
        return None
    at = number(entry.get(key)) if key != "step" else whole_number(entry.get(key))
    return float(at) if at is not None and math.isfinite(at) else None


def _with_note(log: Log) -> Log:
    again = repeated(log.entries)
    if again is None:
        return log
    note = (
        f"Steps {again[0]:,.0f} to {again[1]:,.0f} are in the log more than once, as of a run that was resumed: the"
        " last records count."
    )
    return replace(log, notes=(*log.notes, note))
