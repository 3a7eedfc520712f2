"""Lets a stand-in of a trainer make the first steps of its run, on the whole run's schedule."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers import Trainer
from transformers.trainer_utils import IntervalStrategy

from sanetune.engine.base import ShortRun

Taken = Callable[[list[dict[str, Any]], float], None]
"""Gets the micro-batches of a step, and the seconds that they took."""


def shorten(double: Trainer, run: ShortRun, taken: Taken) -> None:
    """Set ``double`` up for the steps of ``run``; ``taken`` is called before each of them."""
    double.args.max_steps, double.args.warmup_steps = run.steps, run.warmup_steps
    double.args.logging_steps, double.args.logging_strategy = 1, IntervalStrategy.STEPS
    _span(double, "create_scheduler", run.total_steps)
    _span(double, "create_optimizer_and_scheduler", run.total_steps)
    get_batch_samples = double.get_batch_samples

    def get(*args: object, **keywords: object) -> tuple[list[dict[str, Any]], object]:
        began = time.perf_counter()
        found: tuple[list[dict[str, Any]], object] = get_batch_samples(*args, **keywords)
        if found[0]:
            taken(found[0], time.perf_counter() - began)
        return found

    double.get_batch_samples = get  # type: ignore[method-assign]


def _span(double: Trainer, method: str, total_steps: int) -> None:
    """Let ``method`` make a schedule over ``total_steps`` where it is asked for one over fewer."""
    make = getattr(double, method)

    def made(num_training_steps: int, *args: object, **keywords: object) -> object:
        return make(max(num_training_steps, total_steps), *args, **keywords)

    setattr(double, method, made)
