"""Rounding is ggml's, a model is afterwards what it was, and query rows are interleaved as in llama.cpp."""

from __future__ import annotations

import pytest
import torch

from sanetune.serving.gguf_weights import as_stored
from sanetune.serving.rounding import inputs_to_8_bits, known_storage, rounded, served_as

pytest.importorskip("gguf", reason="gguf is not installed (pip install 'sanetune[serve]')")


@pytest.mark.parametrize("storage", ["F16", "BF16", "Q8_0", "Q4_1", "Q5_1"])
def test_weights_are_rounded_as_by_the_reference_of_ggml(storage: str) -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    weights = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    kind = GGMLQuantizationType[storage]
    theirs = torch.from_numpy(dequantize(quantize(weights.numpy(), kind), kind).copy())
    ours = rounded(weights, storage)
    error = float((theirs - weights).norm())
    # The reference stores a block's scale in 16 bits after it has rounded by the whole one; a few numbers differ.
    assert float((ours - weights).norm()) == pytest.approx(error, rel=0.01)
    assert float((ours - theirs).norm()) <= 0.35 * error


@pytest.mark.parametrize("storage", ["Q6_K", "Q4_K", "Q3_K", "Q2_K", "IQ4_XS"])
def test_fewer_bits_are_further_away_and_none_is_far_off(storage: str) -> None:
    weights = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    error = float((rounded(weights, storage) - weights).norm() / weights.norm())
    bits = int(storage.removeprefix("IQ").removeprefix("Q")[0])
    assert 0.1 < error * 2**bits < 2.5


def test_inputs_keep_eight_bits_of_the_largest_of_their_block() -> None:
    inputs = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    step = inputs.reshape(3, 2, 32).abs().amax(-1, keepdim=True) / 127
    away = (inputs_to_8_bits(inputs, 32) - inputs).reshape(3, 2, 32).abs()
    assert bool((away <= 0.51 * step).all()) and bool(away.any())


def test_a_model_computes_rounded_and_is_the_same_to_the_bit_afterwards() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Embedding(10, 32), torch.nn.Linear(32, 32))
    ids = torch.arange(10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = model(ids)
    with served_as(model, lambda name: "Q4_1"):
        assert 0.001 < float((model(ids) - whole).detach().abs().max()) < 1
    assert torch.equal(model(ids), whole)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_layer_that_fails_leaves_its_weights_behind() -> None:
    layer = torch.nn.Linear(32, 4)
    kept = layer.weight.data
    with served_as(torch.nn.Sequential(layer), lambda name: "Q8_0"), pytest.raises(RuntimeError):
        layer(torch.zeros(2, 64))
    assert layer.weight.data.data_ptr() == kept.data_ptr()


def test_query_rows_are_interleaved_as_transformers_takes_them_apart() -> None:
    from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

    heads, keys = 4, 2
    for name, count in (("model.layers.0.self_attn.q_proj.weight", heads), ("x.k_proj.weight", keys)):
        weights = torch.randn(count * 8, 16)
        stored = as_stored(name, weights, "llama", heads, keys)
        processor = LlamaTensorProcessor(config={"num_attention_heads": heads, "num_key_value_heads": keys})
        back = processor._reverse_permute_weights(stored.numpy(), heads, count)
        assert torch.equal(torch.from_numpy(back.copy()), weights) and not torch.equal(stored, weights)
    assert torch.equal(as_stored("x.v_proj.weight", weights, "llama", heads, keys), weights)


def test_words_for_storage_of_servers_are_understood() -> None:
    assert [known_storage(one) for one in ("Q4_K_M", "Q8_0", "BF16", "F16", "all F32", "", "fp8")] == [
        "Q4_K",
        "Q8_0",
        "BF16",
        "F16",
        "F32",
        "",
        "",
    ]
