"""Faults of the dataloader: its order, what it leaves out, and how much of it is padding."""

from __future__ import annotations

import random
from typing import Any

from bench.faults.recipes import breaks, builds
from bench.faults.setups import Setup, to_messages
from bench.faults.trainers import Kit

ON = ("demo-demo/plain", "stories-alpaca/rows", "llama3-sharegpt/messages")


@breaks("batches-order", on=("demo-demo", "stories-alpaca", "llama3-gsm8k"))
def sequential_sampler(setup: Setup) -> None:
    """train_sampling_strategy is sequential: the rows come in the order of the file."""
    setup.train["train_sampling_strategy"] = "sequential"


@builds("batches-order", on=ON)
def file_order(setup: Setup, kind: str) -> Kit:
    """A sampler of one's own that does not shuffle."""
    return Kit.of(kind, order=lambda count: list(range(count)))


@builds("batches-order", on=ON)
def drawn_with_replacement(setup: Setup, kind: str) -> Kit:
    """A sampler that draws with replacement: a third of the rows never come."""

    def order(count: int) -> list[int]:
        chance = random.Random(0)
        return [chance.randrange(count) for _ in range(count)]

    return Kit.of(kind, order=order)


@builds("batches-order", on=ON)
def half_of_the_rows(setup: Setup, kind: str) -> Kit:
    """A sampler that was resumed in the middle: the first half never comes."""

    def order(count: int) -> list[int]:
        numbers = list(range(count))
        random.Random(0).shuffle(numbers)
        return numbers[count // 2 :]

    return Kit.of(kind, order=order, num_train_epochs=4)


@breaks("batches-padding", on=("minimind-alpaca", "qwen3-alpaca", "gemma-gsm8k"))
def long_among_short(setup: Setup) -> None:
    """One row in four is a long conversation, and nothing groups rows by length."""
    rows = [to_messages(row, setup.row_format) for row in setup.rows()]
    many = [rows[n : n + 6] for n in range(0, 72, 6)]
    joined = [{"messages": [turn for row in part for turn in row["messages"]]} for part in many]
    setup.as_messages()
    mixed = rows[72:]
    for number, row in enumerate(joined):
        mixed.insert(7 * number, row)
    setup.write(mixed)
    setup.train.update({"train_sampling_strategy": "random", "num_train_epochs": 4})


@builds("batches-padding", on=("demo-demo/plain", "minimind-alpaca/plain", "gemma-gsm8k/rows"))
def padded_to_the_limit(setup: Setup, kind: str) -> Kit:
    """Every row is padded to 512 tokens, as old examples do."""
    from transformers import DataCollatorForSeq2Seq

    def collator(tokenizer: Any) -> Any:
        return DataCollatorForSeq2Seq(tokenizer, padding="max_length", max_length=512)

    return Kit.of(kind, collator=collator)
