"""The table of runs that the repository has, and what a run's beginning and end are."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.outcome.cases import TRIAL, Case
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.forecast.outcome import own_limit
from sanetune.forecast.outcome_of import BETTER, REACHED
from sanetune.planning.schedules import schedule

FILE = Path(__file__).with_name("runs.json.gz")

Row = dict[str, Any]
"""A run: the fields of its case, and its curve."""


def keep(folder: Path, file: Path = FILE) -> int:
    """Write the runs of ``folder`` that came to an end into the table, in the place of those that it has by the same
    name; returns how many it has then."""
    found = [json.loads(one.read_text()) for one in sorted((folder / "runs").glob("*.json"))]
    rows = {_name(one): one for one in _rows(file)} if file.exists() else {}
    for one in found:
        if "error" not in one:
            rows[_name(one)] = {key: value for key, value in one.items() if key != "norms"}
    # No time of writing inside, so that the same runs make the same file.
    with file.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out:
        out.write(json.dumps([rows[name] for name in sorted(rows)], separators=(",", ":")).encode())
    return len(rows)


def _name(row: Row) -> str:
    return Case(**{one.name: row[one.name] for one in fields(Case) if one.name in row}).name


def _rows(file: Path) -> list[Row]:
    with gzip.open(file, "rt") as text:
        rows: list[Row] = json.load(text)
    return rows


def read(file: Path = FILE) -> list[WholeRun]:
    """The runs of the table."""
    return [WholeRun(row) for row in _rows(file)]


@dataclass(frozen=True, eq=False)
class WholeRun:
    """A run from its first step to its last."""

    row: Row

    @property
    def setup(self) -> tuple[str, str]:
        """Model and data."""
        return self.row["model"], self.row["data"]

    @property
    def family(self) -> tuple[str, str, str]:
        """Runs with the same differ in their learning rate alone."""
        return (*self.setup, self.row["family"])

    @property
    def fault(self) -> str:
        """What was broken; "": nothing."""
        return str(self.row["fault"])

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return int(self.row["steps"])

    @property
    def is_long(self) -> bool:
        """Whether it is one of those with a trial of :data:`~bench.outcome.cases.TRIAL` steps."""
        return bool(self.row.get("long"))

    @property
    def lrs(self) -> list[float]:
        """Learning rate of each step."""
        row = self.row
        every = list(range(1, self.steps + 1))
        return schedule(row["scheduler"], row["lr"], int(self.steps * row["warmup"]), self.steps, {}, every)

    @property
    def losses(self) -> list[float]:
        """The evaluations' losses; NaN where one is not finite."""
        return [math.nan if one[1] is None else float(one[1]) for one in self.row["evaluations"]]

    @property
    def final(self) -> float:
        """The last evaluation; NaN where the run broke off."""
        return self.losses[-1] if self.row["evaluations"][-1][0] == self.steps else math.nan

    def share(self, stage: float) -> float:
        """The share of the steps that are behind a run at ``stage``: itself, or, at 0, that of a trial."""
        return stage or TRIAL / self.steps

    def comes_to(self, stage: float) -> bool:
        """Whether the trial of a long run is over by then."""
        return not self.is_long or self.share(stage) * self.steps >= TRIAL

    def first(self, stage: float) -> Curve:
        """The curve up to ``stage``, and to the evaluation that ends it."""
        row = self.row
        ends = [one[0] for one in row["evaluations"] if one[0] <= self.share(stage) * self.steps + 0.5]
        points = [
            Point(step, math.nan if loss is None else loss, lr)
            for step, (loss, lr) in enumerate(zip(row["losses"], self.lrs, strict=False), 1)
            if step <= ends[-1]
        ]
        evaluations = [
            Evaluation(one[0], loss)
            for one, loss in zip(row["evaluations"], self.losses, strict=True)
            if one[0] <= ends[-1]
        ]
        return Curve(
            points, evaluations, total_steps=self.steps, steps_per_epoch=row["rows"] / row["batch"], source="trial"
        )

    def at(self, stage: float) -> float:
        """The loss at that end."""
        return self.first(stage).validation[-1].loss


def reachable(runs: Iterable[WholeRun], stage: float) -> dict[tuple[str, str, str], float]:
    """For each family the lowest loss that any of its runs has at ``stage``: what a comparison of learning rates finds.
    Families of one run have no comparison."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for run in runs:
        if math.isfinite(loss := run.at(stage)):
            found.setdefault(run.family, []).append(loss)
    return {family: min(losses) for family, losses in found.items() if len(losses) > 1}


def failure(run: WholeRun, reached: float | None) -> str:
    """Why a run failed, by its real end; "": it got there."""
    losses = run.losses
    if not math.isfinite(run.final):
        return "no number"
    if run.final > own_limit(min(losses)):
        return "above its own lowest"
    if run.final > (1 - BETTER) * losses[0]:
        return "not better than the base"
    if reached is not None and run.final > (1 + REACHED) * reached:
        return "beaten by a short run"
    return ""
