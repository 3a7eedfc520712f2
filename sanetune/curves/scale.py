"""How many times the validation loss the training loss is."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from sanetune.curves.changes import finite, points_of
from sanetune.curves.robust import OF_MEDIAN, middle, relative_noise
from sanetune.curves.series import Curve, Evaluation, Point

TIMES = 3.0
"""From here on the two are not on one scale: no training set is three times as hard as its validation rows at every
evaluation."""
TIMES_OF_HIGH = 2.0
"""The same of a run whose first training loss is above what guessing among any tokens costs, as that of a sum is."""
STEADY = 0.35
"""What the ratio may differ by between evaluations, as a share of it, beside what the noise of batches explains."""
SURE = 3.0
"""Standard errors of that noise."""
NEAR = 5
"""Training losses around an evaluation that it is compared with; two where the log has not so many from one evaluation
to the next: a loss that falls fast is another one there."""

LARGEST_VOCABULARY = 262_144
"""Tokens, where the vocabulary is not known: that of Gemma 3, the largest in common use. Guessing costs its
logarithm."""


def times_validation(curve: Curve) -> float | None:
    """Return how many times the validation loss the training loss is; None where they are on one scale, or where there
    are not two evaluations among the training steps.

    Rows that are seen again are known better than others: evaluations of the first epoch decide, where there are two.
    """
    points = points_of(curve)
    evaluations = [one for one in finite(curve.validation) if points and one.loss > 0 and points[0].step <= one.step]
    first_epoch = [one for one in evaluations if one.step <= (curve.steps_per_epoch or math.inf)]
    ratios = _ratios(points, first_epoch if len(first_epoch) > 1 else evaluations)
    if len(ratios) < 2:
        return None
    times = middle(ratios)
    least = TIMES_OF_HIGH if points[0].loss > math.log(LARGEST_VOCABULARY) else TIMES
    if not least <= times < math.inf:
        return None
    allowed = STEADY + SURE * OF_MEDIAN * relative_noise([point.loss for point in points]) / math.sqrt(NEAR)
    return times if all(abs(ratio / times - 1) <= allowed and ratio >= least / 2 for ratio in ratios) else None


def _ratios(points: Sequence[Point], evaluations: Sequence[Evaluation]) -> list[float]:
    """The level of the training loss around each evaluation, divided by it. A record is the mean of the steps before
    it: the one that ends there and the next have the evaluation between them."""
    steps = [point.step for point in points]
    places = [bisect_left(steps, one.step) for one in evaluations]
    gaps = [after - before for before, after in pairwise(places)]
    before, after = (NEAR // 2, NEAR // 2) if not gaps or middle(gaps) >= NEAR - 1 else (0, 1)
    near = [points[max(0, place - before) : place + after + 1] for place in places]
    return [_level(some) / one.loss for some, one in zip(near, evaluations, strict=True) if some]


def _level(points: Sequence[Point]) -> float:
    """The median of a few losses, by their logarithms: halfway down a steep fall, and not near its top."""
    losses = [point.loss for point in points]
    return math.exp(middle([math.log(loss) for loss in losses])) if min(losses) > 0 else middle(losses)
