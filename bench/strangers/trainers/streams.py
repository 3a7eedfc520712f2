"""Scripts whose rows come as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.strangers.trainers.masked import PadsLabels, by_length, source_of
from bench.strangers.trainers.material import ROWS, Script, alpaca, arguments, gpt2, names


def rows_of(kit: Any) -> list[dict[str, Any]]:
    pairs = [(source_of(row) + "\n", row["output"]) for row in alpaca()[:ROWS]]
    return by_length(kit, pairs, lambda text: kit.tokenizer(text)["input_ids"])


def built(folder: Path, kind: str) -> Any:
    from datasets import Dataset
    from torch.utils.data import IterableDataset
    from transformers import Trainer

    kit = gpt2("<|pad|>")
    rows = rows_of(kit)

    class Once(IterableDataset):  # type: ignore[type-arg]
        """Around a generator: what is read is gone."""

        def __init__(self) -> None:
            self.left = (row for row in rows)

        def __iter__(self) -> Iterator[dict[str, Any]]:
            return self.left

    class Endless(IterableDataset):  # type: ignore[type-arg]
        """Begins again at its end."""

        drawn = 0

        def __iter__(self) -> Iterator[dict[str, Any]]:
            while True:
                for row in rows:
                    Endless.drawn += 1
                    yield row

    made = {"hub": Dataset.from_list(rows).to_iterable_dataset, "once": Once, "endless": Endless}[kind]()
    return Trainer(
        model=kit.model,
        args=arguments(folder, max_steps=12),
        train_dataset=made,
        data_collator=PadsLabels(kit.tokenizer.pad_token_id),
        processing_class=kit.tokenizer,
    )


UNKNOWN = names("batches-order")

SCRIPTS = [
    Script("stream of the datasets library", lambda folder: built(folder, "hub"), skips=UNKNOWN),
    Script(
        "stream that can be read once", lambda folder: built(folder, "once"), skips=names("batches-order labels-none")
    ),
    Script("stream without an end", lambda folder: built(folder, "endless"), skips=UNKNOWN),
]
