"""Counts the steps of a run as the Hugging Face Trainer will, and the learning rate at each of them.

An epoch has ``batches_per_epoch`` batches on each device, ``accumulation`` of which make one optimizer step. Where
transformers rounds, this module rounds alike; the tests compare it with real trainers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sanetune import units
from sanetune.config.schema import Config
from sanetune.config.sizes import RunSizes

FULL_ENOUGH = 0.25
"""Share of a batch in an epoch's last step from which on it has at most twice the noise of the others."""
EXCESS = 0.05
"""Most by which the last step's share of all steps may exceed its share of the rows; from 20 steps per epoch on nothing
does."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The arithmetic of a run. Steps are optimizer steps; examples are packs where the data is packed."""

    per_device: int
    """Examples in one batch on one device."""
    accumulation: int
    """Batches whose gradients are added up for one step."""
    devices: int
    """Devices that train together."""
    effective: int
    """Effective batch size: examples per step."""
    examples: int
    """Training examples; 0: not known (a stream)."""
    batches_per_epoch: int
    """Batches that each device gets in one epoch."""
    steps_per_epoch: int
    """Steps in one epoch, at least 1."""
    last_step_batches: int
    """Batches per device in the last step of an epoch: ``accumulation``, or fewer where they do not divide evenly."""
    epochs: float
    """Epochs that the run covers."""
    total_steps: int
    """Steps in the whole run."""
    warmup_steps: int
    """Steps until the learning rate is at its peak."""
    learning_rate: float
    """The peak learning rate."""
    scheduler: str
    """Name of the schedule, as in ``lr_scheduler_type``."""
    scheduler_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the schedule, as in ``lr_scheduler_kwargs``."""
    warmup_share: float | None = None
    """Share of all steps that the warm-up was given as; None: it was given in steps."""
    eval_steps: int | None = None
    """Steps between two evaluations; None: no evaluation by steps."""
    save_steps: int | None = None
    """Steps between two checkpoints; None: none by steps."""
    logging_steps: int | None = None
    """Steps between two records; None: none by steps."""

    @property
    def equation(self) -> str:
        """The effective batch size with its equation."""
        devices = units.many(self.devices, "device")
        return f"{self.per_device} per device x {self.accumulation} accumulated x {devices} = {self.effective:,}"

    @property
    def last_step_examples(self) -> int:
        """Examples in the last step of an epoch; fewer than are left for it where incomplete batches are dropped."""
        rest = self.examples - (math.ceil(self.examples / self.effective) - 1) * self.effective
        return min(self.last_step_batches * self.per_device * self.devices, rest) if self.last_step_batches else rest

    @property
    def warmup_equation(self) -> str:
        """How the steps of warm-up come about."""
        if self.warmup_share is None:
            return "as given"
        return f"{self.warmup_share:g} x {self.total_steps:,} steps, rounded up"

    def to_json(self) -> dict[str, Any]:
        """The fields and both equations as plain values."""
        fields = asdict(self)
        del fields["warmup_share"]
        return fields | {"equation": self.equation, "warmup_equation": self.warmup_equation}


def step_plan(config: Config, sizes: RunSizes) -> StepPlan:
    """Count the steps of a run with ``config``, whose keys are resolved, on the data and devices of ``sizes``."""
    train = config.train

    def interval(kind: str, *keys: str) -> float | None:
        if train.value(f"{kind}_strategy") != "steps":
            return None
        return next((float(value) for key in keys if (value := train.value(key))), None)

    return count_steps(
        examples=sizes.data.train_examples,
        per_device=int(train.value("per_device_train_batch_size")),
        accumulation=int(train.value("gradient_accumulation_steps")),
        devices=max(1, sizes.machine.devices),
        drop_last=bool(train.value("dataloader_drop_last")),
        epochs=float(train.value("num_train_epochs")),
        max_steps=int(train.value("max_steps")),
        warmup=float(train.value("warmup_steps")),
        learning_rate=float(train.value("learning_rate")),
        scheduler=str(train.value("lr_scheduler_type")),
        scheduler_kwargs=train.value("lr_scheduler_kwargs"),
        eval_every=interval("eval", "eval_steps", "logging_steps"),
        save_every=interval("save", "save_steps"),
        logging_every=interval("logging", "logging_steps"),
    )


def count_steps(
    *,
    examples: int,
    per_device: int,
    accumulation: int,
    devices: int,
    epochs: float,
    learning_rate: float,
    scheduler: str,
    scheduler_kwargs: Mapping[str, Any] | None = None,
    drop_last: bool = False,
    max_steps: int = -1,
    warmup: float = 0,
    eval_every: float | None = None,
    save_every: float | None = None,
    logging_every: float | None = None,
) -> StepPlan:
    """Count the steps of a run.

    Mirrors ``Trainer.set_initial_training_values`` and accelerate's ``BatchSamplerShard`` (even batches).

    >>> plan = count_steps(examples=1000, per_device=4, accumulation=8, devices=2, epochs=3, warmup=0.1,
    ...                    learning_rate=1e-4, scheduler="cosine")
    >>> plan.batches_per_epoch, plan.steps_per_epoch, plan.total_steps, plan.warmup_steps
    (125, 16, 48, 5)

    Args:
        examples: Training examples (or packs); 0 where they are not known.
        per_device: Examples in one batch on one device.
        accumulation: Batches per step and device.
        devices: Devices that train together.
        epochs: Passes over the data, where ``max_steps`` does not say otherwise.
        learning_rate: The peak learning rate.
        scheduler: Name of the schedule.
        scheduler_kwargs: Arguments of the schedule.
        drop_last: Whether a last batch that is not full is left out.
        max_steps: Steps of the whole run; -1: as ``epochs`` says.
        warmup: Steps of warm-up, or below 1 the share of all steps.
        eval_every: Steps between two evaluations, or below 1 the share of all steps; None: none by steps.
        save_every: The same for checkpoints.
        logging_every: The same for records.
    """
    batches = batches_per_epoch(examples, per_device, devices, drop_last)
    per_epoch = steps_per_epoch(batches, accumulation)
    total = max_steps if max_steps > 0 else math.ceil(epochs * per_epoch)
    return StepPlan(
        per_device=per_device,
        accumulation=accumulation,
        devices=devices,
        effective=per_device * accumulation * devices,
        examples=examples,
        batches_per_epoch=batches,
        steps_per_epoch=per_epoch,
        last_step_batches=(batches % accumulation or accumulation) if batches else 0,
        epochs=total / per_epoch if max_steps > 0 else epochs,
        total_steps=total,
        warmup_steps=warmup_steps(warmup, total),
        learning_rate=learning_rate,
        scheduler=scheduler,
        scheduler_kwargs=dict(scheduler_kwargs or {}),
        warmup_share=warmup if 0 < warmup < 1 else None,
        eval_steps=_interval(eval_every, total),
        save_steps=_interval(save_every, total),
        logging_steps=_interval(logging_every, total),
    )


def batches_per_epoch(examples: int, per_device: int, devices: int, drop_last: bool = False) -> int:
    """Return the batches that each device gets in one epoch. Devices get the same number.

    >>> batches_per_epoch(97, 4, 2), batches_per_epoch(97, 4, 2, drop_last=True)
    (13, 12)
    """
    batches = examples // per_device if drop_last else math.ceil(examples / per_device)
    return batches // devices if drop_last else math.ceil(batches / devices)


def steps_per_epoch(batches: int, accumulation: int) -> int:
    """Return the optimizer steps in one epoch, at least 1; the last one may add up fewer batches."""
    return max(math.ceil(batches / accumulation), 1)


def warmup_steps(warmup: float, total: int) -> int:
    """Return the steps of warm-up. ``warmup`` below 1 is a share of all ``total`` steps, which is rounded up."""
    return int(warmup) if warmup >= 1 else math.ceil(total * warmup)


def unevenness(examples: int, effective: int, last: int | None = None) -> tuple[float, float]:
    """Return how full the last step of an epoch is, and how much more it weighs than its rows do.

    >>> unevenness(300, 64)
    (0.6875, 0.053333333333333344)

    Args:
        examples: Training examples (or packs).
        effective: Examples of a whole step.
        last: Examples in the last step; None: what the others leave.

    Returns:
        Share of a batch in it; its share of the steps less its share of the examples.
    """
    steps = math.ceil(examples / effective)
    last = examples - (steps - 1) * effective if last is None else last
    return last / effective, 1 / steps - last / examples


def is_uneven(examples: int, effective: int, last: int | None = None) -> bool:
    """Return whether so few rows fill the last step of an epoch that each weighs far more than another one.

    Arguments as of :func:`unevenness`. It is what the check ``batch-uneven`` warns of.
    """
    share, excess = unevenness(examples, effective, last)
    return share < FULL_ENOUGH and excess > EXCESS


def _interval(value: float | None, total: int) -> int | None:
    """An interval in steps; below 1 it is a share of all steps (``TrainerState.compute_steps``)."""
    if value is None:
        return None
    return max(1, math.ceil(total * value)) if value < 1 else int(value)


def notes_on(plan: StepPlan, *, evaluates: bool, validation_examples: int) -> list[str]:
    """What a reader should know about the numbers of ``plan``, one sentence each.

    Args:
        plan: The steps of a run.
        evaluates: Whether the configuration asks for evaluations.
        validation_examples: Validation examples that there are.
    """
    notes = []
    larger = plan.examples and plan.effective > plan.examples
    if plan.examples and not larger and is_uneven(plan.examples, plan.effective, plan.last_step_examples):
        notes.append(
            f"The last step of every epoch has {plan.last_step_examples:,} of {plan.effective:,} examples: each weighs"
            f" {plan.effective / plan.last_step_examples:.0f} times as much as one in the other steps."
        )
    if larger:
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
    if evaluates and not validation_examples:
        notes.append("Evaluation is asked for, and there are no validation rows.")
    return notes
