from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from sanetune.config.schema import ModelSection
from sanetune.engine.generate import Decoding, answer
from sanetune.engine.models import fit_to_tokenizer, load_model
from sanetune.engine.save import generation_config, save_model, write_card
from sanetune.runs import Run


def test_a_saved_model_loads_plainly_with_its_template_stops_and_pad(
    base: Path, tokenizer: Any, tmp_path: Path
) -> None:
    larger = copy.deepcopy(tokenizer)
    larger.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    model = load_model(ModelSection(name=str(base)))
    fit_to_tokenizer(model, larger)
    run = Run(tmp_path / "run")
    save_model(model, larger, run, stop_token_ids=[512])
    write_card(run, "# A card\n")
    loaded, ids = AutoModelForCausalLM.from_pretrained(run.model), torch.tensor([[1, 403, 407, 512]])
    torch.testing.assert_close(loaded(ids).logits, model(ids).logits, atol=0, rtol=0)
    assert loaded.generation_config.eos_token_id == [2, 512]
    assert loaded.generation_config.pad_token_id == larger.pad_token_id
    assert AutoTokenizer.from_pretrained(run.model).chat_template == tokenizer.chat_template
    assert (run.model / "README.md").read_text() == "# A card\n"
    assert run.finished
    assert not run.adapter.exists()
    prompt = [[{"role": "user", "content": "Hi"}]]
    short = Decoding(max_new_tokens=6)
    assert answer(loaded, larger, prompt, decoding=short) == answer(model, larger, prompt, decoding=short)


def test_sampling_settings_of_a_base_that_decodes_greedily_do_not_stop_the_saving(tokenizer: Any) -> None:
    own = GenerationConfig(do_sample=False, temperature=0.6, top_p=0.9, eos_token_id=[2, 7])
    made = generation_config(SimpleNamespace(generation_config=own), tokenizer, [5])
    assert made.eos_token_id == [2, 5, 7]
    made.validate(strict=True)
