"""From which step on the weights of a run are no numbers, as its losses and gradient norms show it."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

from sanetune.curves.changes import finite, is_number
from sanetune.curves.series import Curve, Point


def guilty_step(points: Sequence[Point], first: int, skipped: Container[int] = ()) -> int:
    """Return the step that the first loss which is no number comes from.

    A gradient that is no number breaks the weights, and the loss shows it a step later: so it is the first of the
    records before that loss, in a row, whose gradient norm is none.

    Args:
        points: The logged steps.
        first: The step of that loss, in training or of an evaluation.
        skipped: Steps after which the weights stayed as they were.

    >>> guilty_step([Point(1, 2.0, grad_norm=1.0), Point(2, 2.0, grad_norm=math.nan), Point(3, math.nan)], 3)
    2
    """
    step = first
    for point in reversed([one for one in points if one.step <= first]):
        if is_number(point.loss) and (not _breaks(point) or point.step in skipped):
            break
        step = point.step
    return step


def broken_from(points: Sequence[Point]) -> int | None:
    """Return the first step of those at the end whose losses or gradient norms are no numbers; None: there are none.

    >>> broken_from([Point(1, math.nan), Point(2, 2.0), Point(3, 2.0, grad_norm=math.nan), Point(4, math.nan)])
    3
    """
    broken = None
    for point in reversed(points):
        if is_number(point.loss) and not _breaks(point):
            break
        broken = point.step
    return broken


def sound_until(curve: Curve) -> int | None:
    """Return the last step after which the weights are known to be numbers; None for a run that does not end with
    losses that are none.

    >>> sound_until(Curve([Point(1, 2.0), Point(2, 2.0, grad_norm=1.0), Point(3, math.nan), Point(4, math.nan)]))
    2
    >>> sound_until(Curve([Point(1, math.nan), Point(2, 2.0)])) is None
    True
    """
    points, evaluations = curve.points, curve.validation
    broke = bool(points) and not is_number(points[-1].loss)
    # A trainer hides losses that are no numbers; it hides no gradient norm.
    hidden = not points or points[-1].grad_norm is None or _breaks(points[-1])
    if not broke and not (hidden and evaluations and not is_number(evaluations[-1].loss)):
        return None
    evaluated = max((one.step for one in finite(evaluations)), default=0)
    sound = [one for one in points if is_number(one.loss) and not _breaks(one)]
    if not sound or (not broke and not _breaks(points[-1])):
        return evaluated
    # The loss of a step is that of the weights before it; its gradient norm says what it did to them.
    return max(evaluated, sound[-1].step - (sound[-1].grad_norm is None))


def _breaks(point: Point) -> bool:
    return point.grad_norm is not None and not math.isfinite(point.grad_norm)
