"""The trial: the first steps of the real run, on its own engine, data and schedule, looked at closely and undone."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanetune.curves.curve import Curve


@dataclass(frozen=True, slots=True)
class Timing:
    """What the steps took. ``steps``: seconds of each optimizer step, looks left out; ``tokens``: all tokens of each
    step without padding, ``learnt_tokens`` those that are learnt, ``places`` with padding; ``waits``: seconds of each
    step spent waiting for the loader; ``look_seconds`` and ``look_tokens``: of one look at the held-out rows;
    ``peak_bytes``: the most memory in use on the device (on a CPU: of the process)."""

    steps: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    learnt_tokens: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    look_seconds: float = 0.0
    look_tokens: int = 0
    peak_bytes: int = 0


@dataclass(slots=True)
class Trial:
    """``wanted``: steps that were meant, ``done``: those that were run; ``stopped``: why it ended early, in words ("":
    it did not). ``held_from``: "validation", or "train" where the trial had to keep rows aside itself."""

    curve: Curve
    timing: Timing
    wanted: int
    done: int
    stopped: str = ""
    held_from: str = "validation"
