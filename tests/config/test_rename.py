"""Old names of keys and values: what becomes of them, and that each is noted."""

from __future__ import annotations

import pytest

from sanetune.config import load
from sanetune.config.draft import Draft
from sanetune.config.origin import OriginKind, Renamed
from sanetune.config.rename import rename_old_keys
from sanetune.config.source import read_source
from sanetune.errors import Place
from tests.config.sources import EXAMPLES, LEAST, refusal, train


def test_a_draft_is_renamed_and_the_old_one_stays_as_it_is(write) -> None:
    file = write("train:\n  max_seq_length: 64\n  seed: 1\n  torchdynamo: x\n")
    old = read_source(file)
    new = rename_old_keys(old)
    assert old.values == {"train": {"max_seq_length": 64, "seed": 1, "torchdynamo": "x"}}
    assert new.values == {"train": {"max_length": 64, "seed": 1}}
    assert new.renamed == [
        Renamed("train.max_seq_length", "train.max_length", 64, Place(file, 2)),
        Renamed("train.torchdynamo", "", "x", Place(file, 4)),
    ]
    origin = new.origins["train.max_length"]
    assert (origin.kind, origin.old_key, origin.place) == (OriginKind.RENAMED, "train.max_seq_length", Place(file, 2))


def test_todays_names_are_left_alone() -> None:
    draft = Draft({"train": {"max_length": 64}, "odd": 1})
    assert rename_old_keys(draft) == draft


def test_textbook_values_are_the_same_by_old_and_by_new_names() -> None:
    new, old = (load(EXAMPLES / name) for name in ("textbook.yaml", "textbook-old-names.yaml"))
    want = {"max_length": 2048, "warmup_steps": 0.1, "lr_scheduler_type": "cosine", "num_train_epochs": 3}
    want |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 8, "learning_rate": 2e-5}
    want |= {"weight_decay": 0.01, "packing": True, "bf16": True, "eval_steps": 100, "save_steps": 100}
    want |= {"save_total_limit": 3, "load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "seed": 42}
    for config in (new, old):
        assert config.train.given.items() >= want.items()
    assert [one.old for one in old.renamed if one.old.startswith("train.")][:3] == [
        "train.max_seq_length",
        "train.warmup_ratio",
        "train.gradient_checkpointing",
    ]
    assert not new.renamed


@pytest.mark.parametrize(
    ("section", "key", "value", "where", "want"),
    [
        ("train", "max_seq_length", 512, "train.max_length", 512),
        ("train", "warmup_ratio", 0.1, "train.warmup_steps", 0.1),
        ("train", "evaluation_strategy", "steps", "train.eval_strategy", "steps"),
        ("train", "group_by_length", True, "train.train_sampling_strategy", "group_by_length"),
        ("train", "no_cuda", True, "train.use_cpu", True),
        ("train", "per_gpu_train_batch_size", 3, "train.per_device_train_batch_size", 3),
        ("train", "gradient_checkpointing", True, "train.activation_checkpointing", True),
        ("train", "packing_strategy", "bfd-requeue", "train.packing_strategy", "bfd_split"),
        ("train", "dispatch_batches", True, "train.accelerator_config", {"dispatch_batches": True}),
        ("train", "model_init_kwargs", {"torch_dtype": "bfloat16"}, "model.dtype", "bfloat16"),
        ("train", "report_to", "none", "run.trackers", []),
        ("train", "report_to", ["wandb"], "run.trackers", ["wandb"]),
        ("train", "assistant_only_loss", True, "data.loss_on", "assistant"),
        ("model", "torch_dtype", "bf16", "model.dtype", "bfloat16"),
        ("model", "load_in_4bit", False, "model.quantization", None),
        ("model", "attn_implementation", "sdpa", "model.attention", "sdpa"),
    ],
)
def test_an_old_name_is_translated_and_said(section, key, value, where, want) -> None:
    values = {**LEAST, section: {**LEAST.get(section, {}), key: value}}
    config = load(values)
    part, name = where.split(".")
    assert getattr(config, part).get(name) == want or getattr(config, part)[name] == want
    assert [one.old.split(".")[1] for one in config.renamed] == [key]


def test_peft_keys_become_an_adapter() -> None:
    values = {**LEAST, "model": {"name": "m", "use_peft": True, "lora_r": 8, "lora_alpha": 16}}
    adapter = load(values).model.adapter
    assert (adapter.r, adapter.alpha, adapter.target) == (8, 16, "all-linear")


def test_a_key_that_does_nothing_any_more_is_said_and_left_out() -> None:
    config = load(train(overwrite_output_dir=True, save_safetensors=True))
    assert config.train.given == {}
    assert [(one.old, one.new) for one in config.renamed] == [
        ("train.overwrite_output_dir", ""),
        ("train.save_safetensors", ""),
    ]


def test_every_old_name_leads_to_a_key_that_exists() -> None:
    from sanetune.config.keys import every_key
    from sanetune.config.old_keys import RENAMES

    known = set(every_key())
    for old, rename in RENAMES.items():
        assert (
            old not in known
            or old.startswith(
                ("train.gradient_checkpointing", "train.report_to", "train.assistant", "train.completion")
            )
            or rename.to.startswith(("run.", "model.", "data."))
            or not rename.to
        ), old
        if rename.to:
            assert ".".join(rename.to.split(".")[:2]) in known, rename.to


def test_old_and_new_name_with_different_values_is_an_error(write) -> None:
    error = refusal(train(max_seq_length=512, max_length=1024))
    assert "both are given" in str(error)
    assert load(train(max_seq_length=512, max_length=512)).train["max_length"] == 512


@pytest.mark.parametrize("value", [1, 1.5, -0.1, True, "0.1"])
def test_a_warmup_ratio_that_is_no_share_is_an_error(value) -> None:
    assert "share of the steps" in str(refusal(train(warmup_ratio=value)))


def test_warmup_steps_won_over_the_ratio_and_still_do() -> None:
    assert load(train(warmup_ratio=0.1, warmup_steps=50)).train["warmup_steps"] == 50
    assert load(train(warmup_ratio=0.1, warmup_steps=0)).train["warmup_steps"] == 0.1
