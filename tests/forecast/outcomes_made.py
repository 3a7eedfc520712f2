"""Runs that follow the rectified law exactly, for forecasts whose end is known."""

from __future__ import annotations

import math

from sanetune.curves.series import Curve, Evaluation, Point


def law(progress: float, start: float, end: float, k: float, beta: float = 1.0) -> float:
    """The loss after a share of the schedule."""
    return end + (start - end) / (1 + (progress / k) ** beta)


def run(
    share: float = 0.25, *, end: float = 1.4, start: float = 2.0, k: float = 0.1, steps: int = 400, epochs: float = 1.0
) -> Curve:
    """The first ``share`` of a run on a constant learning rate, evaluated each 16th of it; rows tell from the base."""
    known = round(share * steps)

    def at(step: int) -> float:
        return law(step / steps, start, end, k)

    points = [Point(step, at(step) + 0.03 * math.sin(step * step), 1e-4) for step in range(1, known + 1)]
    every = steps // 16
    evaluations = [
        Evaluation.of(step, [10 * at(step) + 0.1, 10 * at(step) - 0.1], [10, 10])
        for step in [*range(0, known, every), known]
    ]
    return Curve(points, evaluations, total_steps=steps, steps_per_epoch=steps / epochs, planned_lr=1e-4)
