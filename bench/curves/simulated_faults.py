"""Simulated curves with one fault each, of a size drawn at random; keys are the checks that should find it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bench.curves.simulated import VOCABULARY, Chance, fall, log, trial
from sanetune.curves.series import Curve


def diverged_trial(chance: Chance) -> Curve:
    return trial(chance, _rising(chance, fall(chance, 200)))


def diverged_log(chance: Chance) -> Curve:
    return log(chance, _rising(chance, fall(chance, 300), 1.8))


def _rising(chance: Chance, true: Any, least: float = 1.15) -> Any:
    """From a random step on up to 1.15 (or ``least``) to 6 times the start, and no way back."""
    onset = int(chance.integers(2, len(true) // 2))
    up = true[0] * chance.uniform(least, 6) - true[onset]
    at = np.arange(len(true))
    return true * (at < onset) + (at >= onset) * (true[onset] + up * (1 - np.exp(-(at - onset) / 20.0)))


def oscillating(chance: Chance) -> Curve:
    """Swings of 15 to 60 % with a period of 10 to 50 steps."""
    true, at = fall(chance, 200), np.arange(201)
    wave = np.sin(2 * np.pi * at / chance.uniform(10, 50) + chance.uniform(0, 6))
    return trial(chance, true * (1 + 0.5 * chance.uniform(0.15, 0.6) * (1 + wave) * (at > 12)))


def spiked_trial(chance: Chance) -> Curve:
    return trial(chance, _spiked(chance, fall(chance, 200), 8))


def spiked_log(chance: Chance) -> Curve:
    return log(chance, _spiked(chance, fall(chance, 400), 4))


def _spiked(chance: Chance, true: Any, longest: int) -> Any:
    """One to three spikes of 2.5 to 6 times the loss, over 2 to ``longest`` steps."""
    true = true.copy()
    for _ in range(int(chance.integers(1, 4))):
        begin = int(chance.integers(20, len(true) - 30))
        true[begin : begin + int(chance.integers(2, longest + 1))] *= chance.uniform(2.5, 6)
    return true


def flat_trial(chance: Chance) -> Curve:
    """Falls by less than 0.3 % in 200 steps."""
    return trial(chance, chance.uniform(1.2, 5) * (1 - np.linspace(0, chance.uniform(0, 0.003), 201)), still=True)


def overfit_trial(chance: Chance) -> Curve:
    true = fall(chance, 200)
    return trial(chance, true * np.linspace(1, 0.4, 201), validation=_turning(chance, true), steps_per_epoch=20)


def _turning(chance: Chance, true: Any) -> Any:
    """Held-out losses that turn at a quarter to three quarters of the run and end 8 to 100 % above it."""
    turn = int(len(true) * chance.uniform(0.25, 0.7))
    late = np.maximum(0, np.arange(len(true)) - turn) / (len(true) - turn)
    return np.where(np.arange(len(true)) <= turn, true, true[turn] * (1 + chance.uniform(0.08, 1) * late))


def staircase(chance: Chance) -> Curve:
    """Three to five epochs, flat inside, 18 to 50 % lower after each."""
    count, steps = int(chance.integers(3, 6)), int(chance.integers(60, 250))
    drop, start = 1 - chance.uniform(0.18, 0.5), chance.uniform(0.8, 2)
    true = np.concatenate([np.full(steps, start * drop**epoch) for epoch in range(count)])
    return log(chance, np.concatenate([[start], true]), steps_per_epoch=steps, scatter=0.1 * start)


def unfinished(chance: Chance) -> Curve:
    """Falls evenly, by 20 to 45 % in the last eighth of its steps."""
    share = chance.uniform(0.2, 0.45)
    return log(chance, chance.uniform(3, 8) * (1 - 8 * share / (1 + 7 * share) * np.linspace(0, 1, 401)), scatter=0.1)


def start_high(chance: Chance) -> Curve:
    true = fall(chance, 200)
    return trial(chance, true * (math.log(VOCABULARY) * chance.uniform(1.3, 2) / true[0]))


def weights_run_away(chance: Chance) -> Curve:
    times = chance.uniform(3.2, 20)
    norms = [(step, 90 * (1 + (times - 1) * step / 200)) for step in range(0, 201, 10)]
    return replace(trial(chance, fall(chance, 200)), weight_norms=norms)


def gradients_grow(chance: Chance) -> Curve:
    curve, times = trial(chance, fall(chance, 200)), chance.uniform(10, 100)
    grown = [replace(one, grad_norm=(one.grad_norm or 0) * times ** (one.step / 200)) for one in curve.points]
    return replace(curve, points=grown)


def hot_lr(chance: Chance) -> Curve:
    """As clipped runs at 10 to 100 times the best learning rate look (docs/curves.md): smooth, a third as far down;
    weights grow by 1.1 to 4 times. Only runs at other learning rates tell that it could be better."""
    true, times = fall(chance, 200), chance.uniform(1.1, 4)
    norms = [(step, 90 * (1 + (times - 1) * (step / 200) ** 0.5)) for step in range(0, 201, 10)]
    return replace(trial(chance, true[0] - (true[0] - true) / 3), weight_norms=norms)


def broken(chance: Chance) -> Curve:
    true, onset = fall(chance, 200), int(chance.integers(10, 190))
    true[onset:] = math.nan
    return trial(chance, true)


def hidden_nan(chance: Chance) -> Curve:
    """The trainer hides the NaN losses; the gradient norms show them."""
    curve = log(chance, fall(chance, 300))
    onset = int(chance.integers(10, 200))
    return replace(
        curve, points=[replace(one, grad_norm=math.nan) if one.step >= onset else one for one in curve.points]
    )


def empty_batches(chance: Chance) -> Curve:
    curve, share = trial(chance, fall(chance, 200)), chance.uniform(0.05, 0.6)
    empty = chance.random(len(curve.points)) < share
    return replace(
        curve, points=[replace(one, loss=0.0) if e else one for one, e in zip(curve.points, empty, strict=True)]
    )


def lr_gone(chance: Chance) -> Curve:
    """The schedule ends after 10 to 80 % of the run."""
    curve, last = trial(chance, fall(chance, 200)), 200 * chance.uniform(0.1, 0.8)
    return replace(curve, points=[replace(one, lr=0.0) if one.step > last else one for one in curve.points])


FAULTS: list[tuple[str, str, Callable[[Chance], Curve]]] = [
    ("curve-diverged", "trial, 1.15 to 6 times its start", diverged_trial),
    ("curve-diverged", "log, 1.8 to 6 times its start", diverged_log),
    ("curve-oscillating", "trial, swings of 15 to 60 %", oscillating),
    ("curve-spike", "trial, 2 to 8 steps at 2.5 to 6 times", spiked_trial),
    ("curve-spike", "log, 2 to 4 steps at 2.5 to 6 times", spiked_log),
    ("curve-plateau", "trial, falls by under 0.3 %", flat_trial),
    ("curve-overfit", "trial, ends 8 to 100 % above its minimum", overfit_trial),
    ("curve-staircase", "log, drops of 18 to 50 %", staircase),
    ("curve-unfinished", "log, falls by 20 to 45 % in the last eighth", unfinished),
    ("curve-start-high", "trial, 1.3 to 2 times guessing", start_high),
    ("curve-norm-growth", "trial, weights 3.2 to 20 times", weights_run_away),
    ("curve-norm-growth", "trial, gradients 10 to 100 times", gradients_grow),
    ("curve-norm-growth", "trial at a hot learning rate, weights 1.1 to 4 times", hot_lr),
    ("curve-nan", "trial, NaN from some step on", broken),
    ("curve-nan", "log, NaN gradients, losses hidden", hidden_nan),
    ("curve-zero-loss", "trial, 5 to 60 % of the batches", empty_batches),
    ("curve-rate-zero", "trial, gone after 10 to 80 %", lr_gone),
]
