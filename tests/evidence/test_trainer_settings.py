"""A built trainer in numbers: the same as those of the plan for the same arguments."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM, TrainingArguments

from sanetune.evidence.trainer_settings import settings_of
from sanetune.planning.steps import count_steps


def trainer(tmp_path: Path, rows: Any, validation: Any = None, **keys: Any) -> Any:
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    )
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none", disable_tqdm=True, **keys)
    no_callbacks = SimpleNamespace(callbacks=[])
    return SimpleNamespace(
        model=model, args=args, train_dataset=rows, eval_dataset=validation, callback_handler=no_callbacks
    )


def test_its_steps_are_those_of_the_plan(tmp_path: Path) -> None:
    keys = {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 4, "num_train_epochs": 2.5}
    more = {"warmup_steps": 0.1, "eval_strategy": "steps", "eval_steps": 0.25, "save_strategy": "epoch"}
    found = settings_of(trainer(tmp_path, [0] * 100, [0] * 7, **keys, **more), "last")
    assert found.steps == count_steps(
        examples=100, per_device=3, accumulation=4, devices=1, epochs=2.5, warmup=0.1, learning_rate=5e-5,
        scheduler="linear", eval_every=0.25, logging_every=500,
    )  # fmt: skip
    assert (found.steps.steps_per_epoch, found.steps.total_steps, found.steps.eval_steps) == (9, 23, 6)
    assert (found.data.train_examples, found.data.validation_examples, found.data.loss_on) == (100, 7, "last")
    assert (found.monitoring.eval_strategy, found.monitoring.save_strategy) == ("steps", "epoch")
    assert (found.machine.device, found.model.method, found.model.hidden) == ("cpu", "full", 8)


def test_of_a_stream_the_run_is_one_epoch(tmp_path: Path) -> None:
    found = settings_of(trainer(tmp_path, iter([0]), iter([0]), max_steps=50), "assistant")
    assert (found.steps.steps_per_epoch, found.steps.total_steps, found.steps.epochs) == (50, 50, 1.0)
    assert (found.data.train_examples, found.data.validation_examples) == (0, 0)
    assert found.data.validation_size_unknown


@pytest.mark.parametrize(("rows", "count"), [({"a": [0] * 3, "b": [0] * 4}, 7), (None, 0)])
def test_validation_rows_are_counted_over_all_sets(tmp_path: Path, rows: Any, count: int) -> None:
    found = settings_of(trainer(tmp_path, [0] * 10, rows), "all")
    assert (found.data.validation_examples, found.data.validation_size_unknown) == (count, False)


def test_a_built_optimizer_counts_and_not_the_arguments(tmp_path: Path) -> None:
    import torch

    plain = trainer(tmp_path, [0] * 10, warmup_steps=5)
    assert (settings_of(plain, "all").steps.learning_rate, settings_of(plain, "all").given["optim"]) == (
        5e-5,
        "adamw_torch_fused",
    )
    weights = list(plain.model.parameters())
    groups = [{"params": weights[:1], "lr": 1.0}, {"params": weights[1:], "lr": 3e-3}]
    plain.optimizer = torch.optim.SGD(groups)
    plain.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(plain.optimizer, lambda step: min(1.0, step / 10))
    found = settings_of(plain, "all")
    largest = 1.0 if weights[0].numel() > sum(one.numel() for one in weights[1:]) else 3e-3
    assert found.steps.learning_rate == largest  # of the schedule's start, not the zero of its first step
    assert found.given["optim"] == "SGD"
    assert found.steps.warmup_steps == 0


def test_an_optimizer_given_as_a_class_counts_too(tmp_path: Path) -> None:
    import torch

    given = trainer(tmp_path, [0] * 10)
    given.optimizer_cls_and_kwargs = (torch.optim.Adagrad, {"lr": 0.5})
    found = settings_of(given, "all")
    assert (found.steps.learning_rate, found.given["optim"]) == (0.5, "Adagrad")
