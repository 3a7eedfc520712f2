"""Logs of one JSON object per step, in lines or in a list.

``trainer_log.jsonl`` of LLaMA-Factory, ``logging.jsonl`` of ms-swift, lines that other programs wrote, and
``trainer.state.log_history`` saved by itself.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from sanetune.atomic import restore_non_finite
from sanetune.curves.logs.decoded import text_of
from sanetune.curves.logs.entries import whole_number
from sanetune.curves.logs.log import FORMATS, RATIONALE, Log
from sanetune.curves.logs.metrics import logged
from sanetune.errors import DataError, Place

SWIFT = "global_step/max_steps"
"""Under which ms-swift writes both into its ``logging.jsonl``."""
FEWEST = 3
"""Objects among printed lines, below which these are no log."""
LLAMA_FACTORY = "trainer_log.jsonl of LLaMA-Factory"


def read_lines(path: Path) -> Log:
    """The log in a file with one JSON object per line. A truncated last line, which a killed run leaves, is left
    out.

    Raises:
        DataError: A line is no JSON object, or no line has a step and a loss.
    """
    return _log_of_lines(path, list(_lines(path)))


def runs_in(path: Path, text: str) -> list[Log]:
    """Return the log in those lines of a printed text that are JSON objects; none where fewer than :data:`FEWEST` are,
    or they have no losses.

    Args:
        path: The file that it is from.
        text: What was printed.
    """
    entries: list[dict[str, object]] = []
    for line in text.splitlines():
        if line.lstrip().startswith('{"'):
            with contextlib.suppress(ValueError, RecursionError):
                entry = json.loads(line)
                entries += [dict(logged(entry))] if isinstance(entry, dict) else []
    if len(entries) >= FEWEST:
        with contextlib.suppress(DataError):
            return [_log_of_lines(path, entries)]
    return []


def _log_of_lines(path: Path, entries: Sequence[dict[str, object]]) -> Log:
    divided = [_divided(entry) for entry in entries]
    names = ("total_steps", "max_steps", "of")
    totals = [total for entry in divided for name in names if (total := whole_number(entry.get(name)))]
    kind = LLAMA_FACTORY if any("current_steps" in entry for entry in divided) else "JSON lines"
    return Log.of(path, kind, divided, total_steps=totals[-1] if totals else None)


def _divided(entry: dict[str, object]) -> dict[str, object]:
    """The entry with step and planned steps as numbers, where one text has both, as ms-swift writes them.

    >>> _divided({"loss": 2.5, "global_step/max_steps": "10/438"})
    {'loss': 2.5, 'global_step': 10, 'max_steps': 438}
    """
    step, _, total = str(entry.get(SWIFT, "")).partition("/")
    if not (step.isdecimal() and total.isdecimal()):
        return entry
    return {name: value for name, value in entry.items() if name != SWIFT} | {
        "global_step": int(step),
        "max_steps": int(total),
    }


def read_list(path: Path) -> Log:
    """The log in a JSON file that holds a list of objects, one per logged step.

    Raises:
        DataError: It holds something else.
    """
    value = loaded(path)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DataError("this is no list of logged steps", RATIONALE, FORMATS, Place(path))
    return Log.of(path, "JSON list", [entry for entry in value if isinstance(entry, dict)])


def loaded(path: Path) -> object:
    """The value in a JSON file of bounded size.

    Raises:
        DataError: It cannot be read, is too large or is no JSON.
    """
    text = text_of(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        truncated = text.lstrip()[:1] in ("{", "[") and _ends_within(text, error)
        message = "this JSON file is truncated: it ends in the middle" if truncated else "this is not JSON"
        raise DataError(message, RATIONALE, FORMATS, Place(path, line=error.lineno)) from None
    except (ValueError, RecursionError):
        raise DataError("this is not JSON", RATIONALE, FORMATS, Place(path)) from None


def _ends_within(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the text ends where the parser waits for more: after a value, within a text or within ``true``."""
    return error.msg.startswith("Unterminated") or len(text.rstrip()) - error.pos < len("Infinity")


def _lines(path: Path) -> Iterator[dict[str, object]]:
    lines = text_of(path).split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            if number == len(lines):  # truncated
                return
            raise DataError("this line is not JSON", RATIONALE, FORMATS, Place(path, line=number)) from None
        if isinstance(entry, dict):
            yield dict(logged({name: restore_non_finite(value) for name, value in entry.items()}))
