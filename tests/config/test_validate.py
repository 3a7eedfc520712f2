"""Keys, types and ranges: what is refused, and what is said about it."""

from __future__ import annotations

import pytest

from sanetune.config import load
from sanetune.config.draft import Draft
from sanetune.config.keys import check_keys, every_key
from sanetune.config.source import read_source
from sanetune.config.validate import validate
from sanetune.errors import ConfigError
from tests.config.sources import LEAST, refusal, train


def test_known_keys_pass_and_every_key_is_listed() -> None:
    check_keys(Draft({"train": {"seed": 1, "early_stopping_patience": 2}}))
    assert {"model.name", "train.learning_rate", "train.engine"} <= set(every_key())
    assert "train.given" not in every_key()
    with pytest.raises(ConfigError, match=r"there is no key 'train\.given'"):
        check_keys(Draft({"train": {"given": {}}}))


def test_keys_of_sftconfig_stand_apart_and_null_leaves_them_unset() -> None:
    draft = read_source(train(learning_rate=None, max_length=None, early_stopping_patience=3))
    section = validate(draft).train
    assert (section.given, section.early_stopping_patience) == ({"max_length": None}, 3)


def test_each_value_has_one_origin(write) -> None:
    file = write("model:\n  name: m\n  adapter:\n    r: 8\ndata:\n  train: d\n")
    origins = validate(read_source(file)).origins
    assert [str(origins[key]) for key in ("model.adapter", "data.seed")] == [f"from {file}:3", "default"]
    assert "model.adapter.r" not in origins
    assert str(load(file, ["model.adapter.r=4"]).origins["model.adapter"]) == "given on the command line"


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
    assert f"Did you mean {near}" in refusal(values).remedy


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
        ("max_steps: 1000000000", "a number below 1,000,000,000"),
        ("max_steps: 99999999999999999999", "a number below 1,000,000,000"),
        ("num_train_epochs: 1e30", "a number below 1,000,000,000"),
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
    assert expected in error.message
    assert error.place.line == 6
    assert error.remedy


@pytest.mark.parametrize("value", ["10%", "10 %", '"10%"'])
def test_a_share_in_percent_gets_its_number(write, value) -> None:
    error = refusal(write(f"model:\n  name: m\ndata:\n  train: d\n  holdout: {value}\n"))
    assert error.remedy == "Write holdout: 0.1"
    words = refusal(write(f"model:\n  name: m\ndata:\n  train: d\ntrain:\n  gradient_accumulation_steps: {value}\n"))
    assert "0.1" not in words.remedy, "it counts"


def test_a_name_where_a_list_belongs_is_shown_as_a_list(write) -> None:
    error = refusal(write("model:\n  name: m\ndata:\n  train: d\ncheck:\n  ignore: curve-nan\n"))
    assert error.remedy == "Write ignore: [curve-nan], as an override check.ignore=[curve-nan]."


def test_a_configuration_may_have_as_many_steps_as_a_log() -> None:
    from sanetune.config import trl_fields
    from sanetune.curves.logs import entries

    assert trl_fields.MOST_STEPS == entries.MOST_STEPS
    assert load(train(max_steps=999_999_999)).train["max_steps"] == 999_999_999


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
        ({"optim": "galore_adamw"}, "no checkpoint can hold"),
        ({"optim": "adamw_torch_8bit"}, "no checkpoint can hold"),
    ],
)
def test_values_that_cannot_be_meant_together(keys, says) -> None:
    assert says in refusal(train(**keys)).message


@pytest.mark.parametrize("keys", [{"save_only_model": True}, {"save_strategy": "no"}])
def test_an_optimizer_with_objects_is_taken_where_its_state_is_not_saved(keys) -> None:
    assert load(train(optim="apollo_adamw", **keys)).train["optim"] == "apollo_adamw"


def test_remote_code_needs_a_pinned_revision() -> None:
    model = {"name": "m", "trust_remote_code": True}
    assert "not pinned" in refusal({**LEAST, "model": model}).message
    for moves in ("main", "v1.0", "0123abc"):
        assert f"{moves}, which can move" in refusal({**LEAST, "model": model | {"revision": moves}}).message
    assert load({**LEAST, "model": model | {"revision": "0" * 40}}).model.trust_remote_code
