"""A LLaMA-Factory YAML and its dataset_info.json as a configuration of ours."""

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
model_name_or_path: Qwen/Qwen3-4B-Instruct-2507
stage: sft
do_train: true
finetuning_type: lora
dataset: mine
"""
INFO: dict[str, Any] = {
    "mine": {"file_name": "mine.json"},
    "chats": {"file_name": "chats.jsonl", "formatting": "sharegpt"},
    "hub": {"hf_hub_url": "Open-Orca/OpenOrca", "split": "train", "subset": "small"},
    "mapped": {"hf_hub_url": "a/b", "columns": {"prompt": "q", "query": "more", "response": "a", "system": "s"}},
    "talks": {
        "hf_hub_url": "a/c",
        "formatting": "sharegpt",
        "columns": {"messages": "talk", "tools": "tools"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    },
    "odd": {"hf_hub_url": "a/d", "formatting": "sharegpt", "tags": {"role_tag": "who", "assistant_tag": "wizard"}},
    "pairs": {"hf_hub_url": "a/e", "ranking": True},
    "scope": {"ms_hub_url": "a/f"},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "dataset_info.json").write_text(json.dumps(INFO))
    (data / "mine.json").write_text(json.dumps([{"instruction": "i", "output": "o"}] * 50))
    (data / "chats.jsonl").write_text('{"conversations": []}\n')
    return tmp_path


def reads(folder: Path, text: str) -> ImportedConfig:
    file = folder / "run.yaml"
    file.write_text(text)
    found = import_config(file)
    assert found is not None and found.tool == "llama-factory"
    load(found.config)
    return found


def reasons_of(found: ImportedConfig) -> dict[str, str]:
    return {one.key: one.reason for one in found.skipped}


def test_the_usual_lora_file_is_carried_over(project: Path) -> None:
    found = reads(
        project,
        """\
### model
model_name_or_path: Qwen/Qwen3-4B-Instruct-2507
trust_remote_code: true
### method
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: q_proj,v_proj
### dataset
dataset: mine, chats
template: qwen3_nothink
cutoff_len: 2048
max_samples: 1000
preprocessing_num_workers: 16
### output
output_dir: saves/qwen3-4b/lora/sft
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
report_to: none
### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
ddp_timeout: 180000000
val_size: 0.1
per_device_eval_batch_size: 1
eval_strategy: steps
eval_steps: 500
""",
    )
    assert list(reasons_of(found)) == ["template"]
    assert found.trust_remote_code
    config = load(found.config)
    assert config.model.adapter is not None
    assert (config.model.adapter.r, config.model.adapter.alpha, config.model.adapter.target) == (
        8,
        16,
        ["q_proj", "v_proj"],
    )
    assert [one.path for one in config.data.train] == [str(project / "data" / n) for n in ("mine.json", "chats.jsonl")]
    assert [one.limit for one in config.data.train] == [1000, 1000]
    assert config.data.holdout == 0.1 and config.data.overlong == "cut" and config.run.trackers == []
    expected = {"max_length": 2048, "learning_rate": 1e-4, "warmup_steps": 0.1, "eval_strategy": "steps"}
    expected |= {"eval_steps": 500, "save_steps": 500, "bf16": True, "gradient_accumulation_steps": 8}
    assert {key: config.train.given.get(key) for key in expected} == expected


def test_its_defaults_hold_where_the_file_says_nothing(project: Path) -> None:
    found = reads(project, BASE)
    config = load(found.config)
    given = config.train.given
    assert (given["learning_rate"], given["per_device_train_batch_size"], given["max_length"]) == (5e-5, 8, 2048)
    assert given["lr_scheduler_type"] == "linear" and given["warmup_steps"] == 0 and given["bf16"] is False
    assert config.data.holdout == 0.0 and given["activation_checkpointing"] is True
    assert found.skipped == []


@pytest.mark.parametrize(
    ("line", "section", "key", "value"),
    [
        ("train_on_prompt: true", "data", "loss_on", "all"),
        ("mask_history: true", "data", "loss_on", "last"),
        ("template: chatml", "model", "chat_template", "chatml"),
        ("quantization_bit: 4", "model", "quantization", "4bit"),
        ("flash_attn: fa2", "model", "attention", "flash_attention_2"),
        ("neat_packing: true", "train", "packing", True),
        ("warmup_steps: 20\nwarmup_ratio: 0.1", "train", "warmup_steps", 20),
        ("report_to: [wandb, tensorboard]", "run", "trackers", ["wandb", "tensorboard"]),
        ("use_swanlab: true", "run", "trackers", ["swanlab"]),
        ("val_size: 10", "data", "holdout", 0.2),
        ("learning_rate: '1e-5'", "train", "learning_rate", 1e-5),
        ("use_dft_loss: true", "train", "loss_type", "dft"),
        ("disable_gradient_checkpointing: true", "train", "activation_checkpointing", False),
    ],
)
def test_each_key_has_its_place(project: Path, line: str, section: str, key: str, value: Any) -> None:
    assert reads(project, BASE + line + "\n").config[section][key] == value


@pytest.mark.parametrize(("line", "dtype"), [("", "float32"), ("pure_bf16: true", "bfloat16")])
def test_all_weights_are_float32_unless_said_otherwise(project: Path, line: str, dtype: str) -> None:
    found = reads(project, BASE.replace("lora", "full") + line)
    assert found.config["model"]["dtype"] == dtype and "adapter" not in found.config["model"]


def test_data_sets_of_the_hub_and_their_columns(project: Path) -> None:
    found = reads(project, BASE.replace("mine", "hub"))
    assert found.config["data"]["train"] == [{"path": "Open-Orca/OpenOrca", "split": "train", "subset": "small"}]
    mapped = reads(project, BASE.replace("mine", "mapped")).config["data"]
    assert mapped["fields"] == {"prompt": "q", "input": "more", "completion": "a", "system": "s"}
    chats = reads(project, BASE.replace("mine", "talks"))
    assert chats.config["data"]["fields"] == {"messages": "talk", "tools": "tools"} and chats.skipped == []


def test_what_cannot_be_read_is_reported(project: Path) -> None:
    found = reads(project, BASE.replace("mine", "mine,missing,pairs,scope,odd,mapped"))
    assert [Path(one["path"]).name for one in found.config["data"]["train"]] == ["mine.json", "e", "d", "b"]
    assert set(reasons_of(found)) == {
        "dataset.missing",
        "dataset.pairs.ranking",
        "dataset.scope",
    }
    own = [one.get("fields") for one in found.config["data"]["train"]]
    assert own == [
        None,
        None,
        {"role": "who", "role.assistant": "wizard"},
        {"prompt": "q", "input": "more", "completion": "a", "system": "s"},
    ]
    odd = reads(project, BASE + "packing: true\ndeepspeed: z.json\nnew_key: 3\nlora_target: all\n")
    assert set(reasons_of(odd)) == {"packing", "deepspeed", "new_key"}
    assert {one.key: one.place.line for one in odd.skipped}["new_key"] == 8


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        (INFO["odd"], {"role": "who", "role.assistant": "wizard"}),
        (
            {"formatting": "sharegpt", "tags": {"role_tag": "from", "user_tag": "human", "function_tag": "call_it"}},
            {"role.call": "call_it"},
        ),
        ({"formatting": "sharegpt", "columns": {"messages": "messages", "kto_tag": "label"}}, {}),
        ({"columns": {"prompt": "instruction", "response": "output", "kto_tag": "good"}}, {"label": "good"}),
        ({"ranking": True, "columns": {"prompt": "instruction", "query": "input", "chosen": "chosen"}}, {}),
        (
            {"ranking": True, "columns": {"prompt": "instruction", "chosen": "win", "rejected": "lose"}},
            {"prompt": "instruction", "completion": "win"},
        ),
        (
            {"ranking": True, "formatting": "sharegpt", "columns": {"messages": "talk", "chosen": "chosen"}},
            {"messages": "talk", "completion": "chosen"},
        ),
    ],
)
def test_tags_ranking_and_kto_tag_are_applied(project: Path, entry: dict[str, Any], fields: dict[str, str]) -> None:
    info = {"one": {"hf_hub_url": "a/b", **entry}}
    (project / "data" / "dataset_info.json").write_text(json.dumps(info))
    found = reads(project, BASE.replace("mine", "one"))
    assert found.config["data"].get("fields", {}) == fields
    assert list(reasons_of(found)) == (["dataset.one.ranking"] if entry.get("ranking") else [])


def test_names_inside_messages_hold_for_several_data_sets(project: Path) -> None:
    found = reads(project, BASE.replace("mine", "chats,odd"))
    assert found.config["data"]["fields"] == {"role": "who", "role.assistant": "wizard"} and found.skipped == []


def test_rows_with_tags_and_pairs_are_read_as_they_say(project: Path) -> None:
    from sanetune.data.conversation_reader import read_conversations
    from sanetune.data.sources.source import Source

    rows = [
        {
            "talk": [{"who": "guest", "said": f"Hi {n}?"}],
            "chosen": {"who": "wizard", "said": "Hello."},
            "rejected": {"who": "wizard", "said": "No."},
        }
        for n in range(3)
    ]
    tags = {"role_tag": "who", "content_tag": "said", "user_tag": "guest", "assistant_tag": "wizard"}
    info = {"file_name": "mine.json", "formatting": "sharegpt", "ranking": True, "tags": tags}
    columns = {"messages": "talk", "chosen": "chosen", "rejected": "rejected"}
    (project / "data" / "dataset_info.json").write_text(json.dumps({"mine": {**info, "columns": columns}}))
    (project / "data" / "mine.json").write_text(json.dumps(rows))
    data = load(reads(project, BASE).config).data
    conversations = list(read_conversations([Source(data.train[0].path)], fields=data.fields))
    assert [[m["content"] for m in c.messages] for c in conversations] == [[f"Hi {n}?", "Hello."] for n in range(3)]


def test_evaluation_data_sets_become_validation(project: Path) -> None:
    found = reads(project, BASE + "eval_dataset: chats\neval_strategy: epoch\n")
    assert [Path(one["path"]).name for one in found.config["data"]["validation"]] == ["chats.jsonl"]
    assert found.config["train"]["eval_strategy"] == "epoch"


def test_names_of_the_hub_without_a_list(tmp_path: Path) -> None:
    found = reads(tmp_path, BASE.replace("mine", "me/rows") + "dataset_dir: ONLINE\n")
    assert found.config["data"]["train"] == [{"path": "me/rows"}]


@pytest.mark.parametrize("text", ["", "not json", "[]", "3"])
def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "dataset_info.json").write_text(text)
    with pytest.raises(ConfigError, match=r"dataset_info.json"):
        reads(tmp_path, BASE)


def test_remote_lists_and_other_stages_are_refused(project: Path) -> None:
    with pytest.raises(ConfigError, match="not fetched"):
        reads(project, BASE + "dataset_dir: REMOTE:me/list\n")
    with pytest.raises(ConfigError, match=r"run.yaml:2: stage is 'dpo'"):
        reads(project, BASE.replace("sft", "dpo"))


def test_other_yaml_belongs_to_no_tool(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    for text in (
        "model: {name: m}\ndata: {train: d.jsonl}\n",
        "train_dataset: d\n",
        "base_model: m\n",
        "model: m\ntrain_dataset: d\n",
    ):
        file.write_text(text)
        assert import_config(file) is None
    for example in (Path(__file__).parents[2] / "examples").glob("*.yaml"):
        assert import_config(example) is None


def test_broken_yaml_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("base_model: m\ndatasets: [\n")
    with pytest.raises(ConfigError, match=r"x.yaml:\d"):
        import_config(file)
    file.write_text("base_model: !!python/object:os.system m\ndatasets: []\n")
    with pytest.raises(ConfigError):
        import_config(file)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-1, 5), st.sampled_from(["x", "1e-4", "no"])
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.sampled_from(["path", "mine"]), SCALARS))
KEYS = ["dataset", "eval_dataset", "dataset_dir", "finetuning_type", "lora_rank", "lora_target", "num_train_epochs"]
KEYS += ["val_size", "max_samples", "warmup_ratio", "warmup_steps", "eval_strategy", "eval_steps", "report_to"]
KEYS += ["quantization_bit", "additional_target", "template", "flash_attn", "learning_rate", "early_stopping_steps"]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.dictionaries(st.sampled_from(["mine", "x"]), VALUES))
def test_anything_is_read_or_refused_in_words(tmp_path_factory: Any, values: dict[str, Any], info: Any) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "f.json"}} | info))
    file = folder / "fuzzed.yaml"
    file.write_text(json.dumps({"model_name_or_path": "m", "stage": "sft", "dataset": "mine"} | values))
    with contextlib.suppress(UserError):
        load(import_config(file).config)


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("model:\n  _component_: torchtune.models.qwen2_5.lora_qwen2_5_0_5b\nepochs: 1\n", "torchtune"),
        ("model: owner/model\ntrain_type: lora\ndataset: mine\n", "ms-swift"),
        ("compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\n", "accelerate"),
    ],
)
def test_a_configuration_of_a_tool_that_is_not_read_says_so(tmp_path: Path, text: str, tool: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"mine.yaml is a configuration of {tool}, which is not read"):
        import_config(file)
