"""How many steps a run was to make, as the arguments of its trainer say, which trackers keep beside the losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sanetune.curves.logs.entries import Entry, number, whole_number
from sanetune.curves.logs.log import Log


def with_plan(log: Log, arguments: Mapping[str, object]) -> Log:
    """Return the log of a tracker with its trainer's arguments and the planned steps.

    Without the latter a training that has returned may have been stopped early: its log is not known to be whole.

    Args:
        log: As it was read; its entries have the names of transformers.
        arguments: Those of the trainer by name; empty: not known.
    """
    planned = planned_steps(arguments, log.entries)
    finished = log.finished and planned is not None
    return replace(log, total_steps=planned, finished=finished, arguments=dict(arguments))


def planned_steps(arguments: Mapping[str, object], entries: Sequence[Entry]) -> int | None:
    """Return ``max_steps``, or the steps of all epochs by those that were logged; None where neither is known.

    >>> planned_steps({"max_steps": -1, "num_train_epochs": 60}, [{"step": 90, "epoch": 12.857142}])
    420
    """
    steps, epochs = whole_number(arguments.get("max_steps")), number(arguments.get("num_train_epochs"))
    if steps:
        return steps
    reached = [
        (step, epoch)
        for entry in entries
        if (step := whole_number(entry.get("step"))) and (epoch := number(entry.get("epoch"))) is not None
    ]
    made, done = max(reached, default=(0, 0.0))
    known = epochs is not None and math.isfinite(epochs) and 0 < done < math.inf
    return round(max(1.0, epochs / done) * made) if known and epochs is not None else None
