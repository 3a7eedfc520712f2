"""Steps: how many, how many examples in each, and the learning rate at each; all as the HF Trainer will count them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from sanetune import units
from sanetune.config.facts import Facts
from sanetune.config.schema import Config


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The arithmetic of a run."""

    per_device: int
    """Examples (or packs) in one batch on one device."""
    accumulation: int
    """Batches whose gradients are added up for one step."""
    devices: int
    effective: int
    """Effective batch size: examples behind one step."""
    equation: str
    """The effective batch size with its equation, as text."""
    examples: int
    """Training examples (or packs)."""
    batches_per_epoch: int
    """Batches that each device sees in one epoch."""
    steps_per_epoch: int
    last_step_batches: int
    """Batches per device in the last step of an epoch; fewer than ``accumulation`` where they do not come out even."""
    epochs: float
    """Epochs that the run covers."""
    total_steps: int
    warmup_steps: int
    warmup_equation: str
    learning_rate: float
    scheduler: str
    scheduler_kwargs: dict[str, Any] = field(default_factory=dict)
    eval_steps: int | None = None
    """Steps between two evaluations; None: no evaluation by steps."""
    save_steps: int | None = None
    logging_steps: int | None = None
    notes: tuple[str, ...] = ()
    """What the reader should know about these numbers."""


def step_plan(config: Config, facts: Facts) -> StepPlan:
    """The steps of a run with ``config`` on data and devices of ``facts``.

    Mirrors ``Trainer.set_initial_training_values`` and accelerate's ``BatchSamplerShard`` (even batches): tests
    compare both.
    """
    train = config.train
    per, accumulation = int(train.value("per_device_train_batch_size")), int(train.value("gradient_accumulation_steps"))
    devices = max(1, facts.devices)
    batches = batches_per_epoch(facts.train_examples, per, devices, bool(train.value("dataloader_drop_last")))
    per_epoch = steps_per_epoch(batches, accumulation)
    max_steps, epochs = int(train.value("max_steps")), float(train.value("num_train_epochs"))
    total = max_steps if max_steps > 0 else math.ceil(epochs * per_epoch)
    warmup = train.value("warmup_steps")
    steps = warmup_steps(warmup, total)
    plan = StepPlan(
        per_device=per,
        accumulation=accumulation,
        devices=devices,
        effective=per * accumulation * devices,
        equation=f"{per} per device x {accumulation} accumulated x {devices} device{'s' * (devices > 1)}"
        f" = {per * accumulation * devices:,}",
        examples=facts.train_examples,
        batches_per_epoch=batches,
        steps_per_epoch=per_epoch,
        last_step_batches=(batches % accumulation or accumulation) if batches else 0,
        epochs=total / per_epoch if max_steps > 0 else epochs,
        total_steps=total,
        warmup_steps=steps,
        warmup_equation=f"{warmup:g} x {total:,} steps, rounded up" if 0 < warmup < 1 else "as given",
        learning_rate=float(train.value("learning_rate")),
        scheduler=str(train.value("lr_scheduler_type")),
        scheduler_kwargs=dict(train.value("lr_scheduler_kwargs") or {}),
        eval_steps=_interval(train.value("eval_steps") or train.value("logging_steps"), total)
        if train.value("eval_strategy") == "steps"
        else None,
        save_steps=_interval(train.value("save_steps"), total) if train.value("save_strategy") == "steps" else None,
        logging_steps=_interval(train.value("logging_steps"), total)
        if train.value("logging_strategy") == "steps"
        else None,
        notes=(),
    )
    object.__setattr__(plan, "notes", tuple(_notes(plan, config, facts)))
    return plan


def batches_per_epoch(examples: int, per_device: int, devices: int, drop_last: bool = False) -> int:
    """Batches on each device: a last, smaller batch counts unless dropped, and devices share evenly."""
    batches = examples // per_device if drop_last else math.ceil(examples / per_device)
    return batches // devices if drop_last else math.ceil(batches / devices)


def steps_per_epoch(batches: int, accumulation: int) -> int:
    """Optimizer steps in one epoch: the last one may add up fewer batches; at least one."""
    return max(math.ceil(batches / accumulation), 1)


def warmup_steps(warmup: float, total: int) -> int:
    """Steps of warm-up: a number from 1 is a number of steps, one below 1 a share of all steps, rounded up."""
    return int(warmup) if warmup >= 1 else math.ceil(total * warmup)


def _interval(value: float | None, total: int) -> int | None:
    """An interval in steps; below 1 it is a share of all steps (``TrainerState.compute_steps``)."""
    if value is None:
        return None
    return max(1, math.ceil(total * value)) if value < 1 else int(value)


def _notes(plan: StepPlan, config: Config, facts: Facts) -> list[str]:
    notes = []
    if plan.examples and 0 < plan.last_step_batches < plan.accumulation:
        notes.append(
            f"The last step of every epoch adds up {plan.last_step_batches} of {plan.accumulation} batches:"
            f" {units.many(plan.batches_per_epoch, 'batch', 'batches')} per epoch cannot be shared out evenly."
        )
    if plan.examples and plan.effective > plan.examples:
        notes.append(
            f"The effective batch of {plan.effective:,} is larger than the data:"
            f" {units.many(plan.examples, 'training example')}."
        )
    if plan.warmup_steps >= plan.total_steps > 0:
        notes.append(f"Warm-up takes all {plan.total_steps:,} steps: the full learning rate is never reached.")
    if plan.eval_steps and plan.eval_steps > plan.total_steps:
        notes.append(f"No evaluation takes place: one is due every {plan.eval_steps:,} steps of {plan.total_steps:,}.")
    if plan.save_steps and plan.save_steps > plan.total_steps:
        notes.append(
            f"No checkpoint is due before the end: one every {plan.save_steps:,} steps of {plan.total_steps:,}."
        )
    if config.train.value("eval_strategy") != "no" and not facts.validation_examples:
        notes.append("Evaluation is asked for, and there are no validation rows.")
    return notes


def schedule(name: str, rate: float, warmup: int, total: int, kwargs: dict[str, Any], steps: list[int]) -> list[float]:
    """Learning rate used in each of ``steps`` (counted from 1), from transformers' own scheduler functions.

    Raises ValueError for schedules that depend on the loss (reduce_lr_on_plateau, greedy), which nobody can draw
    beforehand.
    """
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    made = get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=dict(kwargs))
    if not isinstance(made, torch.optim.lr_scheduler.LambdaLR):
        raise ValueError(f"{name} depends on the loss")
    factor = made.lr_lambdas[0]
    return [rate * float(factor(step - 1)) for step in steps]
