"""Logs as CSV: exports of W&B charts and runs, TensorBoard's download of one curve, and tables with named columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sanetune import units
from sanetune.curves.logs.decoded import text_of
from sanetune.curves.logs.log import FORMATS, RATIONALE, Log, number_in
from sanetune.curves.logs.row_kinds import is_word
from sanetune.errors import DataError, Place

KIND = "CSV"
CHART = "CSV export of a W&B chart"
DOWNLOAD = ("Wall time", "Step", "Value")
"""The columns of the file that TensorBoard offers for download; its name says which curve it is."""
TABLE_OF_RUNS = frozenset(("Name", "State", "Created", "Runtime"))
"""Columns of W&B's export of a project's table."""
BETWEEN = " - "
"""Stands between the name of a run and that of a metric in a chart's columns."""
RANGES = ("__MIN", "__MAX")
"""Columns that W&B adds to those of a chart: the range of grouped runs."""
COUNTERS = frozenset({"step", "_step"})
"""Columns that are no metric: W&B adds its own count to that of the chart."""
NO_STEP = re.compile(r"\btime\b|epoch$", re.IGNORECASE)
"""An axis of a chart that is no step: W&B offers times, and any metric."""
NO_STEPS = "The chart is over {} and not over steps: what is called a step is one of its records."
MOST_COLUMNS = 20_000

Row = dict[str, object]


def read(path: Path) -> list[Log]:
    """The logs in a CSV file, one for each run in it.

    Raises:
        DataError: The file is no table with steps and losses.
    """
    header, rows = _table(path)
    if tuple(header) == DOWNLOAD:
        return [_export(Log.of(path, "CSV download of TensorBoard", _single(path, rows)))]
    if TABLE_OF_RUNS.issubset(header):
        message = (
            f"this is a table of {units.many(len(rows), 'run')}, with a line for each, and has the losses of no step"
        )
        raise DataError(message, RATIONALE, "Export the chart of a loss, or the history of a run.", Place(path))
    runs = _runs(header)
    if not runs:
        return [_export(Log.of(path, KIND, rows))]
    return [_export(_of_chart(path, rows, header[0], columns, run)) for run, columns in runs.items()]


def _export(log: Log) -> Log:
    """The log, which may be one of several charts of its run."""
    names = {name for entry in log.entries for name in entry} - COUNTERS
    return replace(log, one_of_several=len(names) == 1)


def _table(path: Path) -> tuple[list[str], list[Row]]:
    """The names of the columns, and each line's numbers by column."""
    try:
        text = text_of(path)
        between = _delimiter(text)
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=between)
        header = [name.strip() for name in next(lines, [])]
        if len(header) > MOST_COLUMNS:
            raise DataError(f"the table has {len(header):,} columns", RATIONALE, FORMATS, Place(path))
        return header, [_row(header, line, commas=between != ",") for line in lines]
    except csv.Error as error:
        raise DataError(f"this is not a CSV file: {error}", RATIONALE, FORMATS, Place(path)) from None


def _delimiter(text: str) -> str:
    """The character between columns, from the first line: the one of comma, semicolon and tab that is there most."""
    first = text[: 2**20].partition("\n")[0]
    return max(",;\t", key=first.count)


def _row(header: Sequence[str], line: Sequence[str], *, commas: bool) -> Row:
    """A line's numbers, and the words that say what they are of; with ``commas`` a number may have a decimal comma,
    which a comma between columns rules out."""
    row: Row = {}
    for name, text in zip(header, line, strict=False):
        value = number_in(_plain(text) if commas else text)
        if value is not None or is_word(text):
            row[name] = text if value is None else value
    return row


def _plain(text: str) -> str:
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text


def _runs(header: Sequence[str]) -> dict[str, dict[str, str]]:
    """The runs of a chart: name of the run -> column -> name of the metric; empty where the table is no chart."""
    runs: dict[str, dict[str, str]] = {}
    for column in header[1:]:
        if BETWEEN not in column or column.endswith(RANGES):
            continue
        run, _, metric = column.rpartition(BETWEEN)
        runs.setdefault(run, {})[column] = metric
    return runs


def _of_chart(path: Path, rows: Sequence[Row], axis: str, columns: Mapping[str, str], run: str) -> Log:
    """The log of one run in a chart. Its axis is the step, whatever that is called, unless it is a time or an epoch:
    then its records are counted."""
    values = [
        (row[axis], {metric: row[column] for column, metric in columns.items() if column in row})
        for row in rows
        if axis in row
    ]
    at = [(place, some) for place, some in values if some]
    if not NO_STEP.search(axis):
        return Log.of(path, CHART, [{"step": place, **some} for place, some in at], title=run)
    epoch = axis.lower().endswith("epoch")
    entries = [
        {"step": count, **({"epoch": place} if epoch else {}), **some} for count, (place, some) in enumerate(at, 1)
    ]
    return Log.of(path, CHART, entries, title=run, notes=(NO_STEPS.format(axis),))


def _single(path: Path, rows: Sequence[Row]) -> list[Row]:
    """The entries of one curve; its name is that of the file, as in ``run-NAME-tag-train_loss.csv``."""
    name = re.split(r"tag-", path.stem)[-1]
    return [{"step": row.get("Step"), name: row.get("Value")} for row in rows]
