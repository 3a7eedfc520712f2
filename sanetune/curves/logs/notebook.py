"""The losses in the outputs of a Jupyter notebook: the table that a Trainer draws there, or what was printed.

A notebook is untrusted: nothing in it is run, and of its HTML only texts are read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sanetune.curves.logs import console, text_file
from sanetune.curves.logs.drawn import drawn
from sanetune.curves.logs.json_files import loaded
from sanetune.curves.logs.log import RATIONALE, Log
from sanetune.errors import DataError, Place


def read(path: Path) -> list[Log]:
    """The logs in a notebook, one for each table of losses or printed run, by cell.

    Raises:
        DataError: No output has a loss, or the file is no notebook.
    """
    notebook = loaded(path)
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise DataError("this is no notebook: it has no cells", RATIONALE, "Give a .ipynb file.", Place(path))
    found: dict[str, list[Log]] = {}
    refused: list[DataError] = []
    for at, cell in enumerate(cells, 1):
        try:
            found[f"cell {at}"] = _in_cell(path, cell)
        except DataError as error:  # the summary of a run alone, below or above the cell with its table
            refused.append(error)
    logs = [log for cell, some in found.items() for log in _titled(cell, some)]
    if not logs and refused:
        raise refused[0]
    if not logs:
        remedy = "Give a notebook that was saved with its outputs, or the trainer_state.json of the run."
        raise DataError("no output of this notebook has a loss by step", RATIONALE, remedy, Place(path))
    return logs if len(logs) > 1 else [replace(logs[0], title="")]


def _in_cell(path: Path, cell: object) -> list[Log]:
    outputs = cell.get("outputs") if isinstance(cell, dict) else None
    some = [one for one in outputs if isinstance(one, dict)] if isinstance(outputs, list) else []
    tables = drawn(path, "".join(_text(one.get("data"), "text/html") for one in some))
    return tables or text_file.runs_in(path, "".join(_text(one, "text") for one in some))


def _titled(cell: str, logs: list[Log]) -> list[Log]:
    """The logs of a cell, each by its name."""
    return [
        replace(log, title=f"{cell}, {title}" if title else cell)
        for log, title in zip(logs, console.titles(logs), strict=True)
    ]


def _text(output: object, name: str) -> str:
    """A text of an output; notebooks keep it whole or in lines."""
    value = output.get(name) if isinstance(output, dict) else None
    lines = value if isinstance(value, list) else [value]
    return "".join(line for line in lines if isinstance(line, str))
