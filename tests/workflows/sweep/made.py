"""Trials of a sweep, made up."""

from __future__ import annotations

import random
from typing import Any

from sanetune.curves.series import Evaluation
from sanetune.workflows.sweep.result import State, Sweep, SweepTrial

TOKENS = [10, 20, 15, 5, 30, 12, 9, 25]


def evaluation(loss: float, noise: float = 0.0, seed: int = 0) -> Evaluation:
    """Rows whose losses lie about ``loss`` nats per token."""
    drawn = random.Random(seed)
    return Evaluation.of(0, [loss * tokens + drawn.gauss(0, noise) * tokens for tokens in TOKENS], TOKENS)


def trial(
    lr: float, loss: float, *, state: State = "done", noise: float = 0.0, seed: int = 0, **more: Any
) -> SweepTrial:
    """A trial of ten steps that ends at about ``loss``."""
    changes = {"train.learning_rate": lr, **more.pop("changes", {})}
    curve = [(0, 3.0), (5, (3 + loss) / 2), (10, loss)]
    return SweepTrial(
        f"{changes}", changes, lr, 10, 10, state, curve=curve, evaluation=evaluation(loss, noise, seed), **more
    )


def sweep(*trials: SweepTrial, **more: Any) -> Sweep:
    """A sweep of these trials."""
    return Sweep(list(trials), evaluation(3.0), 10, 100, **more)
