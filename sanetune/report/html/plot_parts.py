"""The parts of a plot: axes, curves, bands, marks and labels, in units of the view box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

Points = Sequence[tuple[float, float]]
"""Pairs of a step, or a learning rate, and a value."""


def log10(value: float) -> float:
    """Return the logarithm of a loss, norm or learning rate; of 0 and less, that of a very small one."""
    return math.log10(max(value, 1e-12))


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear or logarithmic axis.

    Attributes:
        low: Value at ``start``.
        high: Value at ``end``.
        start: Coordinate of the first end.
        end: Coordinate of the other end.
        log: Whether the axis is logarithmic.
        clipped: Whether values below ``low`` are outside of the picture while the axis is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    clipped: bool = False

    def at(self, value: float) -> float:
        """Return the coordinate of a loss, norm, learning rate or step; values beyond the axis are at its ends."""
        low, high, here = (log10(one) if self.log else one for one in (self.low, self.high, value))
        share = (here - low) / (high - low) if high > low else 0.5
        return round(self.start + (self.end - self.start) * min(max(share, 0.0), 1.0), 1)


@dataclass(frozen=True, slots=True)
class Series:
    """One curve of a plot.

    Attributes:
        name: Its name in the legend.
        style: CSS class, without its prefix.
        points: Pairs of a step and a value.
        mark: Shape at each point: ``circle``, ``square``, or "" for none.
    """

    name: str
    style: str
    points: Points
    mark: str = ""


@dataclass(frozen=True, slots=True)
class PointMark:
    """A mark at a point, with the text of its tooltip."""

    x: float
    y: float
    shape: str
    style: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A text; ``anchor`` is SVG's ``text-anchor``: the part of the text that is at ``x``."""

    x: float
    y: float
    words: str
    anchor: str = "middle"
    style: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line from (``x1``, ``y1``) to (``x2``, ``y2``)."""

    x1: float
    y1: float
    x2: float
    y2: float
    style: str


@dataclass(frozen=True, slots=True)
class Band:
    """An area between two curves, such as the interval of a forecast; with one step alone it is a bar.

    Attributes:
        name: Its name in the legend.
        low: Pairs of a step and the lowest value.
        high: Pairs of the same steps and the highest value.
    """

    name: str
    low: Points
    high: Points


@dataclass(frozen=True, slots=True)
class StepMark:
    """A step that a vertical line marks.

    Attributes:
        step: The optimizer step, or the value on an axis of learning rates.
        label: A short text at the line.
        style: CSS class, without its prefix.
        words: What happened there, as the text of a tooltip; "" for a mark of the plot itself.
    """

    step: float
    label: str
    style: str = "peak"
    words: str = ""


@dataclass(slots=True)
class Panel:
    """Curves over common axes, as an interactive chart shows them.

    Attributes:
        series: The curves.
        x: Axis of the steps, or of learning rates.
        y: Axis of the values.
        x_name: What is on the axis ``x``.
        y_name: What is on the axis ``y``.
        band: An area below the curves.
        steps: Steps that are marked.
        limits: Value and name of dashed horizontal lines.
    """

    series: Sequence[Series]
    x: Axis
    y: Axis
    x_name: str = "step"
    y_name: str = "loss"
    band: Band | None = None
    steps: list[StepMark] = field(default_factory=list)
    limits: list[tuple[float, str]] = field(default_factory=list)
