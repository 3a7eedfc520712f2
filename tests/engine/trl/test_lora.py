"""Training adapters: what is saved, which rows of the embedding are trained, resumption."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.runs import Run
from tests.engine.running import Follower, same, train, weights

Config = Callable[..., SimpleNamespace]


def test_lora_saves_the_adapter_and_a_merged_model_with_the_same_logits(
    base: Path, prepared: Any, config: Config, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    run = Run.create(tmp_path / "run")
    outcome = train(config(model={"adapter": {"type": "lora", "r": 4}}, learning_rate=1e-2), prepared, run)
    ids = torch.tensor([prepared.train[0]["input_ids"]])
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), run.adapter).eval()
    merged = AutoModelForCausalLM.from_pretrained(run.model)
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(merged(ids).logits, outcome.model(ids).logits, atol=1e-5, rtol=1e-5)
        original = AutoModelForCausalLM.from_pretrained(base)(ids).logits
    assert not torch.allclose(merged(ids).logits, original, atol=1e-2)
    assert outcome.frozen.trainable < 0.2 * outcome.frozen.parameters
    assert outcome.train_loss < outcome.records[1].loss
    assert type(outcome.model).__name__ == "LlamaForCausalLM"
    assert "forward" not in vars(outcome.model)


@pytest.mark.parametrize("tied", [True, False])
def test_lora_trains_the_rows_of_tokens_that_a_template_added(
    tied: bool, base: Path, rows: list[dict[str, Any]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    import copy

    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    tokenizer = copy.deepcopy(prepared.tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    ended = [{"input_ids": [*row["input_ids"][:20], 512], "labels": [*row["labels"][:20], 512]} for row in rows]
    if not tied:
        untied = AutoModelForCausalLM.from_pretrained(base, tie_word_embeddings=False)
        untied.lm_head.weight = torch.nn.Parameter(untied.model.embed_tokens.weight.detach().clone())
        untied.save_pretrained(tmp_path / "untied")
        prepared.tokenizer.save_pretrained(tmp_path / "untied")
    data = SimpleNamespace(**{
        **vars(prepared), "train": Dataset.from_list(ended), "validation": None, "tokenizer": tokenizer,
        "stop_token_ids": [512],
    })  # fmt: skip
    run = Run.create(tmp_path / "run")
    name = str(base if tied else tmp_path / "untied")
    settings = config(model={"name": name, "adapter": "lora"}, max_steps=30, learning_rate=1e-2)
    outcome = train(settings, data, run)
    assert any("1 added tokens" in note for note in outcome.notes)
    model = AutoModelForCausalLM.from_pretrained(run.model)
    assert model.config.tie_word_embeddings is tied
    with torch.no_grad():
        logits = model(torch.tensor([ended[0]["input_ids"][:20]])).logits
        torch.testing.assert_close(
            logits, outcome.model(torch.tensor([ended[0]["input_ids"][:20]])).logits, atol=1e-5, rtol=1e-5
        )
    assert logits[0, -1].argmax() == 512


def test_lora_resumes_to_the_same_adapter(base: Path, prepared: Any, config: Config, tmp_path: Path) -> None:
    settings = config(model={"adapter": "lora"})
    straight, halted = Run.create(tmp_path / "a"), Run.create(tmp_path / "b")
    train(settings, prepared, straight)
    with pytest.raises(KeyboardInterrupt):
        train(settings, prepared, halted, Follower(3, lambda: os.kill(os.getpid(), signal.SIGINT)))
    train(settings, prepared, halted, resume=True)
    assert same(weights(straight), weights(halted))
