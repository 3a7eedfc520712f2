"""Packing, padding and accumulation change nothing about the loss; an independent computation gives the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

import sanetune
from sanetune.engine.batches import collate_for
from sanetune.engine.loss import batch_loss, measure
from sanetune.engine.models import attention_of

Prepare = Callable[..., Any]


@pytest.fixture
def prepared(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))

    def make(**train: Any) -> Any:
        return sanetune.prepare(
            {
                "model": {"name": str(shared / "models/stories260k"), "chat_template": "chatml"},
                "data": {
                    "train": str(shared / "data/alpaca/instruction-data.json"),
                    "max_examples": 24,
                    "holdout": 0,
                },
                "train": {"max_length": 400, **train},
            }
        )

    return make


def stories(shared: Path, size: int) -> Any:
    model = AutoModelForCausalLM.from_pretrained(str(shared / "models/stories260k"), dtype=torch.float32)
    model.resize_token_embeddings(size)
    return model


def qwen3(shared: Path, size: int) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 16}
    return Qwen3ForCausalLM(Qwen3Config(vocab_size=size, num_attention_heads=2, num_key_value_heads=1, **sizes))


def gpt2(shared: Path, size: int) -> Any:
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=512, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
        )
    )


def loss_and_gradients(model: Any, groups: list[list[dict[str, Any]]], pad: int) -> tuple[float, dict[str, Any]]:
    """One effective batch given as micro-batches, through the engine's collator and loss."""
    model = copy.deepcopy(model).train()
    loss = batch_loss(model, [collate_for(pad)(group) for group in groups])
    loss.backward()
    return float(loss), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def by_hand(model: Any, rows: list[dict[str, Any]]) -> float:
    """Each row alone, no padding and no mask; the sum over tokens in the loss of -log p, divided by their number."""
    total, count = 0.0, 0
    for row in rows:
        logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0].double()
        logs = logits - logits.logsumexp(-1, keepdim=True)
        for at, label in enumerate(row["labels"]):
            if label != -100:
                assert at > 0
                total, count = total - float(logs[at - 1, label]), count + 1
    return total / count


def same(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for name, gradient in left.items():
        assert torch.allclose(gradient, right[name], atol=1e-5, rtol=1e-3), name
    assert sum(float(gradient.norm()) for gradient in left.values()) > 0


@pytest.mark.parametrize("build", [stories, qwen3, gpt2])
def test_packed_and_padded_rows_give_the_same_loss_and_gradients(prepared: Prepare, shared: Path, build: Any) -> None:
    plain, packed = prepared(), prepared(packing=True)
    model, pad = build(shared, len(plain.tokenizer)), plain.tokenizer.pad_token_id
    rows, packs = list(plain.train), list(packed.train)
    assert 1 < len(packs) < len(rows)
    padded_loss, padded_gradients = loss_and_gradients(model, [rows], pad)
    packed_loss, packed_gradients = loss_and_gradients(model, [packs], pad)
    assert packed_loss == pytest.approx(padded_loss, abs=1e-4)
    same(padded_gradients, packed_gradients)
    with torch.no_grad():
        assert padded_loss == pytest.approx(by_hand(model.eval(), rows), abs=1e-4)


@pytest.mark.parametrize("size", [1, 4, 8])
def test_accumulated_batches_are_one_batch(prepared: Prepare, shared: Path, size: int) -> None:
    data = prepared()
    model, pad = stories(shared, len(data.tokenizer)), data.tokenizer.pad_token_id
    rows = list(data.train)[:8]
    whole = loss_and_gradients(model, [rows], pad)
    parts = loss_and_gradients(model, [rows[i : i + size] for i in range(0, 8, size)], pad)
    assert parts[0] == pytest.approx(whole[0], abs=1e-5)
    same(whole[1], parts[1])


@pytest.mark.parametrize("batch_size", [1, 5, 24])
def test_the_measured_loss_is_the_one_computed_by_hand(prepared: Prepare, shared: Path, batch_size: int) -> None:
    data = prepared()
    model = stories(shared, len(data.tokenizer)).eval()
    measured = measure(model, data.train, collate_for(data.tokenizer.pad_token_id), batch_size=batch_size)
    with torch.no_grad():
        assert measured.loss == pytest.approx(by_hand(model, list(data.train)), abs=1e-4)


def test_the_first_logged_training_loss_is_the_one_computed_by_hand(
    prepared: Prepare, shared: Path, tmp_path: Path
) -> None:
    """One step over all rows, in three micro-batches: what the trainer logs is the loss of the untrained model."""
    trained = sanetune.train(
        {
            "model": {"name": str(shared / "models/stories260k"), "chat_template": "chatml"},
            "data": {
                "train": str(shared / "data/alpaca/instruction-data.json"),
                "max_examples": 24,
                "holdout": 0,
            },
            "train": {
                "max_length": 400, "max_steps": 1, "per_device_train_batch_size": 8,
                "gradient_accumulation_steps": 3, "logging_steps": 1, "learning_rate": 1e-3, "warmup_steps": 0,
            },
            "run": {"output_dir": str(tmp_path / "run"), "trackers": []},
        },
        unchecked="one step, compared with one by hand",
    )  # fmt: skip
    data = prepared()
    torch.manual_seed(trained.plan.config.train.given["seed"])
    base = stories(shared, len(data.tokenizer)).eval()
    # The two new rows of the embedding are drawn at random, and the softmax sees them.
    with torch.no_grad():
        expected = by_hand(base, list(data.train))
    first = next(record for record in trained.outcome.records if record.kind == "train")
    assert first.step == 1
    assert first.grad_norm is not None and first.grad_norm > 0
    assert first.loss == pytest.approx(expected, abs=5e-2)


def test_packs_are_flattened_for_flash_attention_only() -> None:
    """Its variable-length kernels read where documents end from one row of positions."""
    packs = [{"input_ids": [1, 2, 3], "labels": [1, 2, 3], "seq_lengths": [2, 1]}, PACK]
    for attention in ("sdpa", "eager", "flex_attention", ""):
        assert collate_for(0, attention)(packs)["input_ids"].shape == (2, 4)
    for attention in ("flash_attention_2", "flash_attention_3", "kernels-community/flash-attn"):
        batch = collate_for(0, attention)(packs)
        assert batch["position_ids"].tolist() == [[0, 1, 0, 0, 1, 2, 3]]


def test_the_attention_that_counts_is_the_one_the_model_runs_with(shared: Path) -> None:
    assert attention_of(stories(shared, 512)) == "sdpa"
    model = stories(shared, 512)
    model.set_attn_implementation("eager")
    assert attention_of(model) == "eager"


PACK = {"input_ids": [4, 5, 6, 7], "labels": [4, 5, 6, 7], "seq_lengths": [4]}
