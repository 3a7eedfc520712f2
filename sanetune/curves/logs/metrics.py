"""The ``metrics.jsonl`` of our own runs: one measurement per line, read as a curve."""

from __future__ import annotations

import json
from pathlib import Path

from sanetune.atomic import restore_non_finite
from sanetune.curves.logs.entries import VALIDATION_LOSS, Entry, curve_of
from sanetune.curves.series import Curve
from sanetune.errors import Place, RunError

FORMER_NAMES = {"learnt_tokens": "loss_tokens", "learnt_tokens_per_second": "loss_tokens_per_second"}
"""Names that fields had in files of earlier versions; they are still read."""


def read(path: Path) -> Curve:
    """The curve of the run that wrote ``path``.

    Raises:
        RunError: A line is not a record.
    """
    return curve_of((logged(record) for _, record in lines(path)), source=str(path))


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
    return {VALIDATION_LOSS if name == "loss" else name: value for name, value in record.items()}


def _record(line: str, path: Path, number: int) -> dict[str, object]:
    try:
        stored = json.loads(line)
        return {FORMER_NAMES.get(name, name): restore_non_finite(value) for name, value in stored.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise RunError(f"This line is not a record: {error}.", place=Place(file=path, line=number)) from None
