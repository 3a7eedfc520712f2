"""What a checkpoint keeps of a run beside transformers' state, so that a resumed run has the figures of a whole one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class RunState:
    """Counts and times of a run since it began.

    Attributes:
        fingerprint: Of the rows that are trained on.
        tokens: Tokens seen, padding left out.
        loss_tokens: Those of them in the loss.
        seconds_before: Training time before a resumed stop, in seconds.
        began: When the run would have begun had it never been stopped, on the clock of ``time.monotonic``.
        last_logged: Optimizer step of the last record before a resumed stop.
        choices: What was chosen by measuring, as JSON: a resumed run computes in the same way.
    """

    fingerprint: str = ""
    tokens: int = 0
    loss_tokens: int = 0
    seconds_before: float = 0.0
    began: float = field(default_factory=time.monotonic)
    last_logged: int | None = None
    choices: dict[str, Any] = field(default_factory=dict)

    def start(self, seconds_before: float) -> float:
        """Start the clock, with the longer of ``seconds_before`` and the checkpoint's time on it; returns the time."""
        now = time.monotonic()
        self.began = now - max(self.seconds_before, seconds_before)
        return now

    @property
    def seconds(self) -> float:
        """Time since the run began; what was trained before a resumed stop counts, the pause does not."""
        return time.monotonic() - self.began

    def to_json(self, last_logged: int) -> dict[str, Any]:
        """Return what a checkpoint keeps; ``last_logged`` is the optimizer step of the last record."""
        return {
            "tokens": self.tokens,
            "loss_tokens": self.loss_tokens,
            "data": self.fingerprint,
            "seconds": round(self.seconds, 3),
            "last_logged": last_logged,
            "choices": self.choices,
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        self.tokens, self.loss_tokens = int(stored["tokens"]), int(stored["loss_tokens"])
        self.seconds_before = float(stored["seconds"])
        self.last_logged = int(stored["last_logged"])
        self.choices = dict(stored.get("choices", {}))
