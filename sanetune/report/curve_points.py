"""The points of a curve that are drawn, and the range of their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Evaluation

Points = list[tuple[int, float]]
"""Pairs of a step and a value."""

LARGEST = 1e9
"""A value beyond this is drawn like an infinite one."""
FAR = 3.0
"""A picture goes up to this many times the first value or the median, whichever is more; a note names the rest."""


def training_losses(curve: Curve) -> Points:
    """Return the loss of each logged step, in nats per token."""
    return [(point.step, point.loss) for point in curve.points]


def evaluation_losses(evaluations: Sequence[Evaluation]) -> Points:
    """Return the loss of each evaluation, in nats per token."""
    return [(one.step, one.loss) for one in evaluations]


def validation_losses(curve: Curve) -> dict[str, Points]:
    """Return the evaluations of each validation set by its name, those of the one that decides first."""
    named = {name or "validation loss": evaluation_losses(one.validation) for name, one in curve.by_set()}
    return {name: points for name, points in named.items() if points}


def grad_norms(curve: Curve) -> Points:
    """Return the gradient norm of each step that logged one."""
    return [(point.step, point.grad_norm) for point in curve.points if point.grad_norm is not None]


def peak_lr(curve: Curve) -> tuple[int, float] | None:
    """Return the highest learning rate and its first step, as (step, lr); None where none above 0 was logged."""
    known = [(point.step, point.lr) for point in curve.points if point.lr and drawable(point.lr)]
    return max(known, key=lambda one: (one[1], -one[0]), default=None)


def last_step(curve: Curve) -> int:
    """Return the last step in the curve, at least 1."""
    return max([1, *(one.step for some in (curve.points, curve.validation, curve.fixed_batch) for one in some)])


def drawable(value: float) -> bool:
    """Return whether a loss, norm or learning rate is finite and at most :data:`LARGEST`."""
    return math.isfinite(value) and abs(value) <= LARGEST


def value_range(values: Sequence[float], least: float | None = None) -> tuple[float, float] | None:
    """Return the lowest and the highest loss or norm of a picture; None where nothing can be drawn.

    Values far above the others are left out, since a single one would flatten the rest of the picture.

    Args:
        values: The losses or norms that are drawn.
        least: A value that the picture includes as well, if it is lower than all others.

    >>> value_range([3.0, 2.0, 1e6])
    (2.0, 9.0)
    """
    some = [value for value in values if drawable(value)]
    if not some:
        return None
    middle = sorted(some)[len(some) // 2]
    high = min(max(some), FAR * max(some[0], middle)) if max(some[0], middle) > 0 else max(some)
    low = min(min(some), high)
    return (min(low, least) if least is not None and drawable(least) else low), high
