"""How many times the validation loss the training loss is."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left

from sanetune.curves.changes import finite, points_of
from sanetune.curves.series import Curve

TIMES = 3.0
"""From here on the two are not on one scale: no training set is three times as hard as its validation rows at every
evaluation."""
STEADY = 0.35
"""What the ratio may differ by between evaluations, as a share of it."""
NEAR = 5
"""Training losses around an evaluation that it is compared with."""


def times_validation(curve: Curve) -> float | None:
    """Return how many times the validation loss the training loss is; None where they are on one scale, or where there
    are not two evaluations among the training steps."""
    points, ratios = points_of(curve), []
    steps = [point.step for point in points]
    for one in finite(curve.validation):
        place = bisect_left(steps, one.step)
        near = points[max(0, place - NEAR // 2) : place + NEAR // 2 + 1]
        if near and one.loss > 0 and points[0].step <= one.step:
            ratios.append(statistics.median(point.loss for point in near) / one.loss)
    if len(ratios) < 2:
        return None
    times = statistics.median(ratios)
    if not TIMES <= times < math.inf:
        return None
    return times if all(abs(ratio / times - 1) <= STEADY for ratio in ratios) else None
