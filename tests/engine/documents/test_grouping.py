from __future__ import annotations

import torch

from sanetune.data.collator import Collator
from sanetune.engine.documents.grouping import grouped

PAD = 0


def row(first: int, last: int, length: int = 30) -> dict[str, list[int]]:
    ids = [first] * length + [last]
    return {"input_ids": ids, "labels": [-100] * length + [last]}


def rows_of(batch: dict[str, torch.Tensor]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    found = zip(batch["input_ids"].tolist(), batch["labels"].tolist(), batch["attention_mask"].tolist(), strict=True)
    return [(tuple(ids[: sum(mask)]), tuple(labels[: sum(mask)])) for ids, labels, mask in found]


def test_rows_that_begin_alike_come_into_one_micro_batch() -> None:
    collate = Collator(PAD)
    batches = [collate([row(5, 1), row(7, 1)]), collate([row(7, 2), row(5, 2, 40), row(5, 3)])]
    after = grouped(batches, PAD)
    assert sorted(some for batch in after for some in rows_of(batch)) == sorted(
        some for batch in batches for some in rows_of(batch)
    )
    assert [len(batch["input_ids"]) for batch in after] == [2, 3]
    assert [{ids[0] for ids, _ in rows_of(batch)} for batch in after] == [{5}, {5, 7}]


def test_rows_that_begin_apart_stay_where_they_are() -> None:
    batches = [Collator(PAD)([row(9, 1, 4), row(7, 1, 4)]), Collator(PAD)([row(7, 2, 4), row(9, 2, 4)])]
    after = grouped(batches, PAD)
    assert all(one is other for one, other in zip(after, batches, strict=True))


def test_packs_stay_where_they_are() -> None:
    pack = {name: values * 2 for name, values in row(5, 1).items()} | {"seq_lengths": [31, 31]}
    batches = [Collator(PAD, packed=True)([pack])] * 2
    assert grouped(batches, PAD) == batches
