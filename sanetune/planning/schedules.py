"""Learning-rate schedules as transformers draws them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Factor = Callable[[int, int, int], float]
"""(steps made, steps of warm-up, steps of the run) -> share of the peak after the warm-up."""


def _linear(step: int, warmup: int, total: int) -> float:
    return max(0.0, (total - step) / max(1, total - warmup))


def _cosine(step: int, warmup: int, total: int) -> float:
    progress = (step - warmup) / max(1, total - warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


USUAL: dict[str, Factor] = {
    "linear": _linear,
    "cosine": _cosine,
    "constant_with_warmup": lambda step, warmup, total: 1.0,
}
"""Schedules that are drawn here: transformers' functions take seconds to import, since torch's compiler and peft come
with them. A test compares the two."""


def schedule(
    name: str, peak_lr: float, warmup: int, total: int, kwargs: Mapping[str, Any], steps: list[int]
) -> list[float]:
    """Return the learning rate in each of ``steps``.

    Args:
        name: The schedule, as in ``lr_scheduler_type``.
        peak_lr: Its highest learning rate.
        warmup: Steps of warm-up.
        total: Steps of the run.
        kwargs: Arguments of the schedule, as in ``lr_scheduler_kwargs``.
        steps: Steps, counted from 1.

    Raises:
        ValueError: The schedule depends on the loss (reduce_lr_on_plateau, greedy): nobody can draw it beforehand.

    >>> schedule("linear", 1.0, 2, 6, {}, [1, 2, 3, 5])
    [0.0, 0.5, 1.0, 0.5]
    """
    if name in USUAL and not kwargs:
        factors = (_with_warmup(USUAL[name], step - 1, warmup, total) for step in steps)
        return [peak_lr * factor for factor in factors]
    return schedule_of_library(name, peak_lr, warmup, total, kwargs, steps)


def _with_warmup(factor: Factor, step: int, warmup: int, total: int) -> float:
    return step / max(1, warmup) if step < warmup else factor(step, warmup, total)


def schedule_of_library(
    name: str, peak_lr: float, warmup: int, total: int, kwargs: Mapping[str, Any], steps: list[int]
) -> list[float]:
    """As :func:`schedule`, from transformers' own functions, for any name; ``warmup`` and ``total`` in steps."""
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak_lr)
    made = get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=dict(kwargs))
    if not isinstance(made, torch.optim.lr_scheduler.LambdaLR):
        raise ValueError(f"{name} depends on the loss")
    factor = made.lr_lambdas[0]
    return [peak_lr * float(factor(step - 1)) for step in steps]
