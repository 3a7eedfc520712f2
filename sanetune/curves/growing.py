"""The curve of a run that is going on, in bounded memory: its last steps in full, all of it in blocks of steps."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any

from sanetune.curves.series import Curve, Evaluation, Point

RECENT = 512
"""Last steps that are kept one by one: at 16 rows a step as many batches as a spike's neighbours could need."""
BLOCKS = 600
"""Blocks that the whole curve has at most; then each two neighbours are joined."""


class GrowingCurve:
    """Takes the steps and evaluations of a run as they come, and gives them as curves.

    Example:
        >>> growing = GrowingCurve(Curve(total_steps=2000, source="watch"))
        >>> growing.add([Point(step, 2.0) for step in range(1, 1201)])
        >>> recent, whole = growing.recent(), growing.whole()
        >>> len(recent.points), recent.points[0].step, len(whole.points), whole.points[0].step
        (512, 689, 300, 4)

    Args:
        facts: What is known of the run beside its course: planned steps, learning rate, vocabulary.
    """

    def __init__(self, facts: Curve) -> None:
        self.facts = facts
        self.step = 0
        self.evaluations: list[Evaluation] = []
        self.width = 1
        """Steps in a block of the whole curve."""
        self._recent: deque[Point] = deque(maxlen=RECENT)
        self._blocks: list[Point] = []
        self._open: list[Point] = []

    def add(self, points: Sequence[Point]) -> None:
        """Take steps, in their order."""
        for point in points:
            self.step = point.step
            self._recent.append(point)
            self._open.append(point)
            if len(self._open) == self.width:
                self._blocks.append(_joined(self._open))
                self._open = []
            if len(self._blocks) == BLOCKS:
                pairs = zip(self._blocks[::2], self._blocks[1::2], strict=True)
                self._blocks = [_joined(pair) for pair in pairs]
                self.width *= 2

    def evaluated(self, evaluation: Evaluation) -> None:
        """Take an evaluation."""
        self.step = max(self.step, evaluation.step)
        self.evaluations.append(evaluation)

    def recent(self) -> Curve:
        """The last steps, with the evaluations among them."""
        points = list(self._recent)
        since = points[0].step if points else 0
        return self._curve(points, [one for one in self.evaluations if one.step >= since])

    def whole(self) -> Curve:
        """All steps, in blocks whose loss is their mean; steps of a block that is not full are left out."""
        return self._curve(list(self._blocks), list(self.evaluations))

    def trained(self) -> Curve:
        """All steps, as in :meth:`whole`, without the evaluations."""
        return self._curve(list(self._blocks), [])

    def to_json(self) -> dict[str, Any]:
        """Return all that is kept as plain values."""
        parts = {"recent": self._recent, "blocks": self._blocks, "open": self._open}
        found: dict[str, Any] = {name: [list(astuple(point)) for point in part] for name, part in parts.items()}
        return found | {"width": self.width, "evaluations": [astuple(one) for one in self.evaluations]}

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Take over what :meth:`to_json` returned."""
        recent, self._blocks, self._open = (
            [Point(*values) for values in plain[name]] for name in ("recent", "blocks", "open")
        )
        self._recent = deque(recent, maxlen=RECENT)
        self.width = plain["width"]
        self.evaluations = [_evaluation(*values) for values in plain["evaluations"]]
        steps = [*(point.step for point in recent[-1:]), *(one.step for one in self.evaluations[-1:])]
        self.step = max(steps, default=0)

    @property
    def last(self) -> list[Point]:
        """The last steps."""
        return list(self._recent)

    def _curve(self, points: list[Point], evaluations: list[Evaluation]) -> Curve:
        epoch = next((point.step / point.epoch for point in reversed(points) if point.epoch), None)
        known = self.facts.steps_per_epoch
        return replace(
            self.facts,
            points=points,
            validation=evaluations,
            steps_per_epoch=epoch if known is None else known,
            growing=True,
        )


def _evaluation(
    step: int, loss: float, sums: Sequence[float] = (), tokens: Sequence[int] = (), accuracy: float | None = None
) -> Evaluation:
    return Evaluation(step, loss, tuple(sums), tuple(tokens), accuracy)


def _joined(points: Sequence[Point]) -> Point:
    """Several steps as a trainer logs them: the mean of their losses, and the other figures of the last."""
    return replace(points[-1], loss=statistics.fmean(point.loss for point in points))
