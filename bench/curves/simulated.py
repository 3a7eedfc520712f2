"""Curves made of numbers alone: clean ones of many kinds, and ones with a fault of known size.

Sizes are those of real short runs (docs/curves.md): batches of 16 rows scatter by about 0.25 nats, fewer rows by more
and with heavy tails; a fixed batch wavers by a few thousandths to a hundredth from look to look; gradient norms are 15
to 50 times their later level in the first steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sanetune.curves.series import Curve, Evaluation, Point

VOCABULARY = 32_000
Chance = Any
"""A numpy random generator."""


def fall(chance: Chance, steps: int, *, slow: bool = False) -> Any:
    """Loss before each of ``steps`` + 1 moments: a fast fall and a slow one, from 1.2 to 5 nats."""
    start = chance.uniform(1.2, 5)
    deep = start * chance.uniform(0.08, 0.5)
    quick = chance.uniform(0.03, 0.3) * steps
    at = np.arange(steps + 1)
    share = chance.uniform(0.5, 0.95)
    slowly = 1 - np.exp(-at / (steps * chance.uniform(0.5, 3)))
    return start - deep * (share * (1 - np.exp(-at / quick)) + (1 - share) * slowly * (3 if slow else 1))


def trial(
    chance: Chance,
    true: Any,
    *,
    validation: Any = None,
    steps_per_epoch: float = 900.0,
    total: int = 2_000,
    still: bool = False,
) -> Curve:
    """The trial of a longer run whose true loss before each step is ``true``: evaluations of 128 rows, of a fixed
    batch of 16, and training batches. ``validation``: the true loss on rows not trained on (default: the same);
    ``still``: the weights hardly move."""
    steps = len(true) - 1
    validation = true if validation is None else validation
    every, often = max(1, steps // 4), max(1, steps // 40)
    rows, batch = _Rows(chance, 128), _Rows(chance, 16)
    waver = 1 + _correlated(chance, steps + 1) * chance.uniform(0.0001, 0.0005 if still else 0.015)
    warm = max(1, steps // 20)
    return Curve(
        points(chance, true, chance.uniform(0.08, 0.3), steps_per_epoch, warm),
        [rows.evaluate(chance, step, validation[step] * waver[step]) for step in range(0, steps + 1, every)],
        [batch.evaluate(chance, step, validation[step] * waver[step]) for step in range(0, steps + 1, often)],
        [(step, 90 + 0.002 * step) for step in range(0, steps + 1, every)],
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        warmup_steps=warm,
        vocab_size=VOCABULARY,
        planned_lr=1e-3,
        max_grad_norm=1.0,
        finished=total == steps,
    )


def log(chance: Chance, true: Any, *, every: int = 1, steps_per_epoch: float = 1e9, scatter: float = 0.0) -> Curve:
    """Another program's log of a whole run: training losses alone, each a mean over ``every`` steps."""
    steps = len(true) - 1
    logged = points(chance, true, scatter or chance.uniform(0.08, 0.3), steps_per_epoch, max(1, steps // 20))
    some = [
        replace(logged[i + every - 1], loss=float(np.mean([point.loss for point in logged[i : i + every]])))
        for i in range(0, steps - every + 1, every)
    ]
    return Curve(some, total_steps=steps, planned_lr=1e-3, finished=True, source="log")


def points(chance: Chance, true: Any, scatter: float, steps_per_epoch: float, warm: int) -> list[Point]:
    """Every training step; ``scatter`` of a batch's loss is in nats, smaller where the loss is."""
    steps = len(true) - 1
    tails = chance.standard_t(chance.choice([4, 8, 50]), size=steps)
    sizes = np.minimum(scatter, 0.35 * np.abs(true[1:]))
    losses = np.maximum(true[1:] + sizes * tails, 1e-3)
    wild = 1 + chance.uniform(0, 40) * np.exp(-np.arange(steps) / (0.02 * steps + 1))
    norms = chance.uniform(0.2, 4) * wild * np.exp(0.25 * chance.standard_normal(steps))
    lrs = [1e-3 * min(1.0, (i + 1) / warm) * max(0.0, 1 - i / steps) for i in range(steps)]
    return [Point(i + 1, float(losses[i]), lrs[i], float(norms[i]), (i + 1) / steps_per_epoch) for i in range(steps)]


class _Rows:
    """Rows of their own length and hardness, whose losses move together and a little apart."""

    def __init__(self, chance: Chance, count: int) -> None:
        self.tokens = [int(n) for n in chance.lognormal(3.5, 0.8, count).clip(4, 800)]
        self.hard = chance.lognormal(0, 0.4, count)
        mean = float(np.dot(self.hard, self.tokens) / sum(self.tokens))
        self.hard = self.hard / mean
        self.own = 0.1 * chance.standard_normal(count)

    def evaluate(self, chance: Chance, step: int, loss: float) -> Evaluation:
        if not math.isfinite(loss):
            return Evaluation.of(step, [loss] * len(self.tokens), self.tokens)
        apart = 1 + self.own * (1 - math.exp(-step / 50)) * 0.3 + 0.01 * chance.standard_normal(len(self.tokens))
        values = self.hard * apart
        values = values * (loss / float(np.dot(values, self.tokens) / sum(self.tokens)))
        return Evaluation.of(step, [float(v * n) for v, n in zip(values, self.tokens, strict=True)], self.tokens)


def _correlated(chance: Chance, count: int) -> Any:
    noise = chance.standard_normal(count)
    for i in range(1, count):
        noise[i] = 0.8 * noise[i - 1] + 0.6 * noise[i]
    return noise


def _decayed(true: Any) -> Any:
    """A whole run's loss hardly falls at its end: the learning rate is near 0 there."""
    steps = len(true) - 1
    moved = np.cumsum(np.concatenate([[0], np.diff(true) * np.linspace(1, 0, steps) ** 0.5]))
    return true[0] + moved


def clean_trial(chance: Chance) -> Curve:
    return trial(chance, fall(chance, 200))


def clean_tiny(chance: Chance) -> Curve:
    steps = int(chance.integers(20, 61))
    return trial(chance, _decayed(fall(chance, steps)), total=steps, steps_per_epoch=steps / 2)


def clean_log(chance: Chance) -> Curve:
    steps, every = int(chance.integers(60, 2_000)), int(chance.choice([1, 5, 10]))
    return log(
        chance, _decayed(fall(chance, steps)), every=every, steps_per_epoch=steps / min(3, int(chance.integers(1, 5)))
    )


def clean_noisy_log(chance: Chance) -> Curve:
    """Batches of one to four rows: they scatter by a quarter of the loss."""
    true = _decayed(fall(chance, int(chance.integers(60, 400))))
    return log(chance, true, scatter=float(true[-1]) * chance.uniform(0.15, 0.3))


def clean_validation_log(chance: Chance) -> Curve:
    """A log with validation losses, without their rows; they end within 1.5 % of their minimum."""
    true = _decayed(fall(chance, 400))
    late = np.maximum(0, np.arange(401) - 250) / 150
    validation = 1.1 * true * (1 + chance.uniform(0, 0.015) * late)
    evaluations = [
        Evaluation(step, float(validation[step] * (1 + 0.002 * chance.standard_normal())))
        for step in range(50, 401, 50)
    ]
    return replace(log(chance, true), validation=evaluations)


CLEAN: dict[str, Callable[[Chance], Curve]] = {
    "trial of 200 steps": clean_trial,
    "whole run of 20 to 60 steps": clean_tiny,
    "log of 60 to 2,000 steps": clean_log,
    "log of tiny batches": clean_noisy_log,
    "log with validation": clean_validation_log,
}
