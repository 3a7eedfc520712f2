"""What settings would make the steps faster."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class SpeedSwitch:
    """One setting, with and without which the same forward and backward pass was timed in turns.

    Attributes:
        name: What costs the time, in words.
        planned: Seconds of each pass as the run is planned.
        switched: Seconds of each pass with the setting changed.
        fix: The key and value that change it; empty where that is not one value.
        remedy: What to do where it is not.
    """

    name: str
    planned: list[float]
    switched: list[float]
    fix: dict[str, Any] = field(default_factory=dict)
    remedy: str = ""

    @property
    def saved_share(self) -> float:
        """Share of the pass's time that it saves; below 0 where the pass would take longer."""
        return 1 - median(self.switched) / median(self.planned)

    @property
    def certain(self) -> bool:
        """Whether every pass with the change was faster than every one without."""
        return max(self.switched) < min(self.planned)


@dataclass(frozen=True, slots=True)
class Throughput:
    """What the steps spend time on that they need not.

    Attributes:
        switches: The settings that could be tried, the one that saves most first.
        dataloader_workers: Processes that make batches; 0: the training process itself.
    """

    switches: list[SpeedSwitch]
    dataloader_workers: int
