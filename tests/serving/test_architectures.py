"""Of each architecture that a GGUF file is written of, llama.cpp has the logits of transformers; others are refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from sanetune.errors import ModelError
from sanetune.serving.gguf_write import Chat, _architecture, _context_length, write_gguf
from tests.serving.tiny import DEMO

SIZES: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
IDS = [40, 7, 1311, 300, 300, 5, 902, 88, 41, 1999]


def random_model(folder: Path, kind: str, **more: Any) -> Any:
    """A model with random weights, biases and norms, in ``folder``, with the demo's tokenizer."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SIZES, **more)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    for weight in model.parameters():
        weight.data += 0.2 * torch.randn_like(weight)  # norms and biases begin as ones and zeros, which hide mistakes
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(DEMO / name, folder / name)
    return model


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("qwen2", {"tie_word_embeddings": True}),
        ("qwen3", {"head_dim": 32}),
        ("mistral", {"head_dim": 16, "sliding_window": None}),
        ("llama", {"rope_theta": 500_000.0, "attention_bias": True}),
    ],
)
def test_llama_cpp_computes_the_logits_of_transformers(kind: str, more: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp's server is not installed (pip install 'sanetune[serve]')")
    from sanetune.serving.local import served

    model = random_model(tmp_path, kind, **more)
    write_gguf(tmp_path, tmp_path / "a.gguf", Chat("", [0]), name=kind, storage="f32", pre="gpt-2")
    with torch.inference_mode():
        expected = model(input_ids=torch.tensor([IDS])).logits[0].log_softmax(-1)
    with served(tmp_path / "a.gguf", 64, threads=1) as server:
        for at in (1, 4, len(IDS)):
            found = server.next_token(IDS[:at])
            assert found.token == int(expected[at - 1].argmax())
            for token, value in found.log_probs.items():
                assert value == pytest.approx(float(expected[at - 1, token]), abs=0.02)


def test_an_architecture_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="architecture 'gemma3_text' is not known here"):
        _architecture({"model_type": "gemma3_text"}, tmp_path)


@pytest.mark.parametrize(
    ("more", "longest"),
    [
        ({"model_type": "mistral", "sliding_window": 32}, 32),
        ({"model_type": "mistral", "sliding_window": None}, 128),
        ({"model_type": "qwen2", "sliding_window": 32, "use_sliding_window": False}, 128),
        ({"model_type": "qwen2", "sliding_window": 32, "use_sliding_window": True}, 32),
    ],
)
def test_a_prompt_is_no_longer_than_a_window_that_llama_cpp_would_look_beyond(
    more: dict[str, Any], longest: int
) -> None:
    assert _context_length({"max_position_embeddings": 128, **more}) == longest
