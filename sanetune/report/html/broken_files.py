"""Files of a run's folder that cannot be read, which the page says: a part that is missing would seem never made."""

from __future__ import annotations

import json
from pathlib import Path

from sanetune.curves.logs.ended import came_to_its_end
from sanetune.curves.logs.metrics import read
from sanetune.errors import UserError
from sanetune.runs import Run


def broken_files(run: Run) -> list[str]:
    """Return a sentence for each file of the folder that is there and cannot be read, or not to its end.

    >>> broken_files(Run(Path("no-such-folder")))
    []
    """
    files = (
        run.versions, run.data, run.trained_files, run.samples, run.outcome, run.comparison, run.state, run.evaluation,
        run.forgetting, run.watch,
    )  # fmt: skip
    names = [file.name for file in files if file.is_file() and not _is_json(file)]
    return [f"{name} is broken and was left out." for name in names] + _record(run)


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return True


def _record(run: Run) -> list[str]:
    """What the record of a run lacks that has ended: one that goes on may be writing it."""
    if not run.metrics.is_file() or not came_to_its_end(run):
        return []
    try:
        log = read(run.metrics)
    except UserError as error:
        return [f"{run.metrics.name} cannot be read: {error.headline}."]
    return list(log.notes) if log.is_truncated else []
