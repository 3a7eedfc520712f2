"""A batch that is not laid out as the collator does it is computed as it is, and not read as documents."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sanetune.data.collator import Collator
from sanetune.engine.documents.batch_loss import DocumentLoss
from sanetune.engine.documents.forward import documents_of
from sanetune.engine.documents.grouping import grouped
from sanetune.engine.loss import summed_loss
from tests.engine.documents.test_batch_loss import model_of, packed, rows_of

Batch = dict[str, Tensor]


def padded() -> Batch:
    return Collator(0)(rows_of(4))


def left_padded() -> Batch:
    batch = padded()
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    return {
        name: torch.stack([row.roll(-length) for row, length in zip(column, lengths, strict=True)])
        for name, column in batch.items()
    }


def with_holes() -> Batch:
    batch = padded()
    batch["attention_mask"][:, 3:5] = 0
    return batch


def with_labels_in_the_padding() -> Batch:
    batch = padded()
    batch["labels"][batch["attention_mask"] == 0] = 5
    return batch


def with_positions_from_two() -> Batch:
    batch = packed(rows_of(4))
    batch["position_ids"] += 2
    return batch


def with_positions_that_jump() -> Batch:
    batch = packed(rows_of(4))
    batch["position_ids"][batch["position_ids"] > 3] += 5
    return batch


def with_rows_and_positions() -> Batch:
    batch = padded()
    return batch | {"position_ids": torch.arange(batch["labels"].shape[1]).expand_as(batch["labels"]) + 7}


OTHER = [
    left_padded, with_holes, with_labels_in_the_padding, with_positions_from_two, with_positions_that_jump,
    with_rows_and_positions,
]  # fmt: skip


@pytest.mark.parametrize("made", OTHER)
def test_other_batches_have_the_loss_of_the_model_itself(made: Callable[[], Batch]) -> None:
    batch, model = made(), model_of("llama")
    inputs = {name: column for name, column in batch.items() if name != "labels"}
    with torch.no_grad():
        expected, tokens = summed_loss(model(**inputs, use_cache=False).logits, batch["labels"])
        loss = DocumentLoss(model)
        with loss.step():
            found, count = loss(batch)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    assert int(count) == int(tokens)
    assert documents_of(batch) == []


@pytest.mark.parametrize("made", OTHER)
def test_other_batches_are_not_regrouped(made: Callable[[], Batch]) -> None:
    batches = [made(), made()]
    assert all(one is other for one, other in zip(grouped(batches, 0), batches, strict=True))


def test_a_column_that_nobody_knows_reaches_the_model() -> None:
    batch, model, seen = padded() | {"sorts": torch.ones(8)}, model_of("llama"), []
    model.register_forward_pre_hook(lambda _, args, inputs: seen.append(inputs.pop("sorts")), with_kwargs=True)
    with torch.no_grad(), (loss := DocumentLoss(model)).step():
        loss(batch)
    assert [one.tolist() for one in seen] == [[1.0] * 8]


def test_rows_and_packs_of_the_collator_are_read_as_documents() -> None:
    rows = rows_of(4)
    expected = sorted((row["input_ids"], row["labels"]) for row in rows)
    for batch in (padded(), packed(rows)):
        assert sorted((one.ids, one.labels) for one in documents_of(batch)) == expected
    alone = {name: torch.tensor([rows[0][name]]) for name in ("input_ids", "labels")}
    assert [(one.ids, one.labels) for one in documents_of(alone)] == [(rows[0]["input_ids"], rows[0]["labels"])]
