"""Batches are made small for large models on a processor only, and what is kept is as it was."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sanetune.data.collator import Collator
from sanetune.engine.batches import Batch, TrainerBatch
from sanetune.probes.cut_batches import FEWEST, WORK, cut, most_tokens

PAD = 9


def padded(lengths: list[int], prompts: list[int]) -> Batch:
    rows = [
        {"input_ids": list(range(length)), "labels": [-100] * prompt + list(range(prompt, length))}
        for length, prompt in zip(lengths, prompts, strict=True)
    ]
    return Collator(PAD)(rows)


def test_small_models_and_gpus_keep_their_batches() -> None:
    assert most_tokens(nn.Linear(10, 10), torch.device("cuda")) is None
    assert most_tokens(nn.Linear(10, 10), torch.device("cpu")) == WORK // 110
    with torch.device("meta"):
        assert most_tokens(nn.Linear(2**20, 2**20), torch.device("cpu")) == FEWEST
    batch = padded([5, 7], [1, 2])
    assert cut(batch, None) is batch
    assert cut(batch, 14) is batch


def test_a_batch_of_another_trainer_stays_whole() -> None:
    batch = TrainerBatch(padded([50, 70], [1, 2]), {})
    assert cut(batch, 10) is batch


@given(st.lists(st.tuples(st.integers(2, 40), st.integers(0, 40)), min_size=1, max_size=8), st.integers(1, 200))
def test_kept_rows_are_whole_and_unchanged(shapes: list[tuple[int, int]], most: int) -> None:
    lengths = [length for length, _ in shapes]
    batch = padded(lengths, [min(prompt, length) for length, prompt in shapes])
    kept = cut(batch, most)
    if kept is batch:
        return
    width = kept["input_ids"].shape[1]
    assert kept["input_ids"].numel() <= most or len(kept["input_ids"]) == 1
    assert bool((kept["labels"][:, 1:] != -100).any(dim=1).all())
    assert bool(kept["attention_mask"][:, -1].any())
    whole = [row.tolist() for row in batch["labels"]]
    for labels, mask in zip(kept["labels"], kept["attention_mask"], strict=True):
        same = [row for row in whole if row[:width] == labels.tolist() and set(row[width:]) <= {-100}]
        assert same
        assert int(mask.sum()) in lengths


def test_rows_without_a_token_in_the_loss_are_left_out() -> None:
    kept = cut(padded([10, 10, 10], [10, 3, 3]), 12)
    assert kept["labels"].tolist() == [[-100] * 3 + list(range(3, 10))]


def test_where_nothing_is_in_the_loss_the_batch_stays() -> None:
    batch = padded([10, 10], [10, 10])
    assert cut(batch, 5) is batch


@pytest.mark.parametrize(("most", "tokens"), [(5, 12), (12, 12), (19, 12), (20, 20), (29, 20)])
def test_a_pack_keeps_whole_documents_and_two_at_least(most: int, tokens: int) -> None:
    documents = [6, 6, 8, 10]
    ids = list(range(sum(documents)))
    batch = Collator(PAD, packed=True)([{"input_ids": ids, "labels": ids, "seq_lengths": documents}])
    kept = cut(batch, most)
    assert kept["input_ids"].tolist() == [ids[:tokens]]
    assert kept["position_ids"].shape == kept["input_ids"].shape
