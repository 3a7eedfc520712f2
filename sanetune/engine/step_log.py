"""Which rows each step of a run was trained on, with its loss and gradient norm: one small binary file per process.

A record is little-endian: the step, the number of rows, loss and gradient norm (32-bit floats, NaN where unknown), then
the number of each row in the training split, all as 32-bit integers: 16 bytes and 4 for each row.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sanetune.engine.appending import append

_HEAD = struct.Struct("<IIff")
_BYTES = 4


@dataclass(frozen=True, slots=True)
class LoggedStep:
    """One optimizer step.

    Attributes:
        step: Optimizer steps done, this one included.
        loss: Mean over the tokens in the loss of all processes, in nats.
        grad_norm: Norm of all gradients, before clipping; NaN: not known.
        rows: Numbers of the rows in the training split that this process took, micro-batch after micro-batch.
    """

    step: int
    loss: float
    grad_norm: float
    rows: tuple[int, ...]


class StepLog:
    """Appends the steps of one process.

    Args:
        folder: Of the run's step files (:attr:`sanetune.runs.Run.steps`).
        rank: Number of the process.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.path, self._rank = folder / f"rank-{rank}.steps", rank

    def start(self, step: int, processes: int = 0) -> None:
        """Drop the steps after ``step``, which a resumed run makes again, and a record that is incomplete.

        Args:
            step: Optimizer steps done.
            processes: How many there are now; the first of them drops the later steps of those that are gone. 0: not
                known.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        gone = files(self.path.parent)[processes:] if processes and self._rank == 0 else []
        for path in gone:
            with path.open("r+b") as file:
                file.truncate(_end_of(path, step))
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(_end_of(self.path, step))

    def append(self, steps: Sequence[LoggedStep]) -> None:
        """Write ``steps``; see :func:`sanetune.engine.appending.append`."""
        parts = []
        for one in steps:
            parts += [_HEAD.pack(one.step, len(one.rows), one.loss, one.grad_norm), _packed(one.rows)]
        append(self.path, b"".join(parts))


def read(path: Path) -> Iterator[LoggedStep]:
    """Yield the steps of one file; a record that is incomplete ends it."""
    data = path.read_bytes()
    for start, step, count, loss, norm in _heads(data):
        rows = array("I")
        rows.frombytes(data[start + _HEAD.size : start + _HEAD.size + _BYTES * count])
        yield LoggedStep(step, loss, norm, tuple(rows))


def step_of(folder: Path, step: int) -> LoggedStep | None:
    """Return a step with the rows of all processes, in the order of their numbers; None where it was not logged."""
    found = [one for path in files(folder) for one in read(path) if one.step == step]
    if not found:
        return None
    rows = tuple(row for one in found for row in one.rows)
    return LoggedStep(step, found[0].loss, found[0].grad_norm, rows)


def files(folder: Path) -> list[Path]:
    """Return the files of all processes, by rising number."""
    return sorted(folder.glob("rank-*.steps"), key=lambda path: int(path.stem.removeprefix("rank-")))


def processes_of(folder: Path, after: int, step: int) -> set[int]:
    """Return the numbers of processes that made the steps after ``after`` up to ``step``: one where they did not
    change."""
    counts: dict[int, int] = {}
    for path in files(folder):
        for one in read(path):
            if after < one.step <= step:
                counts[one.step] = counts.get(one.step, 0) + 1
    return set(counts.values())


def _packed(rows: Sequence[int]) -> bytes:
    return array("I", rows).tobytes()


def _heads(data: bytes) -> Iterator[tuple[int, int, int, float, float]]:
    """Offset, step, number of rows, loss and norm of each whole record."""
    start = 0
    while start + _HEAD.size <= len(data):
        step, count, loss, norm = _HEAD.unpack_from(data, start)
        if start + _HEAD.size + _BYTES * count > len(data):
            return
        yield start, step, count, loss, norm
        start += _HEAD.size + _BYTES * count


def _end_of(path: Path, step: int) -> int:
    """The offset behind the last record up to ``step``."""
    end = 0
    for start, at, count, _, _ in _heads(path.read_bytes()):
        if at > step:
            break
        end = start + _HEAD.size + _BYTES * count
    return end
