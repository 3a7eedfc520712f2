"""FLOPs of a token, compared with torch's own counter; published and measured FLOPs per second."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sanetune.probes.device_speed import Work, matmul_flops_per_second, work_of


def llama(tied: bool = False) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4}
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=512, tie_word_embeddings=tied, attn_implementation="eager", **sizes))


def lora(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))


def counted(model: Any, length: int = 32) -> float:
    """Operations per token of a forward and backward pass, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    ids = torch.arange(2 * length).reshape(2, length) % 512
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    return counter.get_total_flops() / ids.numel()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("adapted", [False, True])
def test_operations_are_those_that_torch_counts(tied: bool, adapted: bool) -> None:
    """torch counts the whole square of attention scores; a causal one needs half. The first layer's inputs need no
    gradient, where nothing below them is trained."""
    model = lora(llama(tied)) if adapted else llama(tied)
    work = work_of(model)
    square = 6 * work.layers * work.width * 32
    assert work.flops_per_token(32) + square == pytest.approx(counted(model), rel=0.04)


def test_full_training_is_six_operations_for_each_weight_and_a_frozen_weight_four() -> None:
    assert Work(0, 1_000).flops_per_token(0) == 6_000
    assert Work(1_000, 10).flops_per_token(0) == 4_060
    assert Work(0, 0, layers=2, width=64).flops_per_token(100) == 6 * 2 * 64 * 100


def test_embeddings_that_are_only_looked_up_cost_nothing() -> None:
    apart, tied = work_of(llama()), work_of(llama(tied=True))
    assert apart == tied
    assert apart.trained == 3 * (4 * 64 * 64 + 3 * 64 * 128) + 512 * 64


def test_a_token_visits_only_some_of_the_experts() -> None:
    from transformers import MixtralConfig, MixtralForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    experts = {"num_local_experts": 8, "num_experts_per_tok": 2, "num_key_value_heads": 2}
    model = MixtralForCausalLM(MixtralConfig(vocab_size=100, **sizes, **experts))
    assert work_of(model).trained == 4 * 32 * 32 + 8 * 32 + 100 * 32 + 2 * 3 * 32 * 64


def test_the_measured_speed_is_of_products_alone_and_draws_nothing(one_thread: None) -> None:
    model = llama()
    state = torch.get_rng_state()
    flops = matmul_flops_per_second(model, 256, torch.float32)
    assert flops is not None and 1e8 < flops < 1e13
    assert torch.equal(state, torch.get_rng_state())
