"""What the training loss does at the boundaries of epochs, and what it does between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sanetune.curves.changes import points_of
from sanetune.curves.robust import level, noise
from sanetune.curves.series import Curve

FEWEST = 8
"""Points needed in an epoch."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """What the training loss does between two epochs, in nats per token in the loss.

    Attributes:
        epoch: Number of the later epoch, from 1.
        before: Level at the end of the earlier epoch.
        after: Level at the start of the later epoch.
        std_error: Standard error of their difference.
        inside: How much the loss falls within the later epoch.
    """

    epoch: int
    before: float
    after: float
    std_error: float
    inside: float

    @property
    def drop(self) -> float:
        """How much lower the later epoch begins, in nats."""
        return self.before - self.after


def boundaries(curve: Curve) -> list[Boundary]:
    """Every boundary with enough points on both sides; none where epochs were not logged."""
    epochs: dict[int, list[float]] = {}
    points = points_of(curve)
    for point in points:
        done = point.epoch
        if done is None and curve.steps_per_epoch:
            done = point.step / curve.steps_per_epoch
        if done is not None and math.isfinite(done) and done > 0:
            # The step that ends an epoch belongs to it.
            epochs.setdefault(math.ceil(round(done, 6)) - 1, []).append(point.loss)
    found = []
    for epoch, losses in sorted(epochs.items()):
        later = epochs.get(epoch + 1, [])
        width = min(len(losses), len(later)) // 4
        if width < FEWEST // 4:
            continue
        width = min(width, 50)
        scatter = noise([*losses, *later])
        sides = level(losses[-width:], scatter), level(later[:width], scatter)
        inside = sides[1].value - level(later[-width:], scatter).value
        error = math.hypot(sides[0].std_error, sides[1].std_error)
        found.append(Boundary(epoch + 1, sides[0].value, sides[1].value, error, inside))
    return found
