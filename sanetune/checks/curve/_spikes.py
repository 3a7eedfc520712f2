"""Losses and gradient norms that stand far above their neighbours on both sides."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sanetune.curves.changes import peak_step
from sanetune.curves.robust import noise
from sanetune.curves.series import Curve, Evaluation, Point

TIMES = 1.8
"""Times the neighbours' median (as the reader of logs/wild has it; LLM Foundry: 2 for more than four steps)."""
SURE = 8.0
"""Standard deviations of batch noise, beside that: OLMo-core's 6, and tails that are heavier than normal."""
NORM_TIMES, BORNE_NORM = 10.0, 4.0
"""A gradient norm that is a spike by itself; one that bears out a loss."""
REACH = 8
"""Neighbours on each side."""
SOON, UNMOVED = 5, 1.1
"""Steps after a spike within which a fixed batch would show its harm, and how much of a rise is none."""
FIXED_TIMES, FIXED_LEAST = 1.25, 0.15
"""For a fixed batch, which has no noise of batches: times the neighbours, and nats."""


@dataclass(frozen=True, slots=True)
class Spike:
    """``height`` at ``step``, its worst; ``around``: the median of its neighbours; ``length``: points in a row;
    ``borne_out``: by more than one batch, or by its gradient."""

    step: int
    height: float
    around: float
    length: int
    borne_out: bool


def in_points(points: Sequence[Point]) -> list[Spike]:
    """Spikes of training losses, the first points left out: nothing precedes them."""
    losses = [point.loss for point in points]
    scatter = noise(losses)
    interval = statistics.median(b.step - a.step for a, b in pairwise(points)) if points[1:] else 1
    norms = [point.grad_norm for point in points]
    found: list[Spike] = []
    run: list[int] = []
    for place in range(3, len(losses)):
        around = _sides(losses, place)
        if losses[place] >= TIMES * around and losses[place] - around > SURE * scatter:
            run.append(place)
            if place < len(losses) - 1:
                continue
        # One that lasts to the end has not come back: that is curve-diverged's.
        if run and run[-1] < len(losses) - 1 and len(run) <= REACH:
            found.append(_spike(points, run, norms, interval))
        run = []
    return found


def _spike(points: Sequence[Point], run: list[int], norms: Sequence[float | None], interval: float) -> Spike:
    losses = [point.loss for point in points]
    worst = max(run, key=losses.__getitem__)
    known = [(place, norm) for place in run if (norm := norms[place]) is not None]
    others = [norm for i in _near(norms, worst) if (norm := norms[i]) is not None and math.isfinite(norm)]
    high = bool(known and others) and max(norm for _, norm in known) > BORNE_NORM * statistics.median(others)
    # A record that is a mean over several steps is more than one batch.
    return Spike(
        points[worst].step, losses[worst], _sides(losses, worst), len(run), len(run) > 1 or high or interval >= 5
    )


def in_evaluations(evaluations: Sequence[Evaluation]) -> list[Spike]:
    """Evaluations of a fixed batch that exceed both neighbours."""
    losses = [evaluation.loss for evaluation in evaluations]
    found = []
    for place in range(2, len(losses) - 2):
        sides = statistics.median(losses[place - 2 : place]), statistics.median(losses[place + 1 : place + 3])
        around = max(sides)
        if losses[place] >= FIXED_TIMES * around and losses[place] - around >= FIXED_LEAST:
            found.append(Spike(evaluations[place].step, losses[place], around, 1, True))
    return found


def harmless(spike: Spike, evaluations: Sequence[Evaluation]) -> bool:
    """Whether it was one hard batch: its loss and its gradient are high, and evaluations of a fixed batch soon after
    it are not above the one before. Without such looks nobody knows."""
    before = [evaluation.loss for evaluation in evaluations if evaluation.step < spike.step]
    after = [evaluation.loss for evaluation in evaluations if spike.step <= evaluation.step <= spike.step + SOON]
    return spike.length == 1 and bool(before and after) and max(after) < UNMOVED * before[-1]


def norm_spikes(points: Sequence[Point], curve: Curve) -> int:
    """Gradient norms far above their neighbours after warm-up, in which norms of 15 to 50 times the rest are usual."""
    after = max(peak_step(curve), 0.05 * points[-1].step) if points else 0
    norms = [
        point.grad_norm
        for point in points
        if point.step > after and point.grad_norm is not None and math.isfinite(point.grad_norm)
    ]
    return sum(norm > NORM_TIMES * _around(norms, place) for place, norm in enumerate(norms)) if len(norms) >= 8 else 0


def _around(values: Sequence[float], place: int) -> float:
    return statistics.median([values[other] for other in _near(values, place)] or [math.inf])


def _sides(values: Sequence[float], place: int) -> float:
    """The higher of the medians of both sides: a steep fall has no spikes."""
    sides = values[max(0, place - REACH) : place], values[place + 1 : place + REACH + 1]
    return max((statistics.median(side) for side in sides if side), default=math.inf)


def _near(values: Sequence[float | None], place: int) -> list[int]:
    """Places of the neighbours."""
    return [i for i in range(max(0, place - REACH), min(len(values), place + REACH + 1)) if i != place]
