"""The simulated memory of a step is that which torch's profiler sees allocated in a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sanetune.config.load import load
from sanetune.data.prepare import prepare
from sanetune.engine.batch_shape import BatchShape
from sanetune.engine.registry import engine_of
from sanetune.forecast.ahead import shapes
from sanetune.forecast.simulated_step import NotSimulatedError, model_on_meta, simulate
from sanetune.planning.plan import plan
from sanetune.runs import Run

DEMO = Path(__file__).resolve().parents[2] / "sanetune/demo"


def planned(folder: Path, model: dict[str, Any], **train: Any) -> tuple[Any, Any]:
    config = load(
        {
            "model": {"name": str(DEMO / "model"), **model},
            "data": {"train": str(DEMO / "data/train.jsonl"), "max_examples": 60, "holdout": 0.2},
            "train": {"use_cpu": True, "per_device_train_batch_size": 4, **train},
            "run": {"output_dir": str(folder / "run"), "trackers": []},
        }
    )
    prepared = prepare(config)
    return plan(config, prepared).config, prepared


def measured(session: Any, batches: list[Any], evaluated: Any) -> list[int]:
    """Peaks of the first step, of the second one and of an evaluation."""
    from torch.profiler import ProfilerActivity, profile, record_function

    session.set_activation_checkpointing(session.settings.activation_checkpointing)
    alive = sum(one.nbytes for one in {*session.model.parameters(), *session.model.buffers()})
    trained = [weight for weight in session.model.parameters() if weight.requires_grad]
    with profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as profiler, session.optimizer() as optimizer:
        for number in (0, 1):
            with record_function(f"part {number}"):
                session.forward_backward_step(batches)
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
        with record_function("part 2"):
            session.evaluate(evaluated)
    events = profiler.profiler.kineto_results.events()
    begins = [one.start_ns() for name in range(3) for one in events if one.name() == f"part {name}"]
    peaks = [0, 0, 0]
    for event in sorted((one for one in events if one.name() == "[memory]"), key=lambda one: one.start_ns()):
        alive += event.nbytes()
        part = sum(event.start_ns() >= began for began in begins[1:])
        peaks[part] = max(peaks[part], alive)
    return peaks


@pytest.mark.parametrize(
    ("model", "train"),
    [
        ({}, {}),
        ({"adapter": "lora"}, {"gradient_accumulation_steps": 2, "activation_checkpointing": True}),
        ({}, {"bf16": True, "packing": True, "max_length": 256}),
    ],
    ids=["full", "LoRA, accumulated, checkpointed", "packed in bf16"],
)
def test_a_simulated_step_takes_the_memory_of_a_real_one(
    model: dict[str, Any], train: dict[str, Any], tmp_path: Path, one_thread: None
) -> None:
    config, prepared = planned(tmp_path, model, **train)
    found, (step, evaluation) = beside(config, prepared, tmp_path)
    assert found.step == pytest.approx(step, rel=0.01)
    assert found.evaluation == pytest.approx(evaluation, rel=0.01)
    weights = {id(one): one for one in model_on_meta(config).parameters()}.values()
    assert found.gradients == sum(one.nbytes for one in weights if one.requires_grad)


def test_a_loop_that_leaves_padding_out_takes_no_more_than_was_simulated(tmp_path: Path, one_thread: None) -> None:
    found, (step, _) = beside(*planned(tmp_path, {}, engine="accelerate"), tmp_path)
    assert step <= found.step < 1.5 * step


def beside(config: Any, prepared: Any, folder: Path) -> tuple[Any, list[int]]:
    """What is simulated, and the peaks of a real step and of a real evaluation."""
    train_shape, validation_shape = shapes(config, prepared)
    found = simulate(config, model_on_meta(config), train_shape, validation_shape, "cpu")
    session = engine_of(config).build(config, prepared, Run(folder / "run"))
    collated = [
        session.collate([rows[n] for n in sorted(range(len(rows)), key=lambda n: -len(rows[n]["input_ids"]))[:size]])
        for rows, size in (
            (prepared.train, session.settings.per_device_train_batch_size),
            (prepared.validation, session.settings.per_device_eval_batch_size),
        )
    ]
    batches = [collated[0]] * session.settings.gradient_accumulation_steps
    return found, measured(session, batches, collated[1])[1:]


def test_a_larger_batch_takes_more_and_checkpointing_less(tmp_path: Path) -> None:
    config, _ = planned(tmp_path, {})

    def step(rows: int, **train: Any) -> int:
        config.train.given |= train
        shape = BatchShape(rows, 400, 100, 50 * rows, masked=True)
        return simulate(config, model_on_meta(config), shape, None, "cuda").step

    small, large = step(2), step(16)
    assert large > small > step(2, activation_checkpointing=True)


def test_a_model_that_reads_numbers_is_refused_and_not_guessed(tmp_path: Path) -> None:
    config, _ = planned(tmp_path, {})
    model = model_on_meta(config)
    model.register_forward_pre_hook(lambda _, args, kwargs: kwargs["input_ids"].sum().item() and None, with_kwargs=True)
    with pytest.raises(NotSimulatedError):
        simulate(config, model, BatchShape(2, 16, 8, 8, masked=False), None, "cpu")
