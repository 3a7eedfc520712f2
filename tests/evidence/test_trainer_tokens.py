"""Added tokens whose embeddings an adapter leaves as they were drawn are found before any step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

from sanetune.api import check
from sanetune.evidence.trainer_tokens import seen_added
from sanetune.finding import Finding, Verdict

HOME = Path(__file__).resolve().parents[2] / "sanetune" / "demo" / "model"


def found(
    tmp_path: Path, text: str = "<call> x </call>", home: str = str(HOME), before: Any = None, **keys: Any
) -> Finding:
    """What is said of an adapter over the demo's model, whose rows are ``text``; ``before``: happens to it first."""
    tokenizer = AutoTokenizer.from_pretrained(str(HOME))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<call>", "</call>"], "pad_token": "<pad>"})
    model = AutoModelForCausalLM.from_pretrained(str(HOME))
    model.config._name_or_path = home
    model.resize_token_embeddings(len(tokenizer))
    model = before(model) if before else model
    ids = tokenizer(text)["input_ids"]
    trainer = Trainer(
        get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], **keys)),
        TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", per_device_train_batch_size=2),
        train_dataset=Dataset.from_list([{"input_ids": ids, "labels": ids}] * 4),
        data_collator=DataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=32),
        processing_class=tokenizer,
    )
    return check(trainer, select=["model-new-tokens-frozen"])["model-new-tokens-frozen"]


def test_frozen_rows_of_added_tokens_are_named_at_level_static(tmp_path: Path) -> None:
    finding = found(tmp_path)
    assert finding.verdict is Verdict.FAIL
    assert finding.message.startswith("2 added tokens in the data (<call>, </call>)")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"modules_to_save": ["embed_tokens", "lm_head"]}, "are trained"),
        ({"text": "only padding is new here"}, "no token"),
        ({"home": "nowhere/at-all"}, "cannot be read"),
    ],
)
def test_trained_rows_new_padding_and_an_unknown_origin_are_no_fault(
    tmp_path: Path, keys: dict[str, Any], reason: str
) -> None:
    finding = found(tmp_path, **keys)
    assert finding.verdict is Verdict.SKIP and reason in finding.message


def merged(model: Any, **keys: Any) -> Any:
    """The model with a first stage merged into it: an adapter whose weights have moved as training moves them."""
    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj"], init_lora_weights=False, **keys))
    with torch.no_grad():
        for weight in adapted.parameters():
            weight += 1e-3 * torch.randn_like(weight) if weight.requires_grad else 0
    return adapted.merge_and_unload()


@pytest.mark.parametrize(
    "keys", [{"trainable_token_indices": [2049, 2050]}, {"modules_to_save": ["embed_tokens", "lm_head"]}]
)
def test_rows_that_a_first_stage_has_trained_are_no_fault_in_a_second(tmp_path: Path, keys: dict[str, Any]) -> None:
    finding = found(tmp_path, before=lambda model: merged(model, **keys))
    assert finding.verdict is Verdict.SKIP and "may have been trained before" in finding.message


def redrawn(model: Any) -> Any:
    with torch.no_grad():
        model.get_input_embeddings().weight[-3:].normal_()
    return model


@pytest.mark.parametrize("before", [merged, redrawn])
def test_new_rows_are_named_after_a_stage_without_them_and_where_they_are_noise_in_a_model_as_it_was_read(
    tmp_path: Path, before: Any
) -> None:
    finding = found(tmp_path, before=before)
    assert finding.verdict is Verdict.FAIL and "(<call>, </call>)" in finding.message


@pytest.mark.parametrize(
    ("frozen", "seen"), [(("output head",), ["</call>"]), (("embedding", "output head"), ["<call>", "</call>"])]
)
def test_a_frozen_head_matters_for_tokens_that_have_to_be_written(frozen: tuple[str, ...], seen: list[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(HOME))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<call>", "</call>"]})
    asked, written = tokenizer.convert_tokens_to_ids(["<call>", "</call>"])
    batch = {"input_ids": torch.tensor([[asked, 5, written]]), "labels": torch.tensor([[-100, 5, written]])}
    assert tokenizer.convert_ids_to_tokens(seen_added([batch], {asked, written}, frozen)) == seen
