"""The runs in the sub-folders of a folder that is no run's own."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from sanetune.curves.logs.log import FORMATS, RATIONALE
from sanetune.errors import DataError, Place
from sanetune.text import shortest_path

NAMES = frozenset({"trainer_state.json", "metrics.jsonl", "trainer_log.jsonl"})
"""Files that a run leaves in its folder."""
CHECKPOINT = "checkpoint-"
DEEPEST, MOST_FOLDERS, NAMED = 4, 2_000, 3
"""How far below, in how many folders, and how many runs a message names."""


def runs_below(folder: Path) -> list[Path]:
    """Return the folders below ``folder`` that hold the log of a run, at most four levels down, in order.

    Checkpoints count as their run's folder.
    """
    found = {path.parent if path.name.startswith(CHECKPOINT) else path for path in _with_log(folder)}
    return sorted(found - {folder})


def no_log(folder: Path) -> DataError:
    """Return the error of a folder that is no run's, with what to type where sub-folders are."""
    runs = runs_below(folder)
    if not runs:
        return DataError("there is no log of a run in this folder", RATIONALE, FORMATS, Place(folder))
    names = [shortest_path(run) for run in runs[:NAMED]]
    more = f" and {len(runs) - NAMED:,} more" if len(runs) > NAMED else ""
    one = len(runs) == 1
    counted = "a sub-folder of it has" if one else f"{len(runs):,} of its sub-folders have"
    below = f"{counted} one: {', '.join(names)}"
    command = f"sanetune diagnose {' '.join(shlex.quote(name) for name in names)}"
    remedy = f"Type `{command}`{' and so on' if more else ''}."
    return DataError(f"there is no log of a run in this folder; {below}{more}", RATIONALE, remedy, Place(folder))


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
