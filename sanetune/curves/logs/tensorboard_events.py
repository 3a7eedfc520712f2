"""TensorBoard's event files, read with tensorboard's own reader."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.curves.logs.log import Log, checked_size
from sanetune.errors import DataError, Place

if TYPE_CHECKING:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

KIND = "TensorBoard events"
PATTERN = "events.out.tfevents.*"


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
    for tag, step, value in _scalars(path):
        steps.setdefault(step, {"step": step})[tag] = value
    return Log.of(path, KIND, [steps[step] for step in sorted(steps)])


def _scalars(path: Path) -> Iterator[tuple[str, int, float]]:
    """Every scalar as (tag, step, value), one tag after another. What a run that went on logged again replaces what
    it had logged before: the reader drops it."""
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
    for tag in events.Tags()[SCALARS]:
        for event in events.Scalars(tag):
            yield tag, event.step, event.value
    for tag in events.Tags()[TENSORS]:
        yield from _of_tensors(events, tag)


def _of_tensors(events: EventAccumulator, tag: str) -> Iterator[tuple[str, int, float]]:
    """Scalars of TensorFlow 2 and of torch's ``new_style``: tensors with one number."""
    from tensorboard.util import tensor_util

    for event in events.Tensors(tag):
        if event.tensor_proto.dtype in (1, 2) and not event.tensor_proto.tensor_shape.dim:  # DT_FLOAT, DT_DOUBLE
            yield tag, event.step, float(tensor_util.make_ndarray(event.tensor_proto))
