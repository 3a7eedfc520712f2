"""What is true of a short run, by experiments that no check takes part in.

Each run is made again, and measured on rows that it never sees; beside it stand runs that differ in one thing. The
figures decide what is a fault and which findings of a healthy run are true.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.curves.short_runs.cases import MIDDLE, Case
from bench.curves.short_runs.row_losses import Difference, RowLosses, Tokens, losses, rounded
from bench.curves.short_runs.table import Row, case_of
from bench.curves.short_runs.training import Trainer

FILE = Path(__file__).with_name("truth.json")
FAULTS = ("", "few rows", "few rows, no evaluation", "learning rate too high")
"""What was set for the runs of which nobody knows by that what is true of them."""
UNSEEN = 128
"""Rows that a run never sees, at most, on which it is measured."""
TIMES = 12
"""Measurements of a run, at even distances, and one before its first step."""
LONGER = 1.25
"""Times the steps of a run in which one could have gone further."""

PASSED = 1.01
"""Passes over its rows from which on a run sees some of them again."""
KNOWN = 0.2
"""By which a run's own rows, as a share of what they cost before it, end lower than unseen ones where it has memorised
them."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What experiments say of one run. None: not measured, since the question does not arise.

    Attributes:
        base: Loss of its training rows before the first step, in nats per token.
        guessing: What guessing among all tokens costs.
        turned: The end above the lowest measurement, on unseen rows.
        from_start: The end above the start, on unseen rows.
        own_end: Loss of its training rows after the last step, of a run that sees some of them again.
        unseen_base: Loss of unseen rows before the first step, likewise.
        unseen_end: Loss of unseen rows after the last step, likewise.
        longer: The end of a run of a quarter more steps above its own end, on unseen rows.
        sound: Its own end above that of the same run at a middle learning rate, likewise.
        hump: The measurement on unseen rows that is highest above the lowest before it and the lowest after it, above
            the nearer of the two.
    """

    base: float
    guessing: float
    turned: Difference
    from_start: Difference
    own_end: float | None
    unseen_base: float | None
    unseen_end: float | None
    longer: Difference | None
    sound: Difference | None
    hump: Difference

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Truth:
        """Read what the table has."""
        names = ("turned", "from_start", "longer", "sound", "hump")
        return cls(**plain | {name: Difference(**plain[name]) if plain[name] else None for name in names})

    @property
    def starts_high(self) -> bool:
        """Whether the model begins worse than guessing on the rows that it is trained on."""
        return self.base > self.guessing

    @property
    def memorises(self) -> bool:
        """Whether it knows its own rows better than rows that it has never seen, beyond what they differed by before
        the first step."""
        if self.own_end is None or self.unseen_base is None or self.unseen_end is None:
            return False
        return self.own_end / self.base <= (1 - KNOWN) * self.unseen_end / self.unseen_base


def measured(trainer: Trainer, row: Row) -> Truth:
    """Make the run of ``row`` again, and those beside it."""
    case = case_of(row)
    unseen = trainer.unseen(case, UNSEEN)
    course = _Course(case, unseen, [int(step) for step, _ in row["evaluated"]])
    run = trainer.prepared(case, probe=course.take)
    course.own = run.rows
    run.all_steps()
    assert run.losses == row["losses"], f"{case.name} is not the run of the table: other versions, or another machine"
    end, times = course.unseen_at[case.steps], course.times
    return Truth(
        rounded(course.base),
        rounded(math.log(row["vocabulary"])),
        end.above(min(times, key=lambda one: one.mean)),
        end.above(course.unseen_at[0]),
        *(course.ends if _sees_again(row, case) else (None, None, None)),
        None if case.fault else _end(trainer, replace(case, steps=round(LONGER * case.steps)), case, unseen).above(end),
        end.above(_end(trainer, _sound(case), case, unseen)) if case.fault == "learning rate too high" else None,
        _hump([course.unseen_at[step] for step in sorted(course.unseen_at)]),
    )


def _hump(course: list[RowLosses]) -> Difference:
    """The highest hump of a course on the same rows."""
    found = [Difference(0.0, 0.0)]
    for i in range(1, len(course) - 1):
        sides = (min(some, key=lambda one: one.mean) for some in (course[:i], course[i + 1 :]))
        found.append(min((course[i].above(side) for side in sides), key=lambda one: one.share))
    return max(found, key=lambda one: one.share)


def _sees_again(row: Row, case: Case) -> bool:
    """Whether stairs could be true of a run."""
    return len(row["losses"]) * case.batch > PASSED * row["rows"]


def _sound(case: Case) -> Case:
    return replace(case, lr=MIDDLE[case.model])


def _end(trainer: Trainer, other: Case, case: Case, unseen: list[Tokens]) -> RowLosses:
    """The losses on unseen rows at the end of another run on the rows of ``case``."""
    other = replace(other, epochs=case.epochs * other.steps / case.steps)
    run = trainer.prepared(other, order=case.name)
    run.all_steps()
    return losses(run.model, unseen)


class _Course:
    """Measures a run while it is made."""

    def __init__(self, case: Case, unseen: list[Tokens], evaluated: list[int]) -> None:
        self.own: list[Tokens] = []
        self.base = self._own_end = math.nan
        self.unseen_at: dict[int, RowLosses] = {}
        self._case, self._unseen, self._evaluated = case, unseen, evaluated
        self._times = {round(case.steps * i / TIMES) for i in range(TIMES + 1)}

    @property
    def times(self) -> list[RowLosses]:
        """Unseen rows at even distances."""
        return [self.unseen_at[step] for step in sorted(self._times)]

    def take(self, step: int, model: Any) -> None:
        """Measure after ``step`` steps."""
        if step == 0:
            self.base = losses(model, self.own).mean
        if step == self._case.steps:
            self._own_end = losses(model, self.own).mean
        if step in self._times or step in self._evaluated:
            self.unseen_at[step] = losses(model, self._unseen)

    @property
    def ends(self) -> tuple[float, float, float]:
        """Own rows at the end, unseen ones before the first step and at the end."""
        return rounded(self._own_end), rounded(self.unseen_at[0].mean), rounded(self.times[-1].mean)


def keep(folder: Path, file: Path = FILE) -> int:
    """Write the truths of ``folder`` into the repository, a line for each run; returns their number."""
    found = {one.stem: json.loads(one.read_text()) for one in sorted(folder.glob("*.json"))}
    lines = (f"{json.dumps(name)}: {json.dumps(plain, separators=(',', ':'))}" for name, plain in found.items())
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return len(found)


def read(file: Path = FILE) -> dict[str, Truth]:
    """Name of a run -> what is true of it."""
    return {name: Truth.from_json(plain) for name, plain in json.loads(file.read_text()).items()}
