"""The log in the HTML that a Trainer draws in a notebook: a bar, and under it a table of losses."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sanetune.curves.logs.entries import number
from sanetune.curves.logs.log import Log
from sanetune.curves.logs.plans import Plan, plans_in
from sanetune.curves.logs.tables import HtmlTables, Row, entries_in, tabbed

KIND = "table that a Hugging Face Trainer drew in a notebook"
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
        plans = plans_in(" ".join(page.texts))
        for rows in filter(None, map(entries_in, page.tables)):
            log = _log(path, rows, plans[-1] if plans else None)
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
    plans = plans_in(text)
    found = [rows for table in tabbed(text) if (rows := entries_in(table))]
    # Of several tables it is not known which plan is whose.
    plan = plans[0] if len(plans) == len(found) == 1 else None
    return [_log(path, rows, plan) for rows in found]


def _log(path: Path, rows: Sequence[Row], plan: Plan | None) -> Log:
    evaluated = any("eval_loss" in row for row in rows)
    notes = (BESIDE,) if evaluated else ()
    if plan is None:
        return replace(Log.of(path, KIND, rows, notes=notes), sampled=evaluated)
    if plan.per_epoch:
        rows = [_with_both(row, plan.per_epoch) for row in rows]
    log = Log.of(path, KIND, rows, total_steps=plan.steps, notes=notes)
    return replace(log, reached=plan.reached, sampled=evaluated)


def _with_both(row: Mapping[str, object], steps_per_epoch: float) -> Row:
    """A line with its step and its epoch, where it has one of them."""
    step, epoch = number(row.get("step")), number(row.get("epoch"))
    if not all(math.isfinite(one) for one in (step, epoch) if one is not None):
        return row
    if step is None and epoch is not None:
        return {**row, "step": round(epoch * steps_per_epoch)}
    return {**row, "epoch": step / steps_per_epoch} if epoch is None and step is not None else row
