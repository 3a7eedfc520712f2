"""Batches carry ids and labels unchanged; only padding is added, and it is never in the loss."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.data.collator import Collator

PAD = 9
row = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=12).map(
    lambda tokens: {"input_ids": [t for t, _ in tokens], "labels": [t if in_loss else -100 for t, in_loss in tokens]}
)


@settings(deadline=None)
@given(st.lists(row, min_size=1, max_size=5))
def test_padding_adds_no_tokens_in_the_loss_and_hides_no_real_token(rows: list[dict[str, Any]]) -> None:
    """Real tokens equal to the pad token stay visible and in the loss: padding is known by its position."""
    batch = Collator(PAD)(rows)
    for index, one in enumerate(rows):
        size = len(one["input_ids"])
        assert batch["input_ids"][index, :size].tolist() == one["input_ids"]
        assert batch["labels"][index].tolist() == one["labels"] + [-100] * (batch["labels"].shape[1] - size)
        assert batch["attention_mask"][index].tolist() == [1] * size + [0] * (batch["labels"].shape[1] - size)


@settings(deadline=None)
@given(st.lists(st.lists(row, min_size=1, max_size=4), min_size=1, max_size=4))
def test_positions_of_packs_restart_with_each_document(packs: list[list[dict[str, Any]]]) -> None:
    rows = [
        {
            "input_ids": [token for one in pack for token in one["input_ids"]],
            "labels": [label for one in pack for label in one["labels"]],
            "seq_lengths": [len(one["input_ids"]) for one in pack],
        }
        for pack in packs
    ]
    batch = Collator(PAD, packed=True)(rows)
    assert "attention_mask" not in batch
    for index, pack in enumerate(packs):
        expected = [position for one in pack for position in range(len(one["input_ids"]))]
        positions = batch["position_ids"][index].tolist()
        assert positions[: len(expected)] == expected
        assert positions[len(expected) :] == list(range(len(positions) - len(expected)))
    flat = Collator(PAD, packed=True, flatten=True)(rows)
    assert flat["input_ids"].shape == (1, sum(len(row["input_ids"]) for row in rows))
    assert torch.equal(flat["labels"][0], torch.tensor([label for row in rows for label in row["labels"]]))
