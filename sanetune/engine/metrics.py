"""Records, one per logged step, and the file that keeps those of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from sanetune.atomic import name_non_finite, write_text
from sanetune.curves.logs.entries import curve_of as curve_of_entries
from sanetune.curves.logs.entries import is_set_loss
from sanetune.curves.logs.metrics import lines, logged
from sanetune.curves.series import Curve
from sanetune.engine.appending import append
from sanetune.errors import Place, RunError
from sanetune.events import Event, RecordLogged, TrainingStarted

RecordKind = Literal["train", "validation"]


@dataclass(frozen=True, slots=True)
class Record:
    """One measurement of a run.

    Attributes:
        step: Optimizer steps done.
        epoch: Passes over the training rows, in parts too.
        seconds: Since the run began; time before a resumed stop counts, the pause does not.
        kind: What ``loss`` is of.
        loss: Mean over the tokens in the loss, in nats: for ``train`` of the steps since the last record, for
            ``validation`` of all validation rows.
        learning_rate: Of the last step.
        grad_norm: Norm of all gradients of the last step, before clipping.
        tokens: Since the run began, padding left out.
        loss_tokens: Those of them in the loss.
        tokens_per_second: Since the last record, time of evaluations and saves left out.
        loss_tokens_per_second: The same of the tokens in the loss.
        losses: Of several losses, each one's mean over its items, as ``loss`` is one; of several sources of validation
            rows, each one's.
        group_losses: Of an evaluation, the loss of each group of rows, summed over its tokens in the loss, in nats
            (:mod:`sanetune.engine.row_groups`).
        group_tokens: Tokens in the loss of each group.
    """

    step: int
    epoch: float
    seconds: float
    kind: RecordKind
    loss: float
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: int | None = None
    loss_tokens: int | None = None
    tokens_per_second: float | None = None
    loss_tokens_per_second: float | None = None
    losses: dict[str, float] | None = None
    group_losses: list[float] | None = None
    group_tokens: list[int] | None = None


class MetricsFile:
    """Writes each record as a line of JSON, flushed at once: a killed run keeps all it had.

    A loss that is NaN or infinite is written as :func:`sanetune.atomic.name_non_finite` spells it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, event: Event) -> None:
        """Follow a run."""
        match event:
            case TrainingStarted(step):
                self._start(step)
            case RecordLogged(record):
                append(self.path, to_line(record).encode())

    def _start(self, step: int) -> None:
        """Drop the records after ``step``: a resumed run makes them again."""
        write_text(self.path, "".join(to_line(record) for record in self.until(step)))

    def until(self, step: int) -> list[Record]:
        """Return the records of the file up to optimizer step ``step``; none for a run that begins anew (0)."""
        if not step or not self.path.exists():
            return []
        return [record for record in read(self.path) if record.step <= step]


def to_line(record: Record) -> str:
    """One line of JSON with its newline; keys without a value are left out."""
    values = {key: value for key, value in asdict(record).items() if value is not None}
    return json.dumps(name_non_finite(values), allow_nan=False) + "\n"


def read(path: Path) -> list[Record]:
    """All records of a file, in order; see :func:`sanetune.curves.logs.metrics.lines`.

    Raises:
        RunError: A line is not a record.
    """
    return [_record(values, Place(file=path, line=number)) for number, values in lines(path)]


def curve_of(records: Iterable[Record]) -> Curve:
    """The curve of a run, from what it has published."""
    # Not `asdict`, which copies every value deeply: of a long run that is most of the time.
    entries = [logged({name: getattr(record, name) for name in _NAMES}) for record in records]
    sets = dict.fromkeys(name for entry in entries for name in entry if is_set_loss(name))
    return curve_of_entries(entries, others=list(sets))


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the steps of a run were, evaluations and saves left out; None: it was not logged."""

    step_seconds: float | None = None
    tokens_per_second: float | None = None


def speed_of(records: Sequence[Record]) -> Speed:
    """Return the speed of a run from its records, each weighted by its time.

    >>> first = Record(1, 0.1, 3.0, "train", 2.0, tokens=100, tokens_per_second=100.0)
    >>> speed_of([first, Record(3, 0.3, 9.0, "train", 2.0, tokens=400, tokens_per_second=60.0)])
    Speed(step_seconds=2.0, tokens_per_second=66.66666666666667)
    """
    tokens = steps = 0
    seconds, before = 0.0, (0, 0)
    for one in records:
        if one.kind != "train" or one.tokens is None:
            continue
        more, made = one.tokens - before[0], one.step - before[1]
        before = one.tokens, one.step
        if one.tokens_per_second and more > 0:
            tokens, steps, seconds = tokens + more, steps + made, seconds + more / one.tokens_per_second
    return Speed(seconds / steps if steps else None, tokens / seconds if seconds else None)


def seconds_of(records: Sequence[Record]) -> float | None:
    """Return how long a run took to its last record, evaluations and saves before it included; None without any.

    What comes after (the best weights are read, the model is written) is not in it: no file of the run has that.

    >>> seconds_of([Record(1, 0.1, 3.0, "train", 2.0), Record(1, 0.1, 4.5, "validation", 2.0)])
    4.5
    """
    return records[-1].seconds if records else None


_NAMES = {f.name for f in fields(Record)}


def _record(values: dict[str, Any], place: Place) -> Record:
    try:
        return Record(**{name: value for name, value in values.items() if name in _NAMES})
    except TypeError as error:
        raise RunError(f"This line is not a record: {error}.", place=place) from None
