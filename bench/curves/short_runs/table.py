"""The table of short runs that the repository has, and the log that each of them would have written."""

from __future__ import annotations

import gzip
import json
import math
import statistics
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.curves.short_runs.cases import Case
from bench.curves.short_runs.training import lr_at
from sanetune.curves.series import Curve, Evaluation, Point

FILE = Path(__file__).with_name("runs.json.gz")
Row = dict[str, Any]


def keep(folder: Path, file: Path = FILE) -> int:
    """Write the runs of ``folder`` into the table; returns their number."""
    rows = [json.loads(one.read_text()) for one in sorted(folder.glob("*.json"))]
    # No time of writing inside, so that the same runs make the same file.
    with file.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out:
        out.write(json.dumps(rows, separators=(",", ":")).encode())
    return len(rows)


def read(file: Path = FILE) -> list[Row]:
    """The runs of the table."""
    with gzip.open(file, "rt") as text:
        rows: list[Row] = json.load(text)
    return rows


def case_of(row: Row) -> Case:
    """The case of a run."""
    return Case(**{one.name: row[one.name] for one in fields(Case)})


def curve_of(row: Row, until: int | None = None) -> Curve:
    """The log of a run, up to step ``until``: as a trainer logs it, losses are means since the record before."""
    case, last = case_of(row), len(row["losses"]) if until is None else until
    per_epoch = row["rows"] / case.batch
    losses = [math.nan if one is None else one for one in row["losses"][:last]]
    points = [
        Point(
            step,
            round(statistics.fmean(losses[step - case.every : step]), case.digits),
            lr_at(case, step),
            _norm(row["norms"][step - 1]) if case.log_norms else None,
            step / per_epoch,
        )
        for step in range(case.every, len(losses) + 1, case.every)
    ]
    evaluations = [_evaluation(row, i) for i in range(len(row["evaluated"]))]
    return Curve(
        points,
        [one for one in evaluations if one.step <= last],
        total_steps=case.steps,
        steps_per_epoch=per_epoch,
        vocab_size=row["vocabulary"],
        planned_lr=case.lr,
        max_grad_norm=1.0,
        finished=last >= case.steps,
        source="log",
        unlogged=case.every - 1,
    )


def _evaluation(row: Row, i: int) -> Evaluation:
    """An evaluation as it is logged: this project's runs log the losses of its rows, up to 64 of them one by one."""
    step, loss = row["evaluated"][i]
    if "sums" not in row:
        return Evaluation(int(step), math.nan if loss is None else loss)
    return Evaluation.of(int(step), [math.nan if one is None else one for one in row["sums"][i]], row["tokens"])


def _norm(value: float | None) -> float:
    return math.nan if value is None else value
