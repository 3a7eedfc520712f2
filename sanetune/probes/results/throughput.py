"""Results of the throughput probe: settings that would make steps faster."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class SpeedSwitch:
    """The times of a forward and backward pass with one setting as planned and changed.

    Attributes:
        name: What costs the time.
        planned: Seconds of each pass as the run is planned.
        switched: Seconds of each pass with the setting changed.
        fix: Key and value that change the setting; empty if no single value does.
        remedy: What to do if ``fix`` is empty.
    """

    name: str
    planned: list[float]
    switched: list[float]
    fix: dict[str, Any] = field(default_factory=dict)
    remedy: str = ""

    @property
    def saved_share(self) -> float:
        """Fraction of the pass's time that the change saves; below 0 if the pass takes longer."""
        return 1 - median(self.switched) / median(self.planned)

    @property
    def certain(self) -> bool:
        """Whether every pass with the change was faster than every pass without it."""
        return max(self.switched) < min(self.planned)


@dataclass(frozen=True, slots=True)
class Throughput:
    """The settings that were timed.

    Attributes:
        switches: The settings, the one that saves most first.
        dataloader_workers: Processes that load batches; 0: the training process itself.
    """

    switches: list[SpeedSwitch]
    dataloader_workers: int
