"""The runs in the sub-folders of a folder that is no run's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

NAMES = frozenset({"trainer_state.json", "metrics.jsonl", "trainer_log.jsonl"})
"""Files that a run leaves in its folder."""
CHECKPOINT, CHECKPOINTS = "checkpoint-", "checkpoints"
DEEPEST, MOST_FOLDERS = 4, 2_000
"""How far below, and in how many folders."""


def runs_below(folder: Path) -> list[Path]:
    """Return the folders below ``folder`` that hold the log of a run, at most four levels down, in order.

    Checkpoints count as their run's folder.
    """
    return sorted({_run_of(path) for path in _with_log(folder)} - {folder})


def _run_of(path: Path) -> Path:
    run = path.parent if path.name.startswith(CHECKPOINT) else path
    return run.parent if run != path and run.name == CHECKPOINTS else run


def _with_log(folder: Path) -> Iterator[Path]:
    """The folders with a file of a known name. Links are not followed, so that there is no way round in a circle."""
    depth = len(folder.parts)
    for visited, (path, folders, files) in enumerate(os.walk(folder)):
        here = Path(path)
        if visited >= MOST_FOLDERS:
            return
        if NAMES.intersection(files):
            yield here
        if len(here.parts) - depth >= DEEPEST:
            folders.clear()
        folders.sort()
