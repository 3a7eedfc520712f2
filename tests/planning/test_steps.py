"""Steps and learning rates: the plan's numbers are those of the real trainers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.config import load
from sanetune.planning import plan as planning
from sanetune.planning.schedules import schedule
from sanetune.planning.steps import batches_per_epoch, notes_on, step_plan, steps_per_epoch, warmup_steps
from tests.sizes import sizes

LEAST: dict[str, Any] = {"model": {"name": "m"}, "data": {"train": "d"}}


def planned(examples: int, devices: int = 1, **keys: object):
    return step_plan(load({**LEAST, "train": keys}), sizes(train_examples=examples, devices=devices))


def trainer(folder: Path, examples: int, **keys: object):
    """A real SFTTrainer over ``examples`` tiny rows."""
    import datasets
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0, "<e>": 1}, unk_token="a")))
    tokenizer.pad_token = tokenizer.eos_token = "<e>"
    rows = datasets.Dataset.from_dict({"input_ids": [[1, 2, 3]] * examples, "labels": [[1, 2, 3]] * examples})
    arguments = SFTConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        dataset_kwargs={"skip_prepare_dataset": True},
        **keys,
    )
    return SFTTrainer(model, args=arguments, train_dataset=rows, processing_class=tokenizer)


SIZES = [
    (10, {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 8, "num_train_epochs": 3}),
    (97, {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 8, "num_train_epochs": 3}),
    (
        97,
        {
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 3,
            "num_train_epochs": 1.5,
            "warmup_steps": 0.1,
        },
    ),
    (64, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "warmup_steps": 5}),
    (33, {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2, "dataloader_drop_last": True}),
    (50, {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 5, "max_steps": 17, "warmup_steps": 0.03}),
    (1, {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4}),
    (
        101,
        {
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 7,
            "train_sampling_strategy": "group_by_length",
        },
    ),
]


@pytest.mark.parametrize(("examples", "keys"), SIZES)
def test_steps_are_those_of_the_real_trainer(tmp_path: Path, examples: int, keys: dict) -> None:
    real = trainer(tmp_path, examples, **keys)
    values = real.set_initial_training_values(real.args, real.get_train_dataloader())
    _, per_epoch, _, _, effective, batches, total = values
    plan = planned(examples, **keys)
    assert (plan.steps_per_epoch, plan.effective, plan.batches_per_epoch, plan.total_steps) == (
        per_epoch,
        effective,
        batches,
        total,
    )
    assert plan.warmup_steps == real.args.get_warmup_steps(total)


@pytest.mark.parametrize("name", ["cosine", "linear", "constant_with_warmup"])
def test_a_real_run_takes_the_planned_steps_at_the_planned_learning_rates(tmp_path: Path, name: str) -> None:
    keys = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3, "num_train_epochs": 2}
    keys |= {"learning_rate": 1e-3, "warmup_steps": 0.2, "lr_scheduler_type": name}
    real = trainer(tmp_path, 23, **keys)
    real.train()
    logged = [entry["learning_rate"] for entry in real.state.log_history if "learning_rate" in entry]
    plan = planned(23, **keys)
    assert (plan.last_step_batches, plan.accumulation) == (3, 3)
    assert real.state.global_step == plan.total_steps == len(logged)
    wanted = schedule(name, 1e-3, plan.warmup_steps, plan.total_steps, {}, list(range(1, plan.total_steps + 1)))
    assert logged == pytest.approx(wanted, abs=1e-12)


@given(
    examples=st.integers(1, 500),
    per_device=st.integers(1, 9),
    devices=st.integers(1, 8),
    drop=st.booleans(),
)
def test_batches_are_those_of_accelerates_shards(examples: int, per_device: int, devices: int, drop: bool) -> None:
    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler, SequentialSampler

    sampler = BatchSampler(SequentialSampler(range(examples)), per_device, drop)
    shard = BatchSamplerShard(sampler, num_processes=devices, process_index=devices - 1)
    assert batches_per_epoch(examples, per_device, devices, drop) == len(shard)


@given(batches=st.integers(0, 1000), accumulation=st.integers(1, 64), epochs=st.floats(0.1, 5))
def test_an_epoch_has_at_least_one_step_and_never_more_than_batches(batches, accumulation, epochs) -> None:
    steps = steps_per_epoch(batches, accumulation)
    assert 1 <= steps <= max(1, batches)
    assert (steps - 1) * accumulation < max(1, batches) <= max(1, steps * accumulation)


@pytest.mark.parametrize(
    ("warmup", "total", "want"), [(0, 100, 0), (0.1, 101, 11), (0.03, 10, 1), (1, 10, 1), (50, 10, 50)]
)
def test_warmup_below_one_is_a_share(warmup, total, want) -> None:
    assert warmup_steps(warmup, total) == want


def test_the_equation_says_how_the_batch_comes_about() -> None:
    plan = planned(1000, devices=2, per_device_train_batch_size=4, gradient_accumulation_steps=8)
    assert plan.equation == "4 per device x 8 accumulated x 2 devices = 64"
    assert plan.effective == 64


def test_what_will_not_happen_is_noted() -> None:
    keys = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 8, "warmup_steps": 50, "eval_steps": 100}
    plan = planned(97, eval_strategy="steps", save_steps=100, **keys)
    notes = " ".join(notes_on(plan, evaluates=True, validation_examples=0))
    for words in (
        "has 1 of 32 examples: each weighs 32 times",
        "Warm-up takes all",
        "No evaluation takes place",
        "No checkpoint",
        "no validation rows",
    ):
        assert words in notes


def test_schedules_are_compared_at_the_same_steps() -> None:
    plan = planning.plan_with(
        load({**LEAST, "train": {"learning_rate": 1e-3, "warmup_steps": 10, "max_steps": 100}}),
        sizes(parameters=10**6, hidden=64, train_examples=1000, validation_examples=10, mean_tokens=50),
    )
    table = plan.schedules
    assert set(table.sampled) == {"cosine", "linear", "constant_with_warmup"}
    assert table.sample_steps[0] == 1
    assert table.sample_steps[-1] == 100
    peak = table.sample_steps.index(11)
    for values in table.sampled.values():
        assert values[0] == 0
        assert values[peak] == pytest.approx(1e-3)
    assert table.sampled["cosine"][-1] < table.sampled["linear"][-1] < table.sampled["constant_with_warmup"][-1]


def test_a_schedule_that_follows_the_loss_is_not_invented() -> None:
    config = load({**LEAST, "train": {"lr_scheduler_type": "reduce_lr_on_plateau", "eval_strategy": "steps"}})
    plan = planning.plan_with(
        config, sizes(parameters=10**6, hidden=64, train_examples=100, validation_examples=9, mean_tokens=9)
    )
    assert plan.schedules.undrawable == ("reduce_lr_on_plateau",)


def test_the_table_of_combinations_holds_the_chosen_one_once() -> None:
    config = load({**LEAST, "train": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 8}})
    plan = planning.plan_with(config, sizes(parameters=10**6, hidden=64, train_examples=5000, mean_tokens=9))
    chosen = [one for one in plan.combinations if one.chosen]
    assert [(one.per_device, one.accumulation, one.devices, one.effective) for one in chosen] == [(4, 8, 1, 32)]
    for one in plan.combinations:
        assert one.effective == one.per_device * one.accumulation * one.devices
        assert one.total_steps == math.ceil(3 * one.steps_per_epoch)
