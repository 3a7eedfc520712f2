"""TensorBoard's event files, read with tensorboard's own reader."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.curves.logs.entries import Entry, whole_number
from sanetune.curves.logs.log import Log, checked_size
from sanetune.curves.logs.planned import with_plan
from sanetune.errors import DataError, Place

if TYPE_CHECKING:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

KIND = "TensorBoard events"
PATTERN = "events.out.tfevents.*"
ARGUMENTS = "args/text_summary"


def folders(path: Path) -> list[Path]:
    """The folders below ``path`` that hold event files, each the log of one run."""
    return sorted({file.parent for file in path.rglob(PATTERN)})


def read(path: Path) -> Log:
    """The log in an event file, or in all event files of a folder: a run that was resumed wrote several.

    Raises:
        DataError: They hold no loss.
    """
    files = [path] if path.is_file() else sorted(path.glob(PATTERN))
    for file in files:
        checked_size(file)
    steps: dict[int, dict[str, object]] = {}
    events = _events(path)
    for tag, step, value in _scalars(events):
        steps.setdefault(step, {"step": step})[tag] = value
    return with_plan(Log.of(path, KIND, [steps[step] for step in sorted(steps)]), _arguments(events))


def read_starts(starts: Sequence[Path]) -> Log:
    """The log of a run that was started several times, each with a folder of events: what a later start logged again
    replaces what an earlier one had logged. A start that logged no loss is left out.

    Args:
        starts: The folders, in any order.

    Raises:
        DataError: None holds a loss.
    """
    made: list[Log] = []
    error: DataError | None = None
    for start in sorted(starts, key=_began):
        try:
            made.append(read(start))
        except DataError as failed:
            error = error or failed
    if not made and error is not None:
        raise error
    entries: list[Entry] = []
    for log in made:
        first = min(_step(entry) for entry in log.entries)
        entries = [*(entry for entry in entries if _step(entry) < first), *log.entries]
    return replace(made[-1], entries=entries)


def _step(entry: Entry) -> int:
    return whole_number(entry.get("step")) or 0


def _began(folder: Path) -> tuple[str, str]:
    """When the first file of a folder was begun, in seconds since 1970, which its name has, and that name."""
    name = min(file.name for file in folder.glob(PATTERN))
    return name.split(".")[3].zfill(20), name


def _events(path: Path) -> EventAccumulator:
    """All that is in the files of ``path``. What a run that went on logged again replaces what it had logged before:
    the reader drops it."""
    from tensorboard.backend.event_processing.event_accumulator import (
        COMPRESSED_HISTOGRAMS,
        HISTOGRAMS,
        IMAGES,
        SCALARS,
        TENSORS,
        EventAccumulator,
    )

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    nothing = dict.fromkeys((COMPRESSED_HISTOGRAMS, HISTOGRAMS, IMAGES), 1)
    events = EventAccumulator(str(path), size_guidance={**nothing, SCALARS: 0, TENSORS: 0})
    try:
        events.Reload()
    except Exception as error:
        raise DataError(
            f"tensorboard cannot read this: {type(error).__name__}: {error}",
            "Nothing of the run is known.",
            "Give an event file that is whole, or another log of the run.",
            Place(path),
        ) from error
    return events


def _scalars(events: EventAccumulator) -> Iterator[tuple[str, int, float]]:
    """Every scalar as (tag, step, value), one tag after another."""
    for tag in events.Tags()["scalars"]:
        for event in events.Scalars(tag):
            yield tag, event.step, event.value
    for tag in events.Tags()["tensors"]:
        yield from _of_tensors(events, tag)


def _arguments(events: EventAccumulator) -> dict[str, object]:
    """The arguments of a Trainer, which it writes as a text, the last ones of a run that went on; empty where there
    are none."""
    if ARGUMENTS not in events.Tags()["tensors"]:
        return {}
    with contextlib.suppress(ValueError, RecursionError, IndexError):
        found = json.loads(events.Tensors(ARGUMENTS)[-1].tensor_proto.string_val[0])
        return found if isinstance(found, dict) else {}
    return {}


def _of_tensors(events: EventAccumulator, tag: str) -> Iterator[tuple[str, int, float]]:
    """Scalars of TensorFlow 2 and of torch's ``new_style``: tensors with one number."""
    from tensorboard.util import tensor_util

    for event in events.Tensors(tag):
        if event.tensor_proto.dtype in (1, 2) and not event.tensor_proto.tensor_shape.dim:  # DT_FLOAT, DT_DOUBLE
            yield tag, event.step, float(tensor_util.make_ndarray(event.tensor_proto))
