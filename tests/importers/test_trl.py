"""The flat YAML of `trl sft --config` as a configuration of ours."""

from __future__ import annotations

import dataclasses
import enum
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import ConfigError
from sanetune.importers import ImportedConfig, import_config, tool_of

BASE: dict[str, Any] = {"model_name_or_path": "owner/model", "dataset_name": "rows"}
CHAT = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
PAIR = {"prompt": "a", "completion": "b"}


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    turns = [[{"role": "user", "content": f"a{n}"}, {"role": "assistant", "content": "b"}] for n in range(20)]
    write(tmp_path / "rows", [{"messages": one} for one in turns])
    write(tmp_path / "pairs", [PAIR] * 40)
    (tmp_path / "rows" / "test.jsonl").write_text(json.dumps(CHAT) + "\n")
    return tmp_path


def imports(values: dict[str, Any]) -> ImportedConfig:
    Path("run.yaml").write_text(yaml.safe_dump(values))
    found = import_config("run.yaml")
    assert found is not None and found.tool == "trl"
    return found


def reads(**values: Any) -> Config:
    return load(imports(BASE | values).config)


def fields() -> list[tuple[str, Any]]:
    """Every key of the command line, with a value that it takes."""
    from trl import ModelConfig, ScriptArguments, SFTConfig
    from trl.scripts.utils import DatasetMixtureConfig

    found = {}
    for kind in (ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig):
        for field in dataclasses.fields(kind):
            value = field.default
            if value is dataclasses.MISSING:
                value = field.default_factory() if field.default_factory is not dataclasses.MISSING else None  # type: ignore[misc]
            value = value.value if isinstance(value, enum.Enum) else value
            found.setdefault(field.name, "x" if value is None and "str" in str(field.type) else value)
    return sorted((key, value) for key, value in found.items() if value is not None)


def test_every_key_of_the_command_line_is_known(project: Path) -> None:
    unknown = []
    for key, value in fields():
        found = imports(BASE | {key: value})
        unknown += [one for one in found.skipped if one.key == key and "not known" in one.reason]
    assert not unknown


def test_trl_is_told_from_other_tools_and_from_ours() -> None:
    assert tool_of(BASE) == "trl"
    assert tool_of(BASE | {"datasets": [{"path": "x"}]}) == "trl"
    assert tool_of({"model_name_or_path": "m", "finetuning_type": "lora", "dataset": "d"}) == "llama-factory"
    assert tool_of({"base_model": "m", "datasets": []}) == "axolotl"
    assert tool_of({"model": {"name": "m"}, "data": {"train": "d"}}) is None


def test_unset_keys_are_those_of_sftconfig_not_inferred(project: Path) -> None:
    from trl import SFTConfig

    config = reads()
    given = {field.name: field.default for field in dataclasses.fields(SFTConfig)}
    for key in ("learning_rate", "num_train_epochs", "max_length", "per_device_train_batch_size", "weight_decay"):
        assert config.train[key] == given[key], key
    assert (config.model.dtype, config.model.adapter, config.run.trackers) == ("float32", None, [])
    assert config.data.overlong == "cut" and config.train["eval_strategy"] == "no"


@pytest.mark.parametrize(
    ("folder", "values", "loss_on"),
    [
        ("rows", {}, "all"),
        ("rows", {"assistant_only_loss": True}, "assistant"),
        ("pairs", {}, "last"),
        ("pairs", {"completion_only_loss": False}, "all"),
        ("pairs", {"completion_only_loss": True}, "last"),
    ],
)
def test_the_tokens_in_the_loss_are_those_of_trl(
    folder: str, values: dict[str, Any], loss_on: str, project: Path
) -> None:
    assert reads(dataset_name=folder, **values).data.loss_on == loss_on


def test_rows_that_cannot_be_read_here_leave_a_note_about_the_loss(project: Path) -> None:
    found = imports(BASE | {"dataset_name": "owner/nowhere-at-all"})
    assert any(one.key == "completion_only_loss" and "no row can be read" in one.reason for one in found.skipped)


def test_validation_rows_are_read_where_the_run_evaluates(project: Path) -> None:
    config = reads(eval_strategy="steps", eval_steps=5)
    assert config.data.validation is not None and config.data.validation[0].split == "test"
    assert (config.train["eval_strategy"], config.train["eval_steps"]) == ("steps", 5)
    assert reads().data.validation is None or reads().train["eval_strategy"] == "no"


def test_an_adapter_takes_the_modules_that_peft_would(project: Path, shared: Path) -> None:
    model = str(shared / "models" / "stories260k")
    adapter = reads(model_name_or_path=model, use_peft=True, lora_r=4, use_rslora=True).model.adapter
    assert adapter is not None
    assert (adapter.r, adapter.alpha, adapter.target, adapter.rslora) == (4, 32, ["q_proj", "v_proj"], True)
    named = reads(use_peft=True, lora_target_modules=["all-linear"], load_in_4bit=True).model
    assert named.adapter is not None and named.adapter.target == "all-linear" and named.quantization == "4bit"
    assert reads(lora_r=4).model.adapter is None


def test_a_mixture_is_read_with_its_shares(project: Path) -> None:
    mixture = [{"path": "rows", "fraction": 0.5}, {"path": "json", "data_files": "pairs/train.jsonl", "fraction": 0.5}]
    config = reads(datasets=mixture, test_split_size=0.2)
    assert [(Path(one.path).name, one.limit) for one in config.data.train] == [("rows", 20), ("train.jsonl", 20)]
    assert config.data.holdout == 0.2


def test_old_names_and_gone_keys_are_understood(project: Path) -> None:
    found = imports(
        BASE | {"max_seq_length": 77, "warmup_ratio": "0.1", "torch_dtype": "bfloat16", "save_safetensors": True}
        | {"report_to": "wandb", "output_dir": "out", "gradient_checkpointing": True}
        | {"model_init_kwargs": {"revision": "v1"}}
    )  # fmt: skip
    config = load(found.config)
    assert (config.train["max_length"], config.train["warmup_steps"]) == (77, 0.1)
    assert (config.model.dtype, config.model.revision, config.run.trackers) == ("bfloat16", "v1", ["wandb"])
    assert config.train["activation_checkpointing"] is True
    assert config.run.output_dir == str(project / "out")


def test_another_trainer_of_trl_is_refused(project: Path) -> None:
    Path("run.yaml").write_text(yaml.safe_dump(BASE | {"beta": 0.1}))
    with pytest.raises(ConfigError, match="no supervised fine-tuning"):
        import_config("run.yaml")


TOOLS = {
    "trl": {
        "dataset_name": "rows", "eval_strategy": "steps", "eval_steps": 2, "learning_rate": "1e-4", "max_length": 200,
    },
    "axolotl": {
        "datasets": [{"path": "rows/train.jsonl", "type": "chat_template", "ds_type": "json"}],
        "chat_template": "chatml", "val_set_size": 0.2, "micro_batch_size": 2, "num_epochs": 2, "sequence_len": 200,
    },
    "llama-factory": {
        "stage": "sft", "finetuning_type": "full", "dataset": "mine", "dataset_dir": ".", "template": "chatml",
        "cutoff_len": 200, "val_size": 0.2, "eval_strategy": "epoch",
    },
}  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_a_converted_file_has_the_plan_of_the_original_also_from_another_folder(
    tool: str, project: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sanetune import plan

    monkeypatch.setenv("SANETUNE_CACHE", str(project / "cache"))
    (project / "dataset_info.json").write_text(
        json.dumps({"mine": {"file_name": "rows/train.jsonl", "formatting": "sharegpt",
                             "columns": {"messages": "messages"}}})
    )  # fmt: skip
    (project / "t.jinja").write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    key = "base_model" if tool == "axolotl" else "model_name_or_path"
    values: dict[str, Any] = {key: str(shared / "models" / "stories260k"), **TOOLS[tool]}
    values |= {"chat_template_path": "t.jinja"} if tool == "trl" else {}
    Path("mine.yaml").write_text(yaml.safe_dump(values))
    (project / "sub").mkdir()
    done = CliRunner().invoke(main, ["init", "--from", "mine.yaml", "--out", "sub/ours.yaml"])
    assert done.exit_code == 0, done.output
    assert "Next: sanetune data sub/ours.yaml" in done.stdout
    with pytest.warns() if "not carried over" in done.stderr else _nothing():
        before = plan("mine.yaml")
    monkeypatch.chdir(project / "sub")
    after = plan("ours.yaml")
    assert before.steps == after.steps
    assert _values(before.config) == _values(after.config)


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


def _values(config: Config) -> dict[str, Any]:
    values = config.model_dump()
    values["run"].pop("output_dir")  # beside the file
    return values


@pytest.mark.parametrize("command", ["plan", "data", "check", "train"])
def test_every_command_takes_it(command: str, project: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is not there ends each of them, once the file is understood."""
    Path("mine.yaml").write_text(yaml.safe_dump(BASE | {"model_name_or_path": "./nowhere", "pad_token": "x"}))
    done = CliRunner().invoke(main, [command, "mine.yaml", "check.level=static"])
    assert "! trl: not carried over: pad_token" in done.stderr
    assert "nowhere" in done.output and "Traceback" not in done.output


def test_init_wants_a_model_and_data_or_a_file_to_convert(project: Path) -> None:
    assert "Give MODEL and DATA, or --from FILE" in CliRunner().invoke(main, ["init"]).stderr
    Path("run.yaml").write_text("model: {name: m}\ndata: {train: d}\n")
    done = CliRunner().invoke(main, ["init", "--from", "run.yaml"])
    assert done.exit_code == 2 and "no configuration of Axolotl, LLaMA-Factory or `trl sft`" in done.stderr
    Path("mine.yaml").write_text(yaml.safe_dump(BASE))
    Path("sanetune.yaml").write_text("mine")
    assert "is there already" in CliRunner().invoke(main, ["init", "--from", "mine.yaml"]).stderr
    assert Path("sanetune.yaml").read_text() == "mine"


@pytest.mark.parametrize("starts", [True, False], ids=["start token", "none"])
def test_plain_pairs_become_the_tokens_that_trl_trains_on(shared: Path, project: Path, starts: bool) -> None:
    from transformers import AutoTokenizer

    from sanetune.data.prepare import prepare

    model = shared / "models" / "stories260k" if starts else project / "model"
    if not starts:  # GPT-2 names a start token, and puts it before no text
        model.mkdir()
        named = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
        (model / "tokenizer_config.json").write_text(json.dumps(named | {"bos_token": "<|endoftext|>"}))
        (model / "tokenizer.json").write_bytes((shared / "tokenizers" / "gpt2" / "tokenizer.json").read_bytes())
    rows = [{"prompt": f"Tell me about the {n} cats.", "completion": f" There are {n} cats."} for n in range(12)]
    write(project / "plain", rows)
    examples = prepare(reads(model_name_or_path=str(model), dataset_name="plain")).first("train", 12)
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert examples is not None
    for row, example in zip(rows, examples, strict=True):
        wanted = tokenizer(row["prompt"] + row["completion"] + tokenizer.eos_token)["input_ids"]
        assert list(example["input_ids"]) == wanted
        prompt = len(tokenizer(row["prompt"])["input_ids"])
        assert [label for label in example["labels"] if label != -100] == wanted[prompt:]
    assert reads(dataset_name="rows").model.chat_template is None


def test_a_file_has_no_test_split_so_that_an_evaluation_gets_a_tenth_of_its_rows(project: Path) -> None:
    found = imports(BASE | {"dataset_name": "rows/train.jsonl", "eval_strategy": "epoch"})
    assert load(found.config).data.holdout == 0.1 and not load(found.config).data.validation
    assert any("a tenth of the rows" in one.reason for one in found.skipped)
    sized = imports(BASE | {"dataset_name": "rows/train.jsonl", "eval_strategy": "epoch", "test_split_size": 0.25})
    assert load(sized.config).data.holdout == 0.25 and not sized.skipped


def test_a_mixture_of_open_r1_is_read_with_its_weights_and_its_held_out_share(project: Path) -> None:
    mixture = {
        "datasets": [
            {"id": "rows", "split": "train", "columns": ["messages"], "weight": 0.5},
            {"id": "owner/more", "config": "all", "split": "train_sft"},
            {"id": "owner/none", "weight": 0},
        ],
        "seed": 0,
        "test_split_size": 0.1,
    }
    values = {"model_name_or_path": "owner/model", "dataset_mixture": mixture, "eval_strategy": "steps"}
    found = imports(values)
    config = load(found.config)
    assert [(one.path, one.weight, one.split, one.subset) for one in config.data.train] == [
        (str(project / "rows"), 0.5, None, None),
        ("owner/more", 1.0, "train_sft", "all"),
    ]
    assert config.data.holdout == 0.1
    noted = [one.key.removeprefix("dataset_mixture.datasets.") for one in found.skipped]
    assert noted == ["0.columns", "2"]


def test_a_mixer_of_the_alignment_handbook_takes_shares_of_training_rows_and_whole_test_splits(project: Path) -> None:
    values = {
        "model_name_or_path": "owner/model",
        "dataset_mixer": {"owner/ultrachat": 0.5, "owner/other": 1.0},
        "dataset_splits": ["train_sft", "test_sft"],
        "evaluation_strategy": "epoch",
    }
    data = load(imports(values).config).data
    assert sorted((one.path, one.split, one.weight) for one in data.train) == [
        ("owner/other", "train_sft", 1.0),
        ("owner/ultrachat", "train_sft", 0.5),
    ]
    assert sorted((one.path, one.split, one.weight) for one in data.validation) == [
        ("owner/other", "test_sft", 1.0),
        ("owner/ultrachat", "test_sft", 1.0),
    ]


def test_a_template_that_is_written_into_the_file_is_used(project: Path) -> None:
    text = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}"
    found = imports(BASE | {"chat_template": text})
    assert load(found.config).model.chat_template == text
    assert not [one for one in found.skipped if one.key == "chat_template"]


def test_a_note_on_a_long_value_is_short(project: Path) -> None:
    found = imports(BASE | {"something": "x" * 5_000})
    assert len(str(next(one for one in found.skipped if one.key == "something"))) < 250


def test_an_override_with_nothing_is_written_into_a_converted_file(project: Path) -> None:
    Path("mine.yaml").write_text(yaml.safe_dump(BASE | {"load_in_4bit": True, "use_peft": True}))
    overrides = ["model.quantization=null", "train.learning_rate=1e-4"]
    done = CliRunner().invoke(main, ["init", "--from", "mine.yaml", "--out", "ours.yaml", *overrides])
    assert done.exit_code == 0, done.output
    config = load(Path("ours.yaml"))
    assert (config.model.quantization, config.train.get("learning_rate")) == (None, 1e-4)
