"""Logits kept on a processor equal TRL's tiles: values, gradients, and zero where no token is in the loss."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from sanetune.engine.trl import logits
from sanetune.engine.trl.logits import keep_logits

VOCABULARY = 61


def llama() -> Any:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, tie_word_embeddings=True, **sizes))


def gpt2() -> Any:
    off = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=64, **off))


def capped() -> Any:
    """Gemma 2 squeezes its logits, which TRL's tiles have to repeat by hand."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    more = {"num_key_value_heads": 1, "head_dim": 8, "final_logit_softcapping": 0.5}
    return Gemma2ForCausalLM(Gemma2Config(vocab_size=VOCABULARY, **sizes, **more))


def both(build: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    tiled = build().train()
    kept = copy.deepcopy(tiled)
    for model in (tiled, kept):
        add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    keep_logits(kept)
    return tiled, kept


def batch(with_labels: bool = True) -> dict[str, torch.Tensor]:
    """Three rows of 12 tokens: a part of the first is in the loss, two parts of the second, nothing of the third."""
    ids = torch.randint(0, VOCABULARY, (3, 12), generator=torch.Generator().manual_seed(1))
    labels = torch.full_like(ids, -100)
    if with_labels:
        labels[0, 5:9], labels[1, 2:4], labels[1, 8:] = ids[0, 5:9], ids[1, 2:4], ids[1, 8:]
    return {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}


def taken(model: Any, some: dict[str, torch.Tensor]) -> tuple[Any, dict[str, torch.Tensor]]:
    out = model(**some, fused_lm_head=True, use_cache=False)
    (-out.log_probs.sum() / 7).backward()
    return out, {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("build", [llama, gpt2, capped])
def test_values_and_gradients_are_those_of_trls_tiles(build: Any) -> None:
    tiled, kept = both(build)
    theirs, their_gradients = taken(tiled, batch())
    ours, our_gradients = taken(kept, batch())
    for name in ("log_probs", "entropy", "is_top1", "label_mask", "loss"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=1e-5, rtol=1e-5)
    assert ours.log_probs.shape == (3, 11) and ours.label_mask.sum() == 10
    assert our_gradients.keys() == their_gradients.keys()
    for name, gradient in our_gradients.items():
        torch.testing.assert_close(gradient, their_gradients[name], atol=1e-6, rtol=1e-4)
    assert sum(float(gradient.norm()) for gradient in our_gradients.values()) > 0.01


def test_a_batch_with_no_tokens_in_the_loss_has_gradients_of_zero() -> None:
    _, kept = both(llama)
    out, gradients = taken(kept, batch(with_labels=False))
    assert out.log_probs.abs().sum() == 0 and out.label_mask.sum() == 0
    assert gradients and all(gradient.abs().sum() == 0 for gradient in gradients.values())


def test_a_batch_too_large_to_keep_goes_through_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    _, kept = both(llama)
    calls: list[int] = []
    ours = logits.judged
    monkeypatch.setattr(logits, "judged", lambda *given: calls.append(1) or ours(*given))
    small, _ = taken(kept, batch())
    monkeypatch.setattr(logits, "MOST", 3 * 12 * VOCABULARY - 1)
    large, _ = taken(kept, batch())
    assert len(calls) == 1
    torch.testing.assert_close(small.log_probs, large.log_probs, atol=1e-5, rtol=1e-5)


def test_without_the_fused_head_the_model_is_as_it_was() -> None:
    _, kept = both(llama)
    assert kept(input_ids=batch()["input_ids"]).logits.shape == (3, 12, VOCABULARY)


def test_a_token_that_can_never_come_makes_no_loss_of_nothing() -> None:
    """Some models give padding of the vocabulary a logit of minus infinity."""
    tiled, kept = both(gpt2)
    for model in (tiled, kept):
        model.lm_head.bias = torch.nn.Parameter(torch.zeros(VOCABULARY))
        with torch.no_grad():
            model.lm_head.bias[0] = -math.inf
    some = batch()
    some["input_ids"].clamp_(min=1)
    some["labels"][some["labels"] == 0] = 1
    ours, _ = taken(kept, some)
    assert torch.isfinite(ours.log_probs).all() and torch.isfinite(ours.entropy).all()
    torch.testing.assert_close(ours.log_probs, tiled(**some, fused_lm_head=True).log_probs, atol=1e-5, rtol=1e-5)
