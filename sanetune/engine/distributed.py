"""The processes that train together."""

from __future__ import annotations

import os
from typing import Any


def processes(config: Any) -> Any:
    """accelerate's ``PartialState`` for this launch. Processes that train on CPUs find each other only when it is told
    that they do: left to itself, each of them takes itself for the main one."""
    import torch
    from accelerate import PartialState

    together = int(os.environ.get("WORLD_SIZE") or 1) > 1
    on_cpu = bool(config.train.get("use_cpu")) or not torch.cuda.is_available()
    return PartialState(cpu=True) if together and on_cpu else PartialState()
