"""How many tokens a step computes on each data set, without training: padded, useful, and with shared beginnings.

And how many products of numbers that saves: TRL multiplies every token of its batches with every weight eight times
(forward, again for the backward pass, and two gradients, of two operations each), ours the computed ones six times, the
head's weights those in the loss alone. That is the ratio of the times where both multiply equally fast and do nothing
else; attention is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from bench.throughput.rows import DATA
from bench.throughput.systems import BATCH

ROWS = 64
COLUMNS = ("data", "tokens of a row", "in the loss", "padded batches", "rows", "beginnings once", "of the rows",
           "products of TRL", "of TRL packed")  # fmt: skip


def count(model: str, names: Sequence[str]) -> tuple[list[list[str]], dict[str, Any]]:
    """The rows of the table, and its figures: tokens of batches of eight rows."""
    from transformers import AutoTokenizer

    from sanetune.engine.documents.tree import prefix_tree

    tokenizer = AutoTokenizer.from_pretrained(model)
    layers, head = weights_of(model)
    rows, figures = [], {}
    for name in names:
        some = list(islice(DATA[name](tokenizer), ROWS))
        batches = [some[start : start + BATCH] for start in range(0, len(some), BATCH)]
        lengths = [[len(row["input_ids"]) for row in batch] for batch in batches]
        useful = sum(map(sum, lengths))
        padded = sum(max(each) * len(each) for each in lengths)
        in_loss = sum(label != -100 for row in some for label in row["labels"][1:])
        # Every row of these ends in the loss, and what it ends with predicts nothing.
        computed = sum(len(prefix_tree([row["input_ids"][:-1] for row in batch]).ids) for batch in batches)
        ours = 6 * (layers * computed + head * in_loss)
        theirs = [8 * (layers + head) * tokens / ours for tokens in (padded, useful)]
        figures[name] = {
            "useful": useful,
            "padded": padded,
            "computed": computed,
            "in_loss": in_loss,
            "rows": len(some),
            "products": theirs,
        }
        rows.append(
            [name, f"{useful / len(some):.0f}", f"{in_loss / len(some):.0f}", f"{padded:,}", f"{useful:,}",
             f"{computed:,}", f"{computed / useful:.0%}", *(f"{ratio:.2f} x ours" for ratio in theirs)]
        )  # fmt: skip
    return rows, figures


def weights_of(model: str) -> tuple[int, int]:
    """Weights that every token is multiplied with, and those of the head."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model))
    head = made.get_output_embeddings().weight
    tables = {id(head): head.numel(), id(table := made.get_input_embeddings().weight): table.numel()}
    return sum(weight.numel() for weight in made.parameters()) - sum(tables.values()), head.numel()
