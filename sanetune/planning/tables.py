"""The tables of a plan: common batch sizes and schedules, beside those of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sanetune.config.schema import Config
from sanetune.planning import steps
from sanetune.planning.schedules import schedule
from sanetune.planning.steps import StepPlan

COMPARED = ("cosine", "linear", "constant_with_warmup")
"""Schedules that every plan shows beside the chosen one."""

COMBINATIONS = ((1, 8, 1), (2, 8, 1), (4, 4, 1), (4, 8, 1), (8, 4, 1), (4, 8, 2), (4, 8, 4), (4, 4, 8), (8, 2, 8))
"""Common (examples per device, accumulated batches, devices)."""

POINTS = 200
"""Points of a drawn schedule."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One row of the table of common configurations."""

    per_device: int
    """Examples in one batch on one device."""
    accumulation: int
    """Batches per step and device."""
    devices: int
    """Devices that train together."""
    effective: int
    """Examples per step."""
    steps_per_epoch: int
    total_steps: int
    chosen: bool
    """Whether it is that of the configuration."""


@dataclass(frozen=True, slots=True)
class Schedules:
    """Learning rates of several schedules, by name, at the same steps. Steps are counted from 1."""

    sample_steps: list[int]
    """About ten steps for a table."""
    sampled: dict[str, list[float]]
    """Schedule -> learning rate in each of ``sample_steps``."""
    steps: list[int]
    """About 200 steps for a drawing."""
    curves: dict[str, list[float]]
    """Schedule -> learning rate in each of ``steps``."""
    undrawable: tuple[str, ...] = ()
    """Schedules that depend on the loss, which nobody can draw beforehand."""


def combinations(config: Config, examples: int, plan: StepPlan) -> list[Combination]:
    """Compare common batch sizes with that of ``plan``, for a run of ``config`` over this many training examples."""
    chosen = (plan.per_device, plan.accumulation, plan.devices)
    drop = bool(config.train.value("dataloader_drop_last"))
    max_steps = int(config.train.value("max_steps"))
    table = []
    for each in sorted({*COMBINATIONS, chosen}, key=lambda one: (math.prod(one), one[2], one[0])):
        per_device, accumulation, devices = each
        batches = steps.batches_per_epoch(examples, per_device, devices, drop)
        per_epoch = steps.steps_per_epoch(batches, accumulation)
        total = max_steps if max_steps > 0 else math.ceil(float(config.train.value("num_train_epochs")) * per_epoch)
        table.append(Combination(*each, math.prod(each), per_epoch, total, each == chosen))
    return table


def schedules(plan: StepPlan) -> Schedules:
    """Compare the plan's schedule with the usual ones, at its learning rate and warm-up."""
    total = max(1, plan.total_steps)
    samples = sorted({1, max(1, plan.warmup_steps // 2), min(total, plan.warmup_steps + 1)} | _spread(total, 9))
    points = sorted(_spread(total, POINTS) | {min(total, plan.warmup_steps + 1)})
    sampled, curves, undrawable = {}, {}, []
    for name in dict.fromkeys((plan.scheduler, *COMPARED)):
        kwargs = plan.scheduler_kwargs if name == plan.scheduler else {}
        try:
            sampled[name] = schedule(name, plan.learning_rate, plan.warmup_steps, total, kwargs, samples)
            curves[name] = schedule(name, plan.learning_rate, plan.warmup_steps, total, kwargs, points)
        except (ValueError, TypeError):
            if name in COMPARED:
                raise
            undrawable.append(name)
    return Schedules(samples, sampled, points, curves, tuple(undrawable))


def _spread(total: int, count: int) -> set[int]:
    """About ``count`` whole steps from 1 to ``total``."""
    return {1 + round(i * (total - 1) / max(1, count - 1)) for i in range(count)}
