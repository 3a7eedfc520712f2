"""Steps that fp16's loss scaler has skipped, as a log shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from sanetune.curves.series import Point

MISSING = 0.5
"""Of one step's change of the learning rate: what is missing of it where a step is skipped is a whole one."""
ALIKE = 0.3
"""Of one step's change, by which the changes before and after may differ: else the schedule bends there."""


def skipped_steps(points: Sequence[Point]) -> set[int]:
    """Return the steps with a NaN gradient norm at which the learning rate did not move, or moved by a step less than
    beside them.

    The scaler skips the optimizer's step, and the trainer then leaves the schedule where it is. With a constant
    learning rate nothing shows that. NaN up to the end of the log is no skipped step. Older versions of transformers
    log the learning rate after the schedule has moved, newer ones that of the step: there the next record shows it.
    """
    sound = [_sound(point) for point in points if point.grad_norm is not None]
    if all(sound) or not any(sound):  # of a run without a sound norm no step is made
        return set()
    following = [*points[1:], *([replace(points[-1], lr=None)] if points else [])]
    of_the_step = [replace(point, lr=after.lr) for point, after in zip(points, following, strict=True)]
    return _unmoved(points) | _unmoved(of_the_step)


def _unmoved(points: Sequence[Point]) -> set[int]:
    """The steps with a NaN gradient norm, each with the learning rate after it, at which that has not moved."""
    moves = [
        abs(after.lr - before.lr) if after.lr is not None and before.lr is not None else math.nan
        for before, after in pairwise(points)
    ]
    usual = [move for point, move in zip(points[1:], moves, strict=False) if point.grad_norm is None or _sound(point)]
    found = set()
    before = next(iter(usual), math.nan)
    following = iter(usual)
    after = next(following, math.nan)
    for place in range(1, len(points)):
        point, move = points[place], moves[place - 1]
        if point.grad_norm is None or _sound(point):
            before, after = move, next(following, math.nan)
            continue
        gap = point.step - points[place - 1].step
        straight = abs(after - before) * gap <= ALIKE * max(before, after)
        if gap > 0 and straight and before > 0 and move <= before * (1 - MISSING / gap):
            found.add(point.step)
    return found


def _sound(point: Point) -> bool:
    return point.grad_norm is not None and math.isfinite(point.grad_norm)
