"""Records, one per logged step, and the file that keeps those of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from sanetune.atomic import name_non_finite, restore_non_finite, write_text
from sanetune.errors import Place, RunError
from sanetune.events import Event, RecordLogged, TrainingStarted

RecordKind = Literal["train", "validation"]

FORMER_NAMES = {"learnt_tokens": "loss_tokens", "learnt_tokens_per_second": "loss_tokens_per_second"}
"""Names that fields had in files of earlier versions; they are still read."""


@dataclass(frozen=True, slots=True)
class Record:
    """One measurement of a run.

    ``step`` is the number of optimizer steps done, ``seconds`` the time since the run began (time before a resumed
    stop counts, the pause does not). ``loss`` is per learnt token in nats: for ``train`` the mean over the steps since
    the last record, for ``validation`` over all validation rows. ``tokens`` and ``loss_tokens`` count from the run's
    start, padding left out; the rates are over the time since the last record, validation and saving left out.
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
                self._append(record)

    def _start(self, step: int) -> None:
        """Drop the records after ``step``: a resumed run makes them again."""
        kept = [record for record in read(self.path) if record.step <= step] if step and self.path.exists() else []
        write_text(self.path, "".join(to_line(record) for record in kept))

    def seconds_so_far(self) -> float:
        """The seconds of the last record in the file, 0 when there is none."""
        return records[-1].seconds if (records := read(self.path)) else 0.0

    def _append(self, record: Record) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(to_line(record))
        except OSError as error:
            raise RunError(f"{self.path} cannot be written: {error.strerror or error}.") from None


def to_line(record: Record) -> str:
    """One line of JSON with its newline; keys without a value are left out."""
    values = {key: value for key, value in asdict(record).items() if value is not None}
    return json.dumps(name_non_finite(values), allow_nan=False) + "\n"


def read(path: Path) -> list[Record]:
    """All records of a file, in order. A last line without its newline (a killed run) is left out; other faults
    raise."""
    records = []
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    whole = lines[:-1]
    for number, line in enumerate(whole, 1):
        if line.strip():
            records.append(_from_line(line, Place(file=path, line=number)))
    return records


def curve(records: Iterable[Record], kind: RecordKind, field: str = "loss") -> tuple[list[int], list[float]]:
    """Steps and values of one field of one kind of record, where it is there."""
    points = [(r.step, value) for r in records if r.kind == kind and (value := getattr(r, field)) is not None]
    return [step for step, _ in points], [float(value) for _, value in points]


_NAMES = {f.name for f in fields(Record)}


def _from_line(line: str, place: Place) -> Record:
    try:
        stored: dict[str, Any] = json.loads(line)
        values: dict[str, Any] = {FORMER_NAMES.get(key, key): restore_non_finite(one) for key, one in stored.items()}
        return Record(**{key: value for key, value in values.items() if key in _NAMES})
    except (ValueError, TypeError, AttributeError) as error:
        raise RunError(f"This line is not a record: {error}.", place=place) from None
