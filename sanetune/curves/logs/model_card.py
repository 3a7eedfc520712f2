"""The table of training results in a model card, as transformers' Trainer writes it where it evaluates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sanetune.curves.logs.entries import MOST_STEPS, number
from sanetune.curves.logs.log import Log, number_in
from sanetune.curves.logs.tables import Row, entries_in

NAME = "README.md"
KIND = "Markdown table of losses"
BESIDE = (
    "The table shows evaluations, and beside each the last training loss that was logged until then: gradient norms,"
    " learning rates and all other training losses are not in it."
)
ARGUMENTS = {
    "num_epochs": "num_train_epochs",
    "training_steps": "max_steps",
    "train_batch_size": "per_device_train_batch_size",
    "eval_batch_size": "per_device_eval_batch_size",
    "lr_scheduler_warmup_steps": "warmup_steps",
    "lr_scheduler_warmup_ratio": "warmup_ratio",
}
"""A name in the card -> the argument of transformers. The others have the names of their arguments."""
RULE = re.compile(r"^[ \t>]{0,20}\|?[ \t]{0,20}:?-{2,80}:?[ \t]{0,20}\|", re.MULTILINE)
"""The line below the header of a table, without which a long output is not parsed."""
SAME = frozenset({"learning_rate", "gradient_accumulation_steps", "lr_scheduler_type", "seed", "weight_decay"})


def tables_in(path: Path, text: str) -> list[Log]:
    """Return the log in each Markdown table of losses.

    Args:
        path: The file that it is from.
        text: All of it.
    """
    if not RULE.search(text):
        return []
    tables, items = _parsed(text)
    arguments = _arguments(items)
    return [_log(path, rows, arguments) for table in tables if (rows := entries_in(table))]


def _log(path: Path, rows: Sequence[Row], arguments: Mapping[str, object]) -> Log:
    notes = (BESIDE,) if any("eval_loss" in row for row in rows) else ()
    log = Log.of(path, KIND, rows, total_steps=_planned(rows, arguments), notes=notes)
    return replace(log, arguments=arguments, sampled=bool(notes))


def _planned(rows: Sequence[Row], arguments: Mapping[str, object]) -> int | None:
    """The planned steps, by the arguments and the epoch of the last line."""
    steps, epochs = number(arguments.get("max_steps")), number(arguments.get("num_train_epochs"))
    if steps is not None:
        return int(steps) if 0 < steps < MOST_STEPS else None
    last, epoch = (number(rows[-1].get(name)) for name in ("step", "epoch"))
    if not (epochs and last and epoch) or not all(0 < one < MOST_STEPS for one in (epochs, last, epoch)):
        return None
    if epochs * last / epoch >= MOST_STEPS:
        return None
    # The epoch has two digits: at the end of a run, that of the table is more exact.
    return int(last) if epoch >= epochs else max(round(epochs * last / epoch), int(last))


def _arguments(items: Sequence[str]) -> dict[str, object]:
    """The arguments of the Trainer among the items of a card's lists (``learning_rate: 2e-05``)."""
    found: dict[str, object] = {}
    for item in items:
        name, colon, text = (part.strip() for part in item.partition(":"))
        if colon and (name in SAME or name in ARGUMENTS):
            value = number_in(text)
            found[ARGUMENTS.get(name, name)] = text if value is None else value
    return found


def _parsed(text: str) -> tuple[list[list[list[str]]], list[str]]:
    """The tables of a Markdown text, by line and column, and the items of its lists."""
    from markdown_it import MarkdownIt

    tables: list[list[list[str]]] = []
    items: list[str] = []
    in_table = False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        match token.type:
            case "table_open" | "table_close":
                in_table = token.type == "table_open"
                tables += [[]] if in_table else []
            case "tr_open":
                tables[-1].append([])
            case "inline" if in_table:
                tables[-1][-1].append(token.content)
            case "inline":
                items += token.content.split("\n")
    return tables, items
