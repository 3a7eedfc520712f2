"""The table of training results in a model card, as transformers' Trainer writes it where it evaluates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sanetune.curves.logs import console
from sanetune.curves.logs.decoded import text_of
from sanetune.curves.logs.drawn import drawn
from sanetune.curves.logs.entries import number
from sanetune.curves.logs.log import RATIONALE, Log, number_in
from sanetune.curves.logs.tables import Row, entries_in
from sanetune.errors import DataError, Place

NAME = "README.md"
KIND = "table of training results in a model card"
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
SAME = frozenset({"learning_rate", "gradient_accumulation_steps", "lr_scheduler_type", "seed", "weight_decay"})


def read(path: Path) -> list[Log]:
    """The logs in a Markdown file: its tables of losses, or else what a Trainer drew or printed, as in a notebook that
    was turned into Markdown.

    Raises:
        DataError: It has neither, or cannot be read.
    """
    text = text_of(path)
    tables, items = _parsed(text)
    found = [rows for table in tables if (rows := entries_in(table))]
    if not found:
        if others := _numbered(drawn(path, text)) or console.runs_in(path, text):
            return others
        remedy = (
            "Give the trainer_state.json of the same run: a Trainer writes this table only where it evaluates while it"
            " trains."
        )
        raise DataError("this file has no table of losses by step or epoch", RATIONALE, remedy, Place(path))
    arguments = _arguments(items)
    return _numbered([_log(path, rows, arguments) for rows in found])


def _numbered(logs: Sequence[Log]) -> list[Log]:
    return [replace(log, title=title) for log, title in zip(logs, console.titles(logs), strict=True)]


def _log(path: Path, rows: Sequence[Row], arguments: Mapping[str, object]) -> Log:
    log = Log.of(path, KIND, rows, total_steps=_planned(rows, arguments), notes=(BESIDE,))
    return replace(log, arguments=arguments)


def _planned(rows: Sequence[Row], arguments: Mapping[str, object]) -> int | None:
    """The planned steps, by the arguments and the epoch of the last line."""
    steps, epochs = number(arguments.get("max_steps")), number(arguments.get("num_train_epochs"))
    if steps is not None:
        return int(steps) if steps > 0 else None
    last, epoch = (number(rows[-1].get(name)) for name in ("step", "epoch"))
    if epochs is None or not last or not epoch or not 0 < epochs < 1e6:
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
