"""How many tokens a step computes on each data set, without training: padded, useful, and with shared beginnings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from bench.throughput.rows import DATA
from bench.throughput.systems import BATCH

ROWS = 64
COLUMNS = ("data", "tokens of a row", "in the loss", "padded batches", "rows", "beginnings once", "of the rows")


def count(model: str, names: Sequence[str]) -> tuple[list[list[str]], dict[str, Any]]:
    """The rows of the table, and its figures: tokens of batches of eight rows."""
    from transformers import AutoTokenizer

    from sanetune.engine.documents.tree import prefix_tree

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows, figures = [], {}
    for name in names:
        some = list(islice(DATA[name](tokenizer), ROWS))
        batches = [some[start : start + BATCH] for start in range(0, len(some), BATCH)]
        lengths = [[len(row["input_ids"]) for row in batch] for batch in batches]
        useful = sum(map(sum, lengths))
        padded = sum(max(each) * len(each) for each in lengths)
        in_loss = sum(label != -100 for row in some for label in row["labels"][1:])
        computed = sum(len(prefix_tree([row["input_ids"] for row in batch]).ids) for batch in batches)
        figures[name] = {
            "useful": useful,
            "padded": padded,
            "computed": computed,
            "in_loss": in_loss,
            "rows": len(some),
        }
        rows.append(
            [name, f"{useful / len(some):.0f}", f"{in_loss / len(some):.0f}", f"{padded:,}", f"{useful:,}",
             f"{computed:,}", f"{computed / useful:.0%}"]
        )  # fmt: skip
    return rows, figures
