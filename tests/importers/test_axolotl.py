"""An Axolotl YAML as a configuration of ours."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.config.load import load
from sanetune.errors import ConfigError, UserError
from sanetune.importers import ImportedConfig, import_config

BASE = """\
base_model: meta-llama/Llama-3.2-1B
datasets:
  - path: teknium/GPT4-LLM-Cleaned
    type: chat_template
learning_rate: 2e-4
"""


def reads(folder: Path, text: str) -> ImportedConfig:
    file = folder / "run.yml"
    file.write_text(text)
    found = import_config(file)
    assert found is not None and found.tool == "axolotl"
    load(found.config)  # every one has to be loadable
    return found


def reasons_of(found: ImportedConfig) -> dict[str, str]:
    return {one.key: one.reason for one in found.skipped}


QLORA = """\
base_model: NousResearch/Llama-3.2-1B
load_in_8bit: false
load_in_4bit: true
datasets:
  - path: teknium/GPT4-LLM-Cleaned
    type: chat_template
    field_messages: conversations
    message_property_mappings: {role: from, content: value}
    split: train
dataset_prepared_path: last_run_prepared
val_set_size: 0.1
output_dir: ./outputs/qlora-out
adapter: qlora
lora_model_dir:
sequence_len: 2048
sample_packing: true
lora_r: 32
lora_alpha: 16
lora_dropout: 0.05
lora_target_modules: [q_proj, v_proj]
wandb_project:
gradient_accumulation_steps: 4
micro_batch_size: 2
num_epochs: 2
optimizer: adamw_bnb_8bit
lr_scheduler: cosine
learning_rate: 0.0002
bf16: auto
tf32: false
gradient_checkpointing: true
logging_steps: 1
attn_implementation: flash_attention_2
warmup_ratio: 0.1
evals_per_epoch: 4
saves_per_epoch: 1
weight_decay: 0.0
"""
"""A file as its users write them."""


def test_a_usual_qlora_file_is_carried_over_whole(tmp_path: Path) -> None:
    found = reads(tmp_path, QLORA)
    assert found.skipped == []
    config = load(found.config)
    assert config.model.adapter is not None and (config.model.adapter.r, config.model.adapter.alpha) == (32, 16)
    assert config.model.adapter.target == ["q_proj", "v_proj"] and config.model.quantization == "4bit"
    assert config.data.holdout == 0.1 and config.data.train[0].split == "train" and not config.data.fields
    assert config.run.trackers == [] and config.model.attention == "flash_attention_2"
    expected = {
        "max_length": 2048,
        "packing": True,
        "learning_rate": 2e-4,
        "num_train_epochs": 2.0,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 4,
        "optim": "adamw_bnb_8bit",
        "warmup_steps": 0.1,
        "eval_strategy": "steps",
        "eval_steps": 0.125,
        "save_strategy": "steps",
        "save_steps": 0.5,
        "activation_checkpointing": True,
    }
    assert {key: config.train.given.get(key) for key in expected} == expected


def test_its_defaults_hold_where_the_file_says_nothing(tmp_path: Path) -> None:
    config = load(reads(tmp_path, BASE).config)
    given = config.train.given
    assert (given["max_length"], given["num_train_epochs"], given["per_device_train_batch_size"]) == (512, 1.0, 1)
    assert given["warmup_steps"] == 0.03 and given["save_strategy"] == "epoch"
    assert config.data.holdout == 0.0 and config.data.overlong == "drop" and config.data.loss_on == "assistant"
    assert config.model.dtype == "bfloat16"  # all weights are trained in the format of computing


@pytest.mark.parametrize(
    ("line", "section", "key", "value"),
    [
        ("train_on_inputs: true", "data", "loss_on", "all"),
        ("excess_length_strategy: truncate", "data", "overlong", "cut"),
        ("excess_length_strategy: raise", "data", "overlong", "error"),
        ("chat_template: chatml", "model", "chat_template", "chatml"),
        ("flash_attention: true", "model", "attention", "flash_attention_2"),
        ("revision_of_model: abc", "model", "revision", "abc"),
        ("bf16: false", "model", "dtype", "float32"),
        ("bf16: false\nfp16: true", "model", "dtype", "float16"),
        ("deepspeed: zero2.json", "model", "dtype", None),
        ("wandb_project: p", "run", "trackers", ["wandb"]),
        ("wandb_project: p\nwandb_mode: offline", "run", "trackers", []),
        ("wandb_project: p\nuse_wandb: false", "run", "trackers", []),
        ("use_comet: true", "run", "trackers", ["comet_ml"]),
        ("group_by_length: true", "train", "train_sampling_strategy", "group_by_length"),
        ("warmup_steps: 10", "train", "warmup_steps", 10),
        ("cosine_min_lr_ratio: 0.1", "train", "lr_scheduler_kwargs", {"min_lr_rate": 0.1}),
        ("gradient_checkpointing: offload", "train", "activation_checkpointing", True),
        ("val_set_size: 0.05\nsave_steps: 50\neval_steps: 50", "train", "eval_steps", 50),
        ("val_set_size: 0.05", "train", "eval_strategy", "no"),
    ],
)
def test_each_key_has_its_place(tmp_path: Path, line: str, section: str, key: str, value: Any) -> None:
    found = reads(tmp_path, BASE + line + "\n")
    assert found.config.get(section, {}).get(key) == value


def test_learning_rates_as_text_are_numbers(tmp_path: Path) -> None:
    found = reads(tmp_path, BASE.replace("2e-4", '"3e-4"'))
    assert found.config["train"]["learning_rate"] == 3e-4


def test_an_adapter_over_8_bit_weights_and_all_linear_layers(tmp_path: Path) -> None:
    found = reads(tmp_path, BASE + "adapter: lora\nload_in_8bit: true\nlora_target_linear: true\npeft_use_dora: true\n")
    assert found.config["model"]["quantization"] == "8bit"
    assert found.config["model"]["adapter"]["target"] == "all-linear" and found.config["model"]["adapter"]["dora"]
    assert "dtype" not in found.config["model"]


def test_paths_are_found_where_the_tool_would_find_them(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n' * 100)
    nested = tmp_path / "configs" / "deep"
    nested.mkdir(parents=True)
    text = BASE.replace("teknium/GPT4-LLM-Cleaned", "rows.jsonl\n    ds_type: json\n    split: train")
    found = reads(nested, text + "val_set_size: 20\n")
    assert found.config["data"]["train"] == [{"path": str(tmp_path / "rows.jsonl")}]
    assert found.config["data"]["holdout"] == 0.2 and found.skipped == []


def test_files_of_a_kind_and_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("a.jsonl", "b.jsonl", "set/c.jsonl"):
        (tmp_path / name).write_text('{"text": "a"}\n')
    entry = "json\n    data_files: [a.jsonl, b.jsonl]"
    found = reads(tmp_path, BASE.replace("teknium/GPT4-LLM-Cleaned", entry))
    assert [one["path"] for one in found.config["data"]["train"]] == [str(tmp_path / n) for n in ("a.jsonl", "b.jsonl")]
    found = reads(tmp_path, BASE.replace("teknium/GPT4-LLM-Cleaned", "./set\n    data_files: c.jsonl"))
    assert found.config["data"]["train"] == [{"path": str(tmp_path / "set/c.jsonl")}]


def test_test_datasets_become_validation(tmp_path: Path) -> None:
    found = reads(tmp_path, BASE + "test_datasets:\n  - path: me/held\n    type: chat_template\neval_strategy: epoch\n")
    assert found.config["data"]["validation"] == [{"path": "me/held"}] and "holdout" not in found.config["data"]
    assert found.config["train"]["eval_strategy"] == "epoch"


def test_columns_of_other_names_become_fields(tmp_path: Path) -> None:
    found = reads(tmp_path, BASE + "").config
    assert "fields" not in found["data"]
    other = BASE.replace("type: chat_template", "type: chat_template\n    field_messages: talk\n    field_tools: tools")
    assert reads(tmp_path, other).config["data"]["fields"] == {"messages": "talk", "tools": "tools"}
    own = BASE.replace(
        "type: chat_template", "type: {field_instruction: q, field_output: a, format: 'x {instruction}'}"
    )
    found_own = reads(tmp_path, own)
    assert found_own.config["data"]["fields"] == {"prompt": "q", "completion": "a"}
    assert "datasets.0.type.format" in reasons_of(found_own)
    text = BASE.replace("type: chat_template", "type: completion\n    field: body")
    data = reads(tmp_path, text).config["data"]
    assert (data["fields"], data["loss_on"]) == ({"text": "body"}, "all")


def test_sources_with_different_columns_get_fields_of_their_own(tmp_path: Path) -> None:
    two = BASE.replace("learning_rate", "  - {path: me/b, type: chat_template, field_messages: talk}\nlearning_rate")
    found = reads(tmp_path, two)
    first, second = load(found.config).data.train
    assert (load(found.config).data.fields, first.fields, second.fields) == ({}, None, {"messages": "talk"})
    assert reasons_of(found) == {}


def test_alpaca_rows_get_alpacas_prompt(tmp_path: Path) -> None:
    from sanetune.data.template.chat_template import ChatTemplate

    found = reads(tmp_path, BASE.replace("chat_template", "alpaca"))
    file = Path(found.config["model"]["chat_template"])
    assert file.is_file() and ChatTemplate(file.read_text())
    mixed = BASE.replace("learning_rate", "  - {path: me/b, type: alpaca}\nlearning_rate")
    assert "chat_template" not in reads(tmp_path, mixed).config["model"]


def test_what_is_not_carried_over_is_reported_with_its_line(tmp_path: Path) -> None:
    text = BASE + "chat_template: qwen3\nspecial_tokens: {pad_token: x}\nlisa_n_layers: 2\noptimizer: came_pytorch\n"
    found = reads(tmp_path, text)
    reasons = reasons_of(found)
    assert set(reasons) == {"chat_template", "special_tokens", "lisa_n_layers", "train.optim"}
    assert reasons["lisa_n_layers"] == "not known to this reader"
    skipped = {one.key: one for one in found.skipped}
    assert skipped["lisa_n_layers"].value == 2 and skipped["lisa_n_layers"].place.line == 8
    assert skipped["train.optim"].value == "came_pytorch" and "optim" not in found.config["train"]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("roles_to_train: []", "datasets.0.roles_to_train"),
        ("train_on_eos: none", "datasets.0.train_on_eos"),
        ("drop_system_message: true", "datasets.0.drop_system_message"),
    ],
)
def test_what_a_data_set_says_otherwise_is_reported(tmp_path: Path, more: str, key: str) -> None:
    assert key in reasons_of(reads(tmp_path, BASE.replace("type: chat_template", f"type: chat_template\n    {more}")))


def test_usual_roles_are_understood(tmp_path: Path) -> None:
    more = "roles: {user: [human, user], assistant: [gpt, model]}\n    roles_to_train: [assistant]"
    found = reads(tmp_path, BASE.replace("type: chat_template", f"type: chat_template\n    {more}"))
    assert found.skipped == []
    every = BASE.replace("type: chat_template", "type: chat_template\n    roles_to_train: [user, assistant]")
    assert reads(tmp_path, every).config["data"]["loss_on"] == "all"


def test_remote_code_is_reported_and_never_switched_on(tmp_path: Path) -> None:
    found = reads(tmp_path, BASE + "trust_remote_code: true\n")
    assert found.trust_remote_code and "trust_remote_code" not in found.config["model"] and not found.skipped


@pytest.mark.parametrize("line", ["rl: dpo", "reward_model: true"])
def test_other_training_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"run.yml:6: .* no supervised fine-tuning"):
        reads(tmp_path, BASE + line + "\n")


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no data set"):
        reads(tmp_path, BASE.replace("type: chat_template", "type:"))
    with pytest.raises(ConfigError, match="no data set"):
        reads(tmp_path, "base_model: m\npretraining_dataset: [{path: a/b}]\nlearning_rate: 1e-4\n")


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-1, 5), st.sampled_from(["x", "1e-4", "no"])
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.sampled_from(["path", "type"]), SCALARS))
KEYS = ["datasets", "test_datasets", "adapter", "lora_r", "num_epochs", "val_set_size", "evals_per_epoch", "bf16"]
KEYS += ["warmup_ratio", "learning_rate", "chat_template", "lora_target_modules", "wandb_mode", "sequence_len"]
KEYS += ["saves_per_epoch", "cosine_min_lr_ratio", "deepspeed", "chat_template_jinja", "excess_length_strategy"]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_anything_is_read_or_refused_in_words(tmp_path_factory: Any, values: dict[str, Any]) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.yml"
    file.write_text(json.dumps({"base_model": "m", "datasets": [{"path": "a/b", "type": "chat_template"}]} | values))
    with contextlib.suppress(UserError):
        load(import_config(file).config)


@pytest.mark.parametrize(
    ("keys", "fields"),
    [
        ("message_property_mappings: {role: who, content: said}", {"role": "who", "content": "said"}),
        ("roles: {assistant: [Rosa, gpt], user: [human]}", {"role.assistant": "Rosa"}),
        ("message_field_training: keep", {"train": "keep"}),
        ("message_field_training_detail: parts", {"train_detail": "parts"}),
        ("message_property_mappings: {role: from}", {}),
    ],
)
def test_names_inside_messages_are_carried_over(tmp_path: Path, keys: str, fields: dict[str, str]) -> None:
    text = BASE.replace("type: chat_template", f"type: chat_template\n    {keys}")
    found = reads(tmp_path, text)
    assert load(found.config).data.fields == fields
    assert found.skipped == []


def test_a_part_of_a_split_is_a_limit_or_is_reported(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a"}\n' * 10)

    def limits(part: str, path: str) -> tuple[list[Any], dict[str, str]]:
        found = reads(tmp_path, BASE.replace("teknium/GPT4-LLM-Cleaned", f"{path}\n    split: train{part}"))
        train: Any = found.config["data"]["train"]
        return [one.get("limit") for one in train], reasons_of(found)

    for path in (str(rows), "teknium/GPT4-LLM-Cleaned"):
        assert limits("[:4]", path) == ([4], {})
        for part in ("[4:]", "[20%:]", "[10%:20%]", "[-4:]", "[:-4]"):
            assert limits(part, path) == ([None], {"datasets.0.split": "a part of a split: all rows of train are read"})
    assert limits("[:20%]", str(rows)) == ([2], {})


def test_no_key_is_dropped_in_silence_and_a_slip_of_the_pen_is_named(tmp_path: Path) -> None:
    text = BASE.replace("type: chat_template", "type: completion\n    completion_field: answer")
    found = reasons_of(reads(tmp_path, text + "sequence_length: 1024\nbatch_size: 4\n"))
    assert found["datasets.0.completion_field"] == found["batch_size"] == "not known to this reader"
    assert found["sequence_length"].endswith("is sequence_len meant?")


def test_what_changes_a_run_is_carried_over_or_noted_with_what_holds_instead(tmp_path: Path) -> None:
    more = "hub_model_id: me/mine\ncurriculum_sampling: true\nuse_dft: true\nloraplus_lr_ratio: 16\nbos_token_id: 1\n"
    more += "eos_token_id: 2\nplugins: [axolotl.integrations.liger.LigerPlugin, axolotl.integrations.kd.KDPlugin]\n"
    found = reads(tmp_path, BASE + more)
    train = found.config["train"]
    assert (train["push_to_hub"], train["hub_model_id"], train["hub_private_repo"]) == (True, "me/mine", True)
    assert (train["train_sampling_strategy"], train["loss_type"]) == ("sequential", "dft")
    noted = {one.key: one for one in found.skipped}
    assert "every weight takes train.learning_rate" in noted["loraplus_lr_ratio"].reason
    assert noted["plugins"].value == ["axolotl.integrations.kd.KDPlugin"]
    assert noted["eos_token_id"].reason == noted["bos_token_id"].reason == "not known to this reader"
