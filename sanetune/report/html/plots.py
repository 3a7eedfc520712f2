"""Geometry of curves as SVG: lines, marks, axes and what is written beside them, in the units of a view box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from sanetune.report.curve_points import Points, drawable, value_range
from sanetune.report.experiment_text import loss_text

MOST = 600
"""Points of one line that are drawn; of a longer one the lowest and highest of each stretch."""
LEAST = 1e-4
"""The lowest value on a logarithmic axis of losses."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a value between ``low`` and ``high`` stands between ``start`` and ``end``; one beyond stands at the
    edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, here = (_log(one) if self.log else one for one in (self.low, self.high, value))
        share = (here - low) / (high - low) if high > low else 0.5
        return round(self.start + (self.end - self.start) * min(max(share, 0.0), 1.0), 1)


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: its name, the class of its style, (x, y) of its points, and whether each gets a mark (``circle`` or
    ``square``)."""

    name: str
    style: str
    points: Points
    mark: str = ""


@dataclass(frozen=True, slots=True)
class PointMark:
    """A point with what is said when one points at it."""

    x: float
    y: float
    shape: str
    style: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a place; ``anchor``: which end of them stands there."""

    x: float
    y: float
    words: str
    anchor: str = "middle"
    style: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    style: str


@dataclass(slots=True)
class Plot:
    """One picture. ``lines``: style and points of each; ``notes``: what the picture cannot show."""

    label: str
    width: int
    height: int
    lines: list[tuple[str, str]] = field(default_factory=list)
    marks: list[PointMark] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    keys: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def draw(self, series: Sequence[Series], x: Axis, y: Axis, *, keys: bool = True) -> None:
        """The curves, the last on top. A line is interrupted where a value is no number."""
        for one in series:
            if not one.points:
                continue
            self.keys += [one] * keys
            for stretch in _stretches(_thinned(one.points)):
                places = [(x.at(step), y.at(value)) for step, value in stretch]
                if len(places) > 1:
                    self.lines.append((one.style, " ".join(f"{a:g},{b:g}" for a, b in places)))
                if one.mark or len(places) == 1:
                    self.marks += [
                        PointMark(
                            a, b, one.mark or "circle", one.style, f"{one.name}, step {step:,}: {loss_text(value)}"
                        )
                        for (step, value), (a, b) in zip(stretch, places, strict=True)
                    ]
            self.notes += _notes(one, y)

    def scale(self, x: Axis, y: Axis, most: int = 4) -> None:
        """Faint lines across, with their values."""
        for value in _powers(y) if y.log else ticks(y.low, y.high, most):
            self.rules.append(Rule(x.start, y.at(value), x.end, y.at(value), "grid"))
            self.labels.append(Label(x.start - 6, y.at(value) + 4, f"{value:g}", "end"))

    def steps(self, x: Axis, y: float) -> None:
        """The axis of steps below ``y``."""
        self.rules.append(Rule(x.start, y, x.end, y, "axis"))
        for value in ticks(x.low, x.high, 5):
            self.labels.append(Label(x.at(value), y + 20, f"{value:,g}", _anchor(x, value)))

    def limit(self, x: Axis, y: Axis, value: float, said: str) -> None:
        """A dashed line across, with its words above its end."""
        if y.low <= value <= y.high:
            self.rules.append(Rule(x.start, y.at(value), x.end, y.at(value), "limit"))
            self.labels.append(Label(x.end, y.at(value) - 6, said, "end", "limit-words"))


def axis_of(series: Sequence[Series], start: float, end: float, *, log: bool = False, more: float = 0.0) -> Axis | None:
    """An axis for the values of all curves, and for ``more``, with some room; None where none is a number."""
    found = value_range([value for one in series for _, value in one.points], more or None)
    if found is None:
        return None
    low, high = found
    if log:
        return Axis(max(LEAST, low * 0.8), max(LEAST, high * 1.25), start, end, True)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return Axis(low - room, high + room, start, end)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between ``low`` and ``high``, at most about ``most``."""
    if not (drawable(low) and drawable(high)) or high <= low:
        return [low] if drawable(low) else []
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _powers(axis: Axis) -> list[float]:
    return [10.0**power for power in range(math.ceil(_log(axis.low)), math.floor(_log(axis.high)) + 1)]


def _log(value: float) -> float:
    return math.log10(max(value, 1e-12))


def _anchor(x: Axis, value: float) -> str:
    place = x.at(value)
    return "end" if place > x.end - 12 else "start" if place < x.start + 4 else "middle"


def _thinned(points: Points) -> Points:
    if len(points) <= MOST:
        return points
    size = -(-len(points) // (MOST // 2))
    kept: Points = []
    for at in range(0, len(points), size):
        some = points[at : at + size]
        if not all(drawable(value) for _, value in some):
            kept += [one for one in some if not drawable(one[1])][:1]
            some = [one for one in some if drawable(one[1])]
        kept += {min(some, key=lambda one: one[1]), max(some, key=lambda one: one[1])} if some else ()
    return sorted(kept)


def _stretches(points: Points) -> list[Points]:
    """The points between those that are no numbers."""
    found: list[Points] = [[]]
    for one in points:
        if drawable(one[1]):
            found[-1].append(one)
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]


def _notes(one: Series, y: Axis) -> list[str]:
    notes = []
    if wrong := next((point for point in one.points if not drawable(point[1])), None):
        notes.append(f"{one.name} is {loss_text(wrong[1])} at step {wrong[0]:,}.")
    highest = max((value for _, value in one.points if drawable(value)), default=y.high)
    if highest > y.high:
        notes.append(f"{one.name} goes up to {loss_text(highest)}, above this picture.")
    return [note[:1].upper() + note[1:] for note in notes]
