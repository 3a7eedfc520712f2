"""The ``metrics.jsonl`` of our own runs: one measurement per line, read as a curve."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from sanetune.atomic import restore_non_finite
from sanetune.curves.logs.ended import came_to_its_end
from sanetune.curves.logs.entries import VALIDATION_LOSS, Entry, curve_of
from sanetune.curves.logs.log import OURS, Log
from sanetune.curves.series import Curve
from sanetune.errors import Place, RunError
from sanetune.runs import Run

FORMER_NAMES = {"learnt_tokens": "loss_tokens", "learnt_tokens_per_second": "loss_tokens_per_second"}
"""Names that fields had in files of earlier versions; they are still read."""


def curve(path: Path) -> Curve:
    """The curve of the run that wrote ``path``; without a point where it has logged nothing yet.

    Raises:
        RunError: A line is not a record.
    """
    return curve_of((logged(record) for _, record in lines(path)), source=str(path))


def read(path: Path) -> Log:
    """The log of the run that wrote ``path``; it came to its end where the model of its last training is
    beside it, which may be before all the steps that its state says it was to make.

    Raises:
        DataError: No line has a loss.
        RunError: A line is not a record.
    """
    entries, run = [logged(record) for _, record in lines(path)], Run(path.parent)
    log = Log.of(path, OURS, entries, total_steps=_steps(run, run.state, "total_steps"))
    ended = came_to_its_end(run)
    missing = tuple(_missing(run, entries)) if ended else ()
    return replace(log, finished=ended and not missing, is_truncated=bool(missing), notes=(*log.notes, *missing))


def _missing(run: Run, entries: Iterable[Entry]) -> Iterator[str]:
    """What the record of a run that has ended lacks, in sentences. An evaluation is in the forecast and the record."""
    if cut := len(run.metrics.read_bytes().rpartition(b"\n")[2]):
        yield f"The last line of {run.metrics.name} is truncated: its {cut:,} bytes are not read."
    reached = max((step for entry in entries if isinstance(step := entry.get("step"), int)), default=0)
    evaluated = _steps(run, run.outcome, "step") or 0
    if reached < evaluated:
        yield f"{run.metrics.name} ends at step {reached:,}, and the run was evaluated at step {evaluated:,}."


def _steps(run: Run, file: Path, name: str) -> int | None:
    try:
        steps = run.read_json(file).get(name)
    except (RunError, OSError):
        return None  # of an earlier version, or no longer whole: the records count all the same
    return steps if isinstance(steps, int) and steps > 0 else None


def is_ours(path: Path) -> bool:
    """Whether a run of sanetune wrote ``path``: its records say of which kind they are."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return '"kind"' in file.readline(4096)


def lines(path: Path) -> list[tuple[int, dict[str, object]]]:
    """The records of a file with the numbers of their lines, from 1. A last line without its newline, which a killed
    run leaves, is left out.

    Raises:
        RunError: A line is no JSON object.
    """
    whole = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [(number, _record(line, path, number)) for number, line in enumerate(whole, 1) if line.strip()]


def logged(record: Entry) -> Entry:
    """A record under the names that transformers logs; see :mod:`sanetune.curves.logs.entries`.

    >>> logged({"kind": "validation", "step": 50, "loss": 2.25})
    {'kind': 'validation', 'step': 50, 'eval_loss': 2.25}
    """
    if record.get("kind") != "validation":
        return record
    sets = record.get("losses")
    named = {f"eval_{name}_loss": value for name, value in sets.items()} if isinstance(sets, dict) else {}
    return {VALIDATION_LOSS if name == "loss" else name: value for name, value in record.items()} | named


def _record(line: str, path: Path, number: int) -> dict[str, object]:
    try:
        stored = json.loads(line)
        return {FORMER_NAMES.get(name, name): restore_non_finite(value) for name, value in stored.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise RunError(f"This line is not a record: {error}.", place=Place(file=path, line=number)) from None
