"""A key that is called otherwise elsewhere, or mistyped, is answered with ours."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from sanetune.cli import ALIASES, COMMANDS, main
from sanetune.config import other_names
from sanetune.config.keys import SECTIONS, advice, every_key, key_for
from sanetune.config.load import load
from sanetune.config.schema import AdapterSection
from sanetune.errors import ConfigError

BASE: dict[str, Any] = {"model": {"name": "owner/model"}, "data": {"train": "owner/data"}}


def refusal(*overrides: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(BASE, overrides)
    return caught.value


def test_every_name_leads_to_a_key_or_section_that_exists() -> None:
    keys = {*every_key(), *(f"model.adapter.{name}" for name in AdapterSection.model_fields)}
    assert set(other_names.KEYS.values()) <= keys
    assert {section.split(".")[0] for section in other_names.SECTIONS.values()} <= set(SECTIONS)
    assert {key for key, _ in {**other_names.VALUES, **other_names.VALUE_ADVICE}} <= keys
    assert set(ALIASES.values()) <= set(COMMANDS) and not set(ALIASES) & set(COMMANDS)


def test_no_name_of_ours_is_said_to_be_another() -> None:
    for key in every_key():
        if key.split(".")[-1] not in ("wandb", "output_dir", "run_name", "report_to"):
            assert key_for(key) in (key, other_names.KEYS.get(key.split(".")[-1], "")) or key_for(key) in every_key()


def test_the_importers_names_of_other_tools_are_known() -> None:
    """Keys of Axolotl and LLaMA-Factory that are none of SFTConfig's lead to where the importers put them."""
    from sanetune.importers import axolotl_keys, llama_factory_keys

    for table in (axolotl_keys.MOVED, llama_factory_keys.MOVED):
        for theirs, ours in table.items():
            if f"train.{theirs}" not in every_key() and theirs in other_names.KEYS:
                assert key_for(theirs) == ours


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.lr=1e-4", "train.learning_rate"),
        ("train.cutoff_len=5", "train.max_length"),
        ("train.lerning_rate=1", "train.learning_rate"),
        ("lora.r=4", "model.adapter.r"),
        ("lora.rank=4", "model.adapter.r"),
        ("model.adapter.lora_rank=4", "model.adapter.r"),
        ("training.seed=4", "train.seed"),
        ("data.val_set_size=0.1", "data.holdout"),
        ("model.device=cuda", "CUDA_VISIBLE_DEVICES"),
        ("model.adapter=qlora", "model.quantization: 4bit"),
        ("model.quantization=nf4", "model.quantization: 4bit"),
        ("data.loss_on=completion", "data.loss_on: assistant"),
        ("learning_rate=1e-4", "train.learning_rate=1e-4"),
    ],
)
def test_an_override_that_is_wrong_shows_the_right_one(override: str, words: str) -> None:
    assert words in refusal(override).remedy


def test_a_key_and_its_value_in_two_words_are_shown_as_one() -> None:
    assert "train.learning_rate=1e-4" in refusal("train.learning_rate", "1e-4").remedy
    assert "train.learning_rate=1e-4" in refusal("lr", "1e-4").remedy


def test_what_is_near_nothing_gets_no_guess() -> None:
    assert advice("train.zzzz") == ""
    assert "Did you mean" not in refusal("nosuch.zzzz=3").remedy


@pytest.mark.parametrize("command", ["plan", "data", "check", "train"])
@pytest.mark.parametrize("words", [["--learning_rate", "1e-4"], ["--learning-rate=1e-4"], ["--lr", "1e-4"]])
def test_a_value_that_is_typed_as_an_option_is_shown_as_an_override(command: str, words: list[str]) -> None:
    done = CliRunner().invoke(main, [command, "a.yaml", *words])
    assert done.exit_code == 2 and "train.learning_rate=1e-4" in done.stderr


@pytest.mark.parametrize(
    ("typed", "meant"), [("finetune", "train"), ("sft", "train"), ("trian", "train"), ("eval", "compare")]
)
def test_a_command_that_is_called_otherwise_is_named(typed: str, meant: str) -> None:
    done = CliRunner().invoke(main, [typed, "a.yaml"])
    assert done.exit_code == 2 and f"Did you mean {meant}?" in done.stderr


@pytest.mark.parametrize("key", ["per_device_train_batch_size", "activation_checkpointing", "packing", "bf16"])
def test_auto_leads_to_the_command_that_measures(key: str) -> None:
    assert "sanetune plan CONFIG --measure --write" in refusal(f"train.{key}=auto").remedy
