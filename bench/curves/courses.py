"""Courses of healthy runs, and the entries that a Trainer logs of them, as bench.curves.healthy needs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sanetune.curves.logs.log import Log
from sanetune.curves.series import Curve

Chance = Any
"""A numpy random generator."""
Array = Any
"""A numpy array of floats."""
Entries = list[dict[str, float]]


@dataclass(frozen=True, slots=True)
class Course:
    """A healthy run before its noise.

    Attributes:
        true: Loss of the model at each record, in nats.
        scatter: Standard deviation of a record's logarithm.
        lr: Learning rate at each record, as a share of its peak.
        every: Steps between two records.
        epochs: Passes over the rows in the whole run.
    """

    true: Array
    scatter: float
    lr: Array
    every: int
    epochs: float

    @property
    def count(self) -> int:
        return len(self.true)

    @property
    def at(self) -> Array:
        """The share of the run that is done at each record."""
        return np.arange(1, self.count + 1) / self.count


def course(chance: Chance, least: int = 16, most: int = 800, **kept: float) -> Course:
    """A run of ``least`` to ``most`` records; ``kept``: settings that are not drawn."""
    count = int(np.exp(chance.uniform(np.log(least), np.log(most + 1))))
    at = np.arange(1, count + 1) / count
    warm, kind = chance.choice([0.0, 0.03, 0.05, 0.1]), chance.integers(3)
    fallen = (np.ones(count), 1 - 0.999 * at, 0.5 + 0.499 * np.cos(np.pi * at))[kind]
    lr = fallen * np.minimum(1.0, at / warm if warm else 1.0)
    # What is learned goes with the sum of the learning rates.
    done = np.cumsum(lr) / lr.sum()
    start, deep = chance.uniform(0.7, 3.5), chance.uniform(0.15, 0.6)
    quick, share = chance.uniform(0.02, 0.12), chance.uniform(0.3, 0.75)
    slow = np.log1p(4 * done) / np.log1p(4)
    true = start * (1 - deep * (share * (1 - np.exp(-done / quick)) + (1 - share) * slow))
    values = {"scatter": chance.uniform(0.02, 0.15), "epochs": float(chance.choice([1, 1, 2, 3]))} | kept
    return Course(true, values["scatter"], lr, int(chance.choice([1, 5, 10, 50])), values["epochs"])


def noise(chance: Chance, one: Course) -> Array:
    """Residuals of the logarithms: of single batches with tails up to those of Student's t with 5 degrees, of means
    over some with thinner ones."""
    return one.scatter * chance.standard_t(chance.choice([5, 8, 50] if one.every == 1 else [12, 50]), size=one.count)


def entries(
    chance: Chance, one: Course, rest: Array | None = None, norms: Array | None = None, level: Array | None = None
) -> Entries:
    """The records of a run: ``rest`` residuals of logarithms, ``norms`` gradient norms, ``level`` the loss of its rows
    where those differ in hardness."""
    rest = noise(chance, one) if rest is None else rest
    losses = (one.true if level is None else level) * np.exp(rest)
    if norms is None:
        norms = chance.uniform(0.2, 3) * np.exp(0.25 * chance.standard_normal(one.count))
    steps = one.every * np.arange(1, one.count + 1)
    table = zip(steps, losses, one.lr, norms, one.at, strict=True)
    return [
        {
            "step": int(step),
            "loss": round(float(loss), 4),
            "learning_rate": 2e-4 * float(lr),
            "grad_norm": round(float(norm), 4),
            "epoch": round(one.epochs * float(done), 2),
        }
        for step, loss, lr, norm, done in table
    ]


def evaluated(
    chance: Chance, one: Course, *, count: int = 0, jitter: float = 0.003, flat: float = 1.0, rise: float = 0.0
) -> Entries:
    """Evaluations at even distances.

    Args:
        chance: The generator.
        one: The run.
        count: How many there are; 0: 2 to 20.
        jitter: Standard deviation of the logarithm of one.
        flat: Share of the run after which they no longer fall.
        rise: From there to the end, as a share of the loss.
    """
    count = min(count or int(chance.integers(2, 21)), one.count)
    places = np.unique(np.linspace(one.count / count - 1, one.count - 1, count).round().astype(int))
    true = np.minimum.accumulate(one.true) * chance.uniform(0.95, 1.2)
    last = true[max(0, int(flat * one.count) - 1)]
    late = np.maximum(0, one.at - flat) / max(1e-9, 1 - flat)
    course_ = np.where(one.at <= flat, true, last * (1 + rise * late))
    return [
        {
            "step": int(one.every * (place + 1)),
            "epoch": round(float(one.epochs * one.at[place]), 2),
            "eval_loss": float(course_[place] * np.exp(jitter * chance.standard_normal())),
            "eval_runtime": 1.0,
        }
        for place in places
    ]


def curve(one: Course, found: Entries) -> Curve:
    """The curve of the log with these entries, of a whole run."""
    ordered = sorted(found, key=lambda entry: entry["step"])
    return Log.of(Path("trainer_state.json"), "", ordered, total_steps=one.every * one.count).curve()
