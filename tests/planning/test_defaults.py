"""Unset values: what they become, why, and that what is given stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.config import load
from sanetune.config.sizes import RunSizes
from sanetune.errors import ConfigError
from sanetune.planning.defaults import RULES, resolve
from sanetune.planning.feasibility import refuse_impossible
from sanetune.planning.learning_rates import learning_rate
from sanetune.planning.steps import notes_on, step_plan
from tests.sizes import sizes

SMALL = sizes(
    parameters=260_032, trainable=260_032, hidden=64, train_examples=990, validation_examples=110, mean_tokens=120
)
LARGE = sizes(SMALL, parameters=7_000_000_000, hidden=4096, device="cuda", has_bf16=True, train_examples=52_000)


def made(known: RunSizes = SMALL, model: dict[str, Any] | None = None, **keys: object):
    return resolve(load({"model": {"name": "m", **(model or {})}, "data": {"train": "d"}, "train": keys}), known)


def test_every_inferred_default_has_a_reason() -> None:
    config = made()
    for key in config.train.given:
        origin = config.origins[f"train.{key}"]
        assert origin.kind == "inferred"
        assert len(origin.reason) > 5, key


@pytest.mark.parametrize(
    ("known", "keys", "said"),
    [
        (SMALL, {}, "8 examples per step leave about 200 steps or more"),
        (SMALL, {"max_steps": 60}, "16 examples per step, as max_steps gives the steps"),
        (
            sizes(SMALL, train_examples=100),
            {},
            "4 examples per step, the fewest that are inferred: they leave 75 steps",
        ),
    ],
)
def test_the_reason_of_the_batch_promises_no_steps_that_the_run_has_not(
    known: RunSizes, keys: dict[str, object], said: str
) -> None:
    reason = made(known, **keys).origins["train.gradient_accumulation_steps"].reason
    assert reason.startswith(said)


def test_what_is_given_stays() -> None:
    given = {"learning_rate": 1e-6, "num_train_epochs": 7, "eval_strategy": "epoch", "seed": 1, "bf16": True}
    config = made(**given)
    assert config.train.given.items() >= given.items()
    assert config.train["data_seed"] == 1
    assert config.train["save_strategy"] == "epoch"
    assert config.origins["train.learning_rate"].kind == "given"


def test_resolving_leaves_the_original_open_and_twice_is_once() -> None:
    config = load({"model": {"name": "m"}, "data": {"train": "d"}})
    resolved = resolve(config, SMALL)
    assert config.train.given == {}
    assert config.model.dtype is None
    assert resolve(resolved, SMALL).train.given == resolved.train.given


@pytest.mark.parametrize(
    ("method", "parameters", "hidden", "want", "source"),
    [
        ("full", 7e9, 4096, 2e-5, "Alpaca 7B"),
        ("full", 13e9, 5120, 1e-5, "Alpaca 13B"),
        ("full", 260_032, 64, 7.4e-4, "Tinker"),
        ("lora", 8e9, 4096, 3e-4, "Tinker's sweep"),
        ("lora", 135e6, 576, 1.3e-3, "Tinker's law"),
        ("qlora", 7e9, 4096, 2e-4, "QLoRA"),
        ("qlora", 65e9, 8192, 1e-4, "QLoRA"),
    ],
)
def test_learning_rates_come_from_published_recipes(method, parameters, hidden, want, source) -> None:
    lr, reason = learning_rate(method, int(parameters), hidden)
    assert lr == pytest.approx(want)
    assert source in reason


@given(
    method=st.sampled_from(["full", "lora", "qlora"]), parameters=st.integers(1, 10**12), hidden=st.integers(0, 20_000)
)
def test_no_learning_rate_is_outside_of_what_recipes_have_used(method, parameters, hidden) -> None:
    lr, _ = learning_rate(method, parameters, hidden)
    assert 5e-6 <= lr <= (3e-3 if method != "full" else 2e-2)
    if parameters >= 3e9:
        assert lr <= (1e-4 if method == "full" else 1e-3)


@pytest.mark.parametrize(
    ("known", "model", "want"),
    [
        (SMALL, {}, {"bf16": False, "use_cpu": True, "activation_checkpointing": False}),
        (LARGE, {}, {"bf16": True, "activation_checkpointing": True}),
        (sizes(LARGE, has_bf16=False), {}, {"bf16": False, "fp16": True}),
    ],
)
def test_precision_follows_the_device(known, model, want) -> None:
    assert made(known, model).train.given.items() >= want.items()


@pytest.mark.parametrize(
    ("known", "model", "want"),
    [
        (SMALL, {}, "float32"),
        (LARGE, {}, "float32"),
        (LARGE, {"adapter": "lora"}, "bfloat16"),
        (sizes(LARGE, has_bf16=False), {"adapter": "lora"}, "float16"),
        (SMALL, {"adapter": "lora"}, "float32"),
        (LARGE, {"dtype": "bf16"}, "bfloat16"),
    ],
)
def test_weights_are_only_held_in_16_bits_where_they_are_frozen(known, model, want) -> None:
    assert made(known, model).model.dtype == want


def test_the_best_checkpoint_is_kept_where_there_is_validation() -> None:
    config = made()
    assert config.train["load_best_model_at_end"] is True
    assert config.train["eval_steps"] == config.train["save_steps"]
    assert made(sizes(SMALL, validation_examples=0)).train["load_best_model_at_end"] is False


@pytest.mark.parametrize(
    "keys",
    [
        {"save_steps": 30},
        {"eval_steps": 25},
        {"save_strategy": "best"},
        {"eval_strategy": "epoch"},
        {"save_steps": 0.25},
    ],
)
def test_evaluation_and_saving_fit_each_other_whatever_is_given(keys, tmp_path) -> None:
    from trl import SFTConfig

    config = made(**keys)
    SFTConfig(output_dir=str(tmp_path), **config.train.given)
    assert config.train["load_best_model_at_end"] is True


@given(
    examples=st.integers(1, 10**6),
    validation=st.integers(0, 1000),
    devices=st.integers(1, 16),
    tokens=st.floats(1, 10_000),
    keys=st.fixed_dictionaries(
        {},
        optional={
            "per_device_train_batch_size": st.integers(1, 64),
            "gradient_accumulation_steps": st.integers(1, 64),
            "max_steps": st.integers(1, 5000),
            "eval_steps": st.integers(1, 500),
            "num_train_epochs": st.floats(0.1, 10),
        },
    ),
)
def test_whatever_is_given_the_rest_is_filled_in_and_holds_together(
    examples, validation, devices, tokens, keys
) -> None:
    known = sizes(SMALL, train_examples=examples, validation_examples=validation, devices=devices, mean_tokens=tokens)
    config = made(known, **keys)
    plan = step_plan(config, known)
    assert plan.total_steps >= 1
    assert plan.effective == plan.per_device * plan.accumulation * plan.devices
    assert {key for key, _ in RULES} - set(config.train.given) <= {
        "fp16", "num_train_epochs", "eval_steps", "metric_for_best_model", "greater_is_better"
    }  # fmt: skip
    if not keys:
        assert plan.effective <= max(128, devices)
        assert plan.per_device * tokens <= 16_384 or plan.per_device == 1


def test_a_small_data_set_gets_enough_steps() -> None:
    for examples in (200, 1_000, 10_000, 100_000):
        known = sizes(SMALL, train_examples=examples)
        steps = step_plan(made(known), known).total_steps
        assert steps >= 150, (examples, steps)


def test_no_inferred_batch_is_one_that_the_plan_warns_of() -> None:
    for examples in range(1, 400):
        for devices in (1, 2, 4):
            known = sizes(SMALL, train_examples=examples, devices=devices)
            steps = step_plan(made(known), known)
            notes = notes_on(steps, evaluates=False, validation_examples=1)
            larger = examples < devices  # no batch is smaller than one row for each device
            assert larger or not [note for note in notes if "last step" in note or "larger" in note], (
                examples,
                devices,
            )


@pytest.mark.parametrize(
    ("known", "model", "keys", "says"),
    [
        (sizes(LARGE, has_bf16=False), {}, {"bf16": True}, "does not compute in bf16"),
        (SMALL, {}, {"fp16": True}, "no GPU"),
        (sizes(SMALL, device="mps"), {"adapter": "lora", "quantization": "4bit"}, {}, "Apple's GPU"),
        (sizes(SMALL, validation_examples=0), {}, {"load_best_model_at_end": True}, "no validation rows"),
        (sizes(SMALL, validation_examples=0), {}, {"eval_strategy": "steps"}, "no validation rows"),
        (sizes(SMALL, validation_examples=0), {}, {"early_stopping_patience": 3}, "no validation rows"),
    ],
)
def test_what_cannot_work_here_is_refused(known, model, keys, says) -> None:
    with pytest.raises(ConfigError, match=says):
        made(known, model, **keys)


def test_all_that_needs_validation_rows_is_refused_at_once_and_the_overrides_of_the_message_work() -> None:
    known = sizes(SMALL, validation_examples=0)
    keys = {"load_best_model_at_end": True, "eval_strategy": "steps", "early_stopping_patience": 3}
    with pytest.raises(ConfigError) as refused:
        made(known, **keys)
    assert all(f"train.{key} is" in refused.value.message for key in keys)
    config = {"model": {"name": "o/m"}, "data": {"train": "o/d"}, "train": keys}
    overrides = refused.value.remedy.split("without validation: ")[1].split()
    assert [word.split("=")[0] for word in overrides] == [f"train.{key}" for key in keys]
    refuse_impossible(load(config, overrides), known)
