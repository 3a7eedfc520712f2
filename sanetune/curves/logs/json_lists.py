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
from sanetune.curves.logs.names import NEUTRAL_WORDS, TRAINING_WORDS, VALIDATION_WORDS, renamed
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
ANY_ROWS = "|".join(sorted(TRAINING_WORDS | VALIDATION_WORDS, key=len, reverse=True))
ROWS = re.compile(ANY_ROWS)
STEPS_OF_ROWS = re.compile(rf"(?:{ANY_ROWS})[_ ]?(?:steps?|iters?|iterations?)")
"""Steps that one kind of rows has of its own, ``eval_steps``."""
OF_TRAINING = frozenset({"history", "log", "logs", "curve", "curves", "record", "records", "result", "results"})
"""Words beside those of losses and rows, by which a file or a part of it may be that of a training: nothing else that
is called ``train`` and ``val`` is a loss, which could as well be an accuracy."""
SPREAD = "No step is beside the validation losses: they are placed at equal distances."

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


def _candidates(path: Path, value: object, within: tuple[str, ...] = ()) -> Iterator[Named]:
    """What may be a log, in the part of the file that is called by the names ``within``."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield _called_by_rows([one for one in value if isinstance(one, dict)], path, within)
    elif isinstance(value, list) and not within:
        yield from _unnamed(path, value)
    if not isinstance(value, dict) or len(within) == DEEPEST:
        return
    yield from _of_object(path, value, within)
    for name, part in value.items():
        yield from _candidates(path, part, (*within, name))


def _unnamed(path: Path, value: Sequence[object]) -> Iterator[Named]:
    """Rows or numbers that are all there is in a file whose name speaks of losses."""
    if "loss" not in path.name.lower() or len(value) < FEWEST:
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


def _of_object(path: Path, value: Mapping[str, object], within: tuple[str, ...]) -> Iterator[Named]:
    """Lists of one length by name, and those of two lengths together; records by the rows that they are of."""
    columns = {name: part for name, part in _members(value) if isinstance(part, list) and _is_column(part)}
    tables: list[Named] = []
    for length in dict.fromkeys(len(part) for part in columns.values() if len(part) >= FEWEST):
        of_length = {name: part for name, part in columns.items() if len(part) == length}
        names, rows = list(of_length), zip(*of_length.values(), strict=True)
        tables.append(_called_by_rows([dict(zip(names, row, strict=True)) for row in rows], path, within))
    yield from _of_two_lengths(tables)
    yield from (_counted(*table) for table in tables)
    split: list[Entry] = []
    for name, part in value.items():
        words = _words(name)
        of = "val" if words & VALIDATION_WORDS else "train" if words & TRAINING_WORDS else ""
        records = [part] if isinstance(part, dict) else part if isinstance(part, list) else []
        if of and all(isinstance(one, dict) for one in records):
            split += [{**one, "split": of} for one in records]
    if split:
        yield split, ()


def _of_two_lengths(tables: Sequence[Named]) -> Iterator[Named]:
    """Training losses of steps beside fewer validation losses: a loop keeps each in a list of its own."""
    named = [(renamed(entries), notes) for entries, notes in tables]
    training = [table for table in named if "loss" in table[0][0] and VALIDATION_LOSS not in table[0][0]]
    validation = [table for table in named if VALIDATION_LOSS in table[0][0] and "loss" not in table[0][0]]
    for losses, notes in (_counted(list(entries), notes) for entries, notes in training):
        last = number(losses[-1].get("step"))
        for evaluated, others in validation:
            if last is None or len(evaluated) >= len(losses):
                continue
            placed = evaluated
            if not all("step" in entry for entry in evaluated):
                placed = [{**one, "step": round(last * i / len(evaluated))} for i, one in enumerate(evaluated, 1)]
            both = sorted([*losses, *placed], key=lambda entry: number(entry["step"]) or 0.0)
            spread = (SPREAD,) if placed is not evaluated else ()
            yield both, tuple(dict.fromkeys((*notes, *others, *spread)))


def _members(value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The members of an object and of the objects in it, these by both names: ``train/loss``."""
    for name, part in value.items():
        if isinstance(part, dict):
            yield from ((f"{name}/{inner}", one) for inner, one in part.items())
        yield name, part


def _is_column(part: Sequence[object]) -> bool:
    """Whether a list has numbers alone, some of which may not be known."""
    return any(number(one) is not None for one in part) and all(one is None or number(one) is not None for one in part)


def _called_by_rows(entries: Sequence[Entry], path: Path, within: tuple[str, ...]) -> Named:
    """The entries with the name of a loss, where one is called ``train`` or ``val``, nothing else is a loss, and the
    names of file and part are those of a training; steps of such rows are called so."""
    entries = [{"step" if STEPS_OF_ROWS.fullmatch(k.lower()) else k: v for k, v in entry.items()} for entry in entries]
    if any("loss" in entry or VALIDATION_LOSS in entry for entry in renamed(entries)):
        return list(entries), ()
    names = {name for entry in entries for name in entry if ROWS.fullmatch(name.lower())}
    if not names or not _is_of_training(path, within):
        return list(entries), ()
    return [{f"{k}_loss" if k in names else k: v for k, v in entry.items()} for entry in entries], (NAMED_BY_ROWS,)


def _is_of_training(path: Path, within: tuple[str, ...]) -> bool:
    """Whether the file's name has a word of training or of losses, and each name of the part no other ones."""
    known = OF_TRAINING | NEUTRAL_WORDS | TRAINING_WORDS
    return bool(_words(path.stem) & known) and all(_words(name) <= known for name in within)


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[^a-z]+", name.lower()) if word}


def _counted(entries: list[Entry], notes: tuple[str, ...]) -> Named:
    """The entries with steps: those that are known, or their numbers."""
    if any({"step", "epoch"} & entry.keys() for entry in renamed(entries)):
        return entries, notes
    return [{"step": step, **entry} for step, entry in enumerate(entries, 1)], (*notes, COUNTED)
