"""Loading: values, origins, overrides, paths, old names; and what is said about mistakes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.config import load
from sanetune.errors import ConfigError, UserError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LEAST = {"model": {"name": "some/model"}, "data": {"train": "some/data"}}


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "mine.yaml") -> Path:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return write


def train(**keys: object) -> dict:
    return {**LEAST, "train": keys}


def refusal(source, overrides=()) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(source, overrides)
    return caught.value


def test_values_and_where_they_came_from(write) -> None:
    file = write("model:\n  name: some/model\ndata:\n  train: some/data\ntrain:\n  learning_rate: 2e-5\n")
    config = load(file, ["train.seed=7"])
    assert config.train.given == {"learning_rate": 2e-5, "seed": 7}
    assert (config.origins["train.learning_rate"].kind, config.origins["train.learning_rate"].place.line) == ("yaml", 6)
    assert config.origins["train.seed"].kind == "override"
    assert config.origins["data.holdout"].kind == "default"
    assert config.data.holdout == 0.1


def test_a_dict_and_a_config_load_as_well() -> None:
    config = load(train(learning_rate=1e-4), ["data.seed=3"])
    again = load(config, ["train.learning_rate=1e-3"])
    assert (config.train["learning_rate"], again.train["learning_rate"]) == (1e-4, 1e-3)
    assert again.data.seed == 3
    assert again.origins["data.seed"].kind == "override"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_loads(file: Path) -> None:
    assert load(file).run.name == file.stem


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
    from sanetune.config.load import every_key
    from sanetune.config.renames import RENAMES

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


def test_an_override_wins_over_the_other_name_in_the_file() -> None:
    assert load(train(max_seq_length=512), ["train.max_length=64"]).train["max_length"] == 64
    assert load(train(max_length=512), ["train.max_seq_length=64"]).train["max_length"] == 64


@pytest.mark.parametrize("value", [1, 1.5, -0.1, True, "0.1"])
def test_a_warmup_ratio_that_is_no_share_is_an_error(value) -> None:
    assert "share of the steps" in str(refusal(train(warmup_ratio=value)))


def test_warmup_steps_won_over_the_ratio_and_still_do() -> None:
    assert load(train(warmup_ratio=0.1, warmup_steps=50)).train["warmup_steps"] == 50
    assert load(train(warmup_ratio=0.1, warmup_steps=0)).train["warmup_steps"] == 0.1


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("train.learning_rate=2e-5", 2e-5),
        ("train.packing=true", True),
        ("train.max_length=null", None),
        ("train.lr_scheduler_kwargs={num_cycles: 2}", {"num_cycles": 2}),
        ("train.neftune_noise_alpha=5", 5),
        ("train.hub_model_id='a: b'", "a: b"),
    ],
)
def test_overrides_are_typed_as_in_yaml(text, want) -> None:
    assert load(LEAST, [text]).train.given[text.split("=")[0].split(".")[1]] == want


def test_an_override_reaches_into_a_mapping() -> None:
    config = load(
        {**LEAST, "model": {"name": "m", "adapter": "lora"}}, ["model.adapter.r=4", "data.fields.messages=traj"]
    )
    assert config.model.adapter.r == 4
    assert config.data.fields == {"messages": "traj"}


def test_paths_start_from_the_file(write, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    (tmp_path / "model").mkdir()
    file = write("model:\n  name: model\ndata:\n  train: [rows.jsonl, later.jsonl, owner/dataset]\n")
    config = load(file)
    assert config.model.name == str(tmp_path / "model")
    assert [one.path for one in config.data.train] == [
        str(tmp_path / "rows.jsonl"),
        str(tmp_path / "later.jsonl"),
        "owner/dataset",
    ]
    assert config.run.output_dir == str(tmp_path / "runs" / "mine")


def test_paths_in_overrides_start_from_the_current_folder(write, tmp_path: Path, monkeypatch) -> None:
    here = tmp_path / "elsewhere"
    here.mkdir()
    (here / "rows.jsonl").write_text("{}\n")
    file = write("model:\n  name: m\ndata:\n  train: other.jsonl\n")
    monkeypatch.chdir(here)
    config = load(file, ["data.train=rows.jsonl", "run.output_dir=out"])
    assert config.data.train[0].path == str(here / "rows.jsonl")
    assert config.run.output_dir == str(here / "out")


@pytest.mark.parametrize(
    ("values", "near"),
    [
        ({**LEAST, "trian": {}}, "train"),
        ({**LEAST, "learning_rate": 1}, "train.learning_rate"),
        (train(lerning_rate=1), "train.learning_rate"),
        ({**LEAST, "model": {"name": "m", "adaptor": "lora"}}, "model.adapter"),
        ({**LEAST, "model": {"name": "m", "adapter": {"type": "lora", "targets": "x"}}}, "model.adapter.target"),
        ({**LEAST, "data": {"train": [{"path": "x", "wieght": 1}]}}, "data.train.0.weight"),
    ],
)
def test_an_unknown_key_asks_what_was_meant(values, near) -> None:
    assert f"Did you mean {near}" in refusal(values).fix


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("learning_rate: '2e-5'", "a number"),
        ("learning_rate: [1]", "a number"),
        ("learning_rate: true", "a number"),
        ("learning_rate: .nan", "a finite number"),
        ("learning_rate: -1", "a number from 0"),
        ("num_train_epochs: 0", "a number above 0"),
        ("packing: yes", "true or false"),
        ("per_device_train_batch_size: 1.5", "a whole number"),
        ("per_device_train_batch_size: 0", "a number from 1"),
        ("max_steps: 0", "a whole number from 1, or -1"),
        ("lr_scheduler_type: cosin", "one of linear, cosine"),
        ("eval_strategy: false", "one of no, steps, epoch"),
        ("packing_strategy: best", "one of bfd, bfd_split, wrapped"),
        ("loss_type: mse", "one of nll, dft"),
        ("eval_steps: 2.5", "a whole number of steps, or a share"),
        ("fsdp_config: 3", "a mapping or text"),
        ("early_stopping_patience: 0", "a number from 1"),
    ],
)
def test_a_wrong_type_names_line_value_and_what_was_expected(write, line, expected) -> None:
    error = refusal(write(f"model:\n  name: m\ndata:\n  train: d\ntrain:\n  {line}\n"))
    assert expected in error.what
    assert error.place.line == 6
    assert error.fix


def test_every_default_of_sftconfig_is_accepted() -> None:
    from sanetune.config import trl_fields

    for key in trl_fields.fields():
        assert trl_fields.problem(key, trl_fields.default_of(key)) is None, key


def test_an_sftconfig_with_bf16_loads_where_sftconfig_itself_would_refuse() -> None:
    assert load(train(bf16=True)).train["bf16"] is True


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"bf16": True, "fp16": True}, "both true"),
        ({"load_best_model_at_end": True, "eval_strategy": "no"}, "eval_strategy is no"),
        (
            {"load_best_model_at_end": True, "eval_strategy": "epoch", "save_strategy": "steps"},
            "save_strategy is steps",
        ),
        ({"load_best_model_at_end": True, "eval_steps": 100, "save_steps": 150}, "no multiple"),
    ],
)
def test_values_that_cannot_be_meant_together(keys, says) -> None:
    assert says in refusal(train(**keys)).what


def test_remote_code_needs_a_pinned_revision() -> None:
    assert "not pinned" in refusal({**LEAST, "model": {"name": "m", "trust_remote_code": True}}).what


BAD = {
    "empty": ("", "is empty"),
    "only a comment": ("# nothing\n", "is empty"),
    "a list": ("- model\n- data\n", "is a list"),
    "a word": ("hello\n", "not sections"),
    "broken": ("model:\n  name: [a, b\ndata: x\n", "no valid YAML"),
    "tabs": ("model:\n\tname: m\n", "no valid YAML"),
    "twice": ("model:\n  name: a\n  name: b\n", "duplicate key"),
    "section twice": ("model:\n  name: a\nmodel:\n  name: b\n", "duplicate key"),
    "a section that is text": ("model: gpt2\ndata:\n  train: d\n", "not a mapping"),
    "a section that is a list": ("model:\n  - name\ndata:\n  train: d\n", "not a mapping"),
    "a python tag": ("model: !!python/object/apply:os.system ['true']\ndata:\n  train: d\n", "tag"),
    "a tagged value": ("model:\n  name: !secret x\ndata:\n  train: d\n", "not understood"),
    "a number as key": ("model:\n  1: x\ndata:\n  train: d\n", "not a name"),
    "two documents": ("model:\n  name: m\n---\nmodel:\n  name: n\n", "no valid YAML"),
    "no model": ("data:\n  train: d\n", "'model' is missing"),
    "no name": ("model:\n  dtype: bf16\ndata:\n  train: d\n", "model.name is missing"),
    "no data": ("model:\n  name: m\n", "'data' is missing"),
    "an alias to itself": ("model: &a\n  name: *a\ndata:\n  train: d\n", "model.name is"),
    "deep": ("model: " + "[" * 3000 + "]" * 3000, "nested"),
    "a null byte": ("model:\n  name: \0\n", "not allowed"),
    "a date": ("model:\n  name: 2024-01-01\ndata:\n  train: d\n", "not understood"),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_meant_is_told_clearly(write, text, says) -> None:
    error = refusal(write(text))
    assert says in str(error)
    assert error.place is not None
    assert error.place.file


def test_a_yaml_bomb_is_stopped(write) -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    assert "unfolds" in refusal(write("\n".join(lines))).what


def test_missing_file_folder_and_wrong_encoding(tmp_path: Path) -> None:
    assert "there is no configuration file" in refusal(tmp_path / "none.yaml").what
    assert "is a folder" in refusal(tmp_path).what
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"model:\n  name: caf\xe9\n")
    error = refusal(file)
    assert ("UTF-8" in error.what, error.place.line) == (True, 2)
    (tmp_path / "big.yaml").write_bytes(b"#" * 2_000_000)
    assert "larger than" in refusal(tmp_path / "big.yaml").what


@pytest.mark.parametrize("text", ["learning_rate=1", "train.x", "=3", "train.=3", ".x=3", "train.seed=[1", "nope.x=3"])
def test_an_override_that_is_none_is_told(text) -> None:
    assert refusal(LEAST, [text]).fix


@given(st.text(max_size=200))
def test_no_text_whatever_ends_in_a_traceback(text: str) -> None:
    from sanetune.config.yaml_read import parse

    with contextlib.suppress(UserError):
        parse(text, "x.yaml")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["name", "adapter", "train", "fields", "learning_rate", "max_seq_length", "report_to", "r", "freeze"]
)


@given(
    st.dictionaries(
        st.sampled_from(["model", "data", "train", "run", "check", "odd"]),
        st.dictionaries(names, values, max_size=4) | values,
    )
)
def test_no_values_whatever_end_in_a_traceback(source: dict) -> None:
    with contextlib.suppress(UserError):
        load(source)
