"""The processes that train together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sanetune.config.machine import process_count
from sanetune.engine.devices import device_of

if TYPE_CHECKING:
    from accelerate import PartialState

    from sanetune.config.schema import Config


def processes(config: Config) -> PartialState:
    """Return accelerate's ``PartialState`` for this launch.

    Processes that train on CPUs find each other only when it is told that they do: left to itself, each of them takes
    itself for the main one.
    """
    from accelerate import PartialState

    return PartialState(cpu=True) if process_count() > 1 and device_of(config) != "cuda" else PartialState()


def is_main_process() -> bool:
    """Return whether this is the process of the launch (torchrun's RANK 0, or the only one) that reports and writes.

    For commands that start no process group; where there is one, ask :func:`processes`.
    """
    return int(os.environ.get("RANK") or 0) == 0


def local_rank() -> int:
    """Return the number of this process on its machine (torchrun's LOCAL_RANK), which is that of its device."""
    return int(os.environ.get("LOCAL_RANK") or 0)
