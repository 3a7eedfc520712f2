"""Bytes that a run saves, and the write speed of the disk."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

PROBE = 32 * 1024 * 1024
"""Bytes of the file that is written to measure the disk."""


@dataclass(frozen=True, slots=True)
class StoredSizes:
    """Sizes of saved files.

    Attributes:
        checkpoint: Bytes of one checkpoint.
        final: Bytes that are saved once at the end: the model, and its adapter where there is one.
    """

    checkpoint: int
    final: int


def stored_by(model: nn.Module, *, save_only_model: bool) -> StoredSizes:
    """Return the sizes of what a run with this model saves.

    Adam keeps two numbers for each trained weight, in the dtype of the weight. With an adapter, checkpoints have the
    adapter alone; the merged model is saved at the end.

    Args:
        model: The model as it trains.
        save_only_model: Whether checkpoints leave out the optimizer's state.
    """
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    trained = sum(weight.numel() * weight.element_size() for weight in model.parameters() if weight.requires_grad)
    adapted = hasattr(model, "peft_config")
    saved = trained if adapted else weights
    return StoredSizes(saved + (0 if save_only_model else 2 * trained), weights + (trained if adapted else 0))


def write_speed(folder: str | Path, size: int = PROBE) -> float | None:
    """Measure the write speed of a disk with a file that is synchronised and removed.

    Args:
        folder: A folder on the disk; where it does not exist, its nearest parent that does.
        size: Bytes to write.

    Returns:
        Bytes per second; None where nothing can be written.
    """
    where = Path(folder).absolute()
    while not where.is_dir():
        if where == where.parent:
            return None
        where = where.parent
    block = os.urandom(1024 * 1024)
    try:
        with tempfile.NamedTemporaryFile(dir=where, prefix=".sanetune-speed-") as file:
            began = time.perf_counter()
            for _ in range(max(1, size // len(block))):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            return max(1, size // len(block)) * len(block) / max(1e-9, time.perf_counter() - began)
    except OSError:
        return None
