"""What was measured, and what is chosen by it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sanetune.planning.step_search import GAIN
from sanetune.planning.step_settings import StepSettings
from sanetune.probes.results.step_speed import StepSpeed

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to make a step, tried or not.

    Attributes:
        settings: What it is.
        speeds: Its measured steps, once each time that it was measured; none: it was not, or not to the end.
        forecast_bytes: Peak memory that was forecast for the tensors; 0: not known.
        obstacle: Why it cannot be chosen; "": it can.
        fits: Whether its memory suffices.
    """

    settings: StepSettings
    speeds: tuple[StepSpeed, ...] = ()
    forecast_bytes: int = 0
    obstacle: str = ""
    fits: bool = True

    @property
    def tokens_per_second(self) -> float | None:
        """Useful tokens per second of one device in the slowest of its measurements; None: it was not measured."""
        return min((one.tokens_per_second for one in self.speeds), default=None)

    @property
    def step_tokens(self) -> float | None:
        """Mean tokens of a step on one device."""
        tokens = [number for one in self.speeds for number in one.tokens]
        return sum(tokens) / len(tokens) if tokens else None

    @property
    def peak_bytes(self) -> int:
        """The most memory that was measured; 0: it was not measured."""
        return max((one.peak_bytes for one in self.speeds), default=0)

    @property
    def loss(self) -> float | None:
        """Loss of the first step, in nats per token in the loss."""
        return self.speeds[0].first_loss if self.speeds else None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self.settings) | {
            "tokens_per_second": self.tokens_per_second,
            "step_tokens": self.step_tokens,
            "peak_bytes": self.peak_bytes or None,
            "forecast_bytes": self.forecast_bytes or None,
            "loss": self.loss,
            "fits": self.fits,
            "why_not": self.obstacle or None,
            "measurements": [asdict(one) for one in self.speeds],
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """The settings that were measured, and the choice.

    Attributes:
        device: "cpu", "cuda" or "mps".
        devices: Devices that train together; one of them was measured.
        engine: The training loop.
        present: Settings of the configuration.
        chosen: The fastest; None: none fits.
        reason: Why it is chosen, in words.
        candidates: In the order in which they were tried.
        changes: ``section.key`` -> value: what the choice changes of the configuration.
        notes: What was not tried at all, and why.
        seconds: How long all of it took.
        file: The configuration that was changed; None: none was.
        backup: The copy of its text before.
    """

    device: str
    devices: int
    engine: str
    present: StepSettings
    chosen: StepSettings | None
    reason: str
    candidates: list[Candidate]
    changes: dict[str, int | float | bool] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    file: Path | None = None
    backup: Path | None = None

    def candidate(self, settings: StepSettings | None) -> Candidate | None:
        """Return the candidate with ``settings``, where it was tried."""
        return next((one for one in self.candidates if one.settings == settings), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "schema": SCHEMA,
            "device": self.device,
            "devices": self.devices,
            "engine": self.engine,
            "present": asdict(self.present),
            "chosen": asdict(self.chosen) if self.chosen else None,
            "least_gain": GAIN,
            "reason": self.reason,
            "changes": self.changes,
            "candidates": [one.to_json() for one in self.candidates],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
            "file": str(self.file) if self.file else None,
            "backup": str(self.backup) if self.backup else None,
        }
