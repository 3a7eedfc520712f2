"""The log in the HTML that a Trainer draws in a notebook: a bar, and under it a table of losses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sanetune.curves.logs.entries import number
from sanetune.curves.logs.log import Log
from sanetune.curves.logs.tables import HtmlTables, Row, entries_in, tabbed

KIND = "table that a Hugging Face Trainer drew in a notebook"
BAR = re.compile(r"\[\s*(\d{1,9})/(\d{1,9}) [^\]]{0,80}?(?:Epoch\s+[\d.]+/(\d{1,6}))?\]")
"""The text of a Trainer's bar: steps done and in all, and epochs in all."""
BESIDE = "Where the table shows evaluations, it has beside each the last training loss that was logged until then."


def drawn(path: Path, html: str) -> list[Log]:
    """Return the logs in a text of HTML, one for each table of losses.

    What a Trainer had drawn before it drew the table anew, longer, is left out.

    Args:
        path: The file that it is from.
        html: From a stranger: only the texts in it are read.
    """
    if "<table" not in html:
        return []
    logs: list[Log] = []
    for part in re.split(r"(?<=</table>)", html):
        page = HtmlTables()
        page.feed(part)
        bars = list(BAR.finditer(" ".join(page.texts)))
        for rows in filter(None, map(entries_in, page.tables)):
            log = _log(path, rows, bars[-1] if bars else None)
            if logs and log.entries[: len(logs[-1].entries)] == logs[-1].entries:
                logs.pop()
            logs.append(log)
    return logs


def copied(path: Path, text: str) -> list[Log]:
    """Return the logs in tables that were copied from a notebook, with tabs between the columns.

    Args:
        path: The file that it is from.
        text: All of it, maybe with the text of the bar above a table.
    """
    bars = list(BAR.finditer(text))
    found = [rows for table in tabbed(text) if (rows := entries_in(table))]
    # Of several tables it is not known which bar is whose.
    bar = bars[0] if len(bars) == len(found) == 1 else None
    return [_log(path, rows, bar) for rows in found]


def _log(path: Path, rows: Sequence[Row], bar: re.Match[str] | None) -> Log:
    notes = (BESIDE,) if any("eval_loss" in row for row in rows) else ()
    if bar is None:
        return Log.of(path, KIND, rows, notes=notes)
    reached, planned = int(bar[1]), int(bar[2])
    if bar[3] and not any("step" in row for row in rows):
        rows = [_at_step(row, planned / max(1, int(bar[3]))) for row in rows]
    # A bar may have been saved one update ahead of the last step.
    return replace(Log.of(path, KIND, rows, total_steps=planned, notes=notes), reached=min(reached, planned))


def _at_step(row: Mapping[str, object], steps_per_epoch: float) -> Row:
    epoch = number(row.get("epoch"))
    return {**row, "step": round(epoch * steps_per_epoch)} if epoch is not None else row
