"""Losses as loops keep them in JSON: lists by name, records in a part, rows and numbers without names.

``{"steps": [10, 20], "train_loss": [2.1, 1.9]}`` is what many loops write for their plots, ``{"history": [{"step": 10,
"loss": 2.1}]}`` what others keep beside their settings, ``[[10, 2.1, 2.3]]`` and ``[2.1, 1.9]`` what a file called
``loss_history.json`` may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from sanetune.curves.logs.entries import MOST_STEPS, VALIDATION_LOSS, Entry, number
from sanetune.curves.logs.log import Log
from sanetune.curves.logs.names import TRAINING_WORDS, VALIDATION_WORDS, renamed
from sanetune.errors import DataError

KIND = "JSON of a loop"
FEWEST = 3
"""Losses, below which lists are no log."""
DEEPEST = 4
"""Levels of objects that are looked into."""
COUNTED = "No step is beside the losses: they are counted."
NAMED_BY_ROWS = "The numbers are named by their rows alone, training and validation: they are taken for losses."
WITHOUT_NAMES = "The numbers have no names: they are taken for {}."
COLUMNS = ("step", "loss", VALIDATION_LOSS)
ROWS = re.compile("|".join(sorted(TRAINING_WORDS | VALIDATION_WORDS, key=len, reverse=True)))

Named = tuple[list[Entry], tuple[str, ...]]
"""Entries, and what has to be said of them."""


def read(path: Path, value: object) -> Log | None:
    """Return the log in a JSON file's ``value``, that of its part with the most losses; None where it has none.

    Args:
        path: The file.
        value: What is in it.
    """
    found: list[Log] = []
    for entries, notes in _candidates(path, value):
        try:
            found.append(Log.of(path, KIND, entries, notes=notes))
        except DataError:  # numbers, and no losses
            continue
    return max(found, key=lambda log: len(log.curve().points) + len(log.curve().validation), default=None)


def _candidates(path: Path, value: object, depth: int = 0) -> Iterator[Named]:
    if isinstance(value, list):
        yield from _of_records(value) if value and isinstance(value[0], dict) else _unnamed(path, value, depth)
    if not isinstance(value, dict) or depth == DEEPEST:
        return
    yield from _of_object(value)
    for part in value.values():
        yield from _candidates(path, part, depth + 1)


def _of_records(value: Sequence[object]) -> Iterator[Named]:
    yield _called_by_rows([one for one in value if isinstance(one, dict)])


def _unnamed(path: Path, value: Sequence[object], depth: int) -> Iterator[Named]:
    """Rows or numbers that are all there is in a file whose name speaks of losses."""
    if depth or "loss" not in path.name.lower() or len(value) < FEWEST:
        return
    if all(number(one) is not None for one in value):
        losses: list[Entry] = [{"step": step, "loss": loss} for step, loss in enumerate(value, 1)]
        yield losses, (WITHOUT_NAMES.format("training losses, one a step"),)
    elif rows := _rows(value):
        names = COLUMNS[: len(rows[0])]
        words = "steps and training losses" if len(names) == 2 else "steps, training and validation losses"
        yield [dict(zip(names, row, strict=True)) for row in rows], (WITHOUT_NAMES.format(words),)


def _rows(value: Sequence[object]) -> list[list[float]]:
    """Rows of two or three numbers, of which the first are rising whole ones."""
    rows = [[number(cell) for cell in row] for row in value if isinstance(row, list)]
    if len(rows) < len(value) or {len(row) for row in rows} not in ({2}, {3}) or any(None in row for row in rows):
        return []
    known = cast("list[list[float]]", rows)
    steps = [row[0] for row in known]
    rise = all(step.is_integer() and 0 <= step < MOST_STEPS for step in steps) and steps == sorted(set(steps))
    return known if rise else []


def _of_object(value: Mapping[str, object]) -> Iterator[Named]:
    """Lists of one length by name; records by the rows that they are of."""
    columns = {name: part for name, part in _members(value) if isinstance(part, list) and _is_column(part)}
    for length in {len(part) for part in columns.values()}:
        if length >= FEWEST:
            of_length = {name: part for name, part in columns.items() if len(part) == length}
            names, rows = list(of_length), zip(*of_length.values(), strict=True)
            yield _counted(*_called_by_rows([dict(zip(names, row, strict=True)) for row in rows]))
    split: list[Entry] = []
    for name, part in value.items():
        words = {word for word in re.split(r"[^a-z]+", name.lower()) if word}
        of = "val" if words & VALIDATION_WORDS else "train" if words & TRAINING_WORDS else ""
        records = [part] if isinstance(part, dict) else part if isinstance(part, list) else []
        if of and all(isinstance(one, dict) for one in records):
            split += [{**one, "split": of} for one in records]
    if split:
        yield split, ()


def _members(value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The members of an object and of the objects in it, these by both names: ``train/loss``."""
    for name, part in value.items():
        if isinstance(part, dict):
            yield from ((f"{name}/{inner}", one) for inner, one in part.items())
        yield name, part


def _is_column(part: Sequence[object]) -> bool:
    """Whether a list has numbers alone, some of which may not be known."""
    return any(number(one) is not None for one in part) and all(one is None or number(one) is not None for one in part)


def _called_by_rows(entries: Sequence[Entry]) -> Named:
    """The entries, where a loss is called ``train`` or ``val`` and nothing else is one, with the name of a loss."""
    if any("loss" in entry or VALIDATION_LOSS in entry for entry in renamed(entries)):
        return list(entries), ()
    names = {name for entry in entries for name in entry if ROWS.fullmatch(name.lower())}
    if not names:
        return list(entries), ()
    return [{f"{k}_loss" if k in names else k: v for k, v in entry.items()} for entry in entries], (NAMED_BY_ROWS,)


def _counted(entries: list[Entry], notes: tuple[str, ...]) -> Named:
    """The entries with steps: those that are known, or their numbers."""
    if any({"step", "epoch"} & entry.keys() for entry in renamed(entries)):
        return entries, notes
    return [{"step": step, **entry} for step, entry in enumerate(entries, 1)], (*notes, COUNTED)
