"""Gradient norms that stand far above their neighbours, and the losses beside them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

from sanetune.checks.base import Limits
from sanetune.checks.curve._spikes import LOCAL, REACH, SEVERAL, Spike, near, short_step, sides, single
from sanetune.curves.changes import peak_step
from sanetune.curves.robust import relative_noise, smooth
from sanetune.curves.series import Curve, Point


def with_gradients(points: Sequence[Point], limits: Limits) -> list[Spike]:
    """Records of several steps that are above both beside them, with gradient norms that are spikes by themselves.

    The steep fall of the first steps is no base to compare with, and hides such spikes from the medians of more.
    """
    if len(points) < REACH or statistics.median(b.step - a.step for a, b in pairwise(points)) < SEVERAL:
        return []
    norms = [point.grad_norm for point in points]
    scatter = relative_noise([point.loss for point in points])
    found = []
    for place in range(1, len(points) - 1):
        loss, around, norm = points[place].loss, max(points[place - 1].loss, points[place + 1].loss), norms[place]
        if norm is None or around <= 0 or not max(limits["beside_times"] * around, around + limits["least"]) <= loss:
            continue
        others = [one for i in near(norms, place) if (one := norms[i]) is not None and math.isfinite(one)]
        if short_step(points, place) or math.log(loss / around) < limits["beside_sure"] * scatter:
            continue
        # Beside batches that have no gradient at all any other is a spike.
        usual = statistics.median(others) if len(others) >= REACH and min(others) > 0 else math.inf
        if norm > limits["norm_times"] * usual:
            found.append(single(points[place], around))
    return found


def after_gradients(points: Sequence[Point], limits: Limits) -> list[Spike]:
    """Records with a gradient norm that nothing but a fault has, after which the loss is higher than its neighbours,
    though less than a spike without such a norm."""
    norms, losses = [point.grad_norm for point in points], [point.loss for point in points]
    found = []
    for place in range(2, len(points) - 1):
        norm = norms[place]
        if norm is None or not math.isfinite(norm):
            continue
        others = [one for i in near(norms, place) if (one := norms[i]) is not None and math.isfinite(one)]
        # Beside batches that have no gradient at all any other is a spike.
        usual = statistics.median(others) if len(others) >= REACH and min(others) > 0 else math.inf
        if norm < limits["far_times"] * usual or short_step(points, place):
            continue
        worst = max(place, place + 1, key=losses.__getitem__)
        around = sides(losses, worst)
        least = max(limits["far_harm"] * around, around + limits["far_least"])
        scatter = relative_noise(losses[max(0, worst - LOCAL) : worst + LOCAL + 1])
        known = around >= limits["far_around"] and losses[worst] >= least
        if known and math.log(losses[worst] / around) >= limits["far_sure"] * scatter:
            found.append(single(points[worst], around))
    return found


def norm_spikes(points: Sequence[Point], curve: Curve, limits: Limits) -> int:
    """How many gradient norms are far above their neighbours after warm-up, in which 15 to 50 times is usual."""
    after = max(peak_step(curve), 0.05 * points[-1].step) if points else 0
    norms = [
        point.grad_norm
        for point in points
        if point.step > after and point.grad_norm is not None and math.isfinite(point.grad_norm)
    ]
    if len(norms) < REACH:
        return 0
    usual = smooth(norms, 2 * REACH + 1)
    return sum(norm > limits["norm_times"] * around for norm, around in zip(norms, usual, strict=True))
