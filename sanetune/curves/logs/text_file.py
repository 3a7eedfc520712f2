"""The logs in a file of text: output that a program printed, and tables of losses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sanetune.curves.logs import console, from_scratch, json_files, lines, model_card
from sanetune.curves.logs.decoded import text_of
from sanetune.curves.logs.drawn import copied, drawn
from sanetune.curves.logs.log import RATIONALE, Log
from sanetune.errors import DataError, Place

REMEDY = (
    "Give a log with losses by step: lines {'loss': …} of a Trainer, lines such as `step 10: loss 1.5`, or a table with"
    " the columns Step and Training Loss."
)


def read(path: Path) -> list[Log]:
    """The logs in a file of text.

    Raises:
        DataError: It has no losses, or cannot be read.
    """
    text = text_of(path)
    if found := runs_in(path, text):
        return [from_scratch.by(log, "its output") for log in found] if from_scratch.printed_in(text) else found
    raise DataError("no losses are printed in it", RATIONALE, REMEDY, Place(path))


def runs_in(path: Path, text: str) -> list[Log]:
    """Return the logs in a text, of the first form that is there: what a Trainer printed, tables, other lines.

    Args:
        path: The file that it is from.
        text: All of it, or the output of a notebook's cell.

    Raises:
        DataError: A Trainer printed the summary of a run, and nothing has a loss by step.
    """
    try:
        return console.runs_in(path, text) or _others(path, text)
    except DataError:
        # The summary of a run is below its table, too.
        if found := _others(path, text):
            return found
        raise


def _others(path: Path, text: str) -> list[Log]:
    tables = drawn(path, text) or model_card.tables_in(path, text) or copied(path, text)
    named = zip(tables, console.titles(tables), strict=True)
    read = [replace(log, title=title) for log, title in named]
    return read or json_files.runs_in(path, text) or lines.runs_in(path, text)
