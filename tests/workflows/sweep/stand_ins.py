"""What a process of a sweep does, without a model: importable by a process that knows nothing of the test."""

from __future__ import annotations

import os
import time
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from sanetune.workflows.sweep.result import SweepTrial

TIMEOUT = 60.0
_PLACE = ""


def begin(config: Any, steps: int, places: Queue[str], jobs: int) -> None:
    """Take a place, and wait until as many processes as there are to be have one."""
    global _PLACE
    _PLACE = places.get()
    folder = Path(os.environ["SWEEP_MEETING"])
    (folder / f"met-{os.getpid()}").touch()
    end = time.monotonic() + TIMEOUT
    while len(list(folder.glob("met-*"))) < jobs:
        if time.monotonic() > end:
            raise TimeoutError("no other process came")
        time.sleep(0.02)


def make(key: str, changes: dict[str, Any], others: list[SweepTrial]) -> SweepTrial:
    """A trial whose reason is the place of the process."""
    lr = float(changes["train.learning_rate"])
    time.sleep(0.3)  # so that neither makes all
    return SweepTrial(key, changes, lr, 2, 2, "done", _PLACE)
