"""Line plots for SVG, in units of the view box, with the same curves for interactive charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from sanetune.report.curve_points import drawable, value_range
from sanetune.report.experiment_text import loss_text
from sanetune.report.html.plot_parts import (
    Axis,
    Band,
    Label,
    Panel,
    PointMark,
    Points,
    Rule,
    Series,
    StepMark,
    log10,
)

MOST = 600
"""Points of one line that are drawn; of a longer one, the lowest and the highest of each group of neighbours."""
FEW = 5
"""Values on a logarithmic axis up to which multiples of the powers of ten are among them."""
FACTORS = (10, 5, 2.5, 2, 1, 0.5)
"""Steps between the numbers of an axis, times a power of ten; a finer one where a coarse one leaves less than three."""
LEAST = 1e-4
"""The lowest value on a logarithmic axis of losses."""


@dataclass(slots=True)
class Plot:
    """One plot.

    Attributes:
        label: What it shows, for screen readers.
        width: Width of the view box.
        height: Height of the view box.
        lines: CSS class and points of each line.
        marks: Marks at points.
        rules: Straight lines: grid, axes and limits.
        labels: Texts.
        keys: Curves in the legend.
        notes: Sentences about what the plot cannot show.
        areas: CSS class and corners of filled areas.
        panels: The same curves for an interactive chart, from top to bottom.
    """

    label: str
    width: int
    height: int
    lines: list[tuple[str, str]] = field(default_factory=list)
    marks: list[PointMark] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    keys: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    areas: list[tuple[str, str]] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)

    def draw(self, series: Sequence[Series], x: Axis, y: Axis, *, keys: bool = True, name: str = "loss") -> None:
        """Draw curves, the last one on top; a line is interrupted where a value is not finite.

        Args:
            series: The curves.
            x: Axis of the steps.
            y: Axis of the values.
            keys: Whether the curves are in the legend.
            name: What the values are.
        """
        self.panels.append(Panel([one for one in series if one.points], x, y, y_name=name))
        for one in series:
            if not one.points:
                continue
            self.keys += [one] * keys
            for line in _finite_parts(thinned(one.points, MOST)):
                places = [(x.at(step), y.at(value)) for step, value in line]
                if len(places) > 1:
                    self.lines.append((one.style, " ".join(f"{a:g},{b:g}" for a, b in places)))
                if one.mark or len(places) == 1:
                    self.marks += [
                        PointMark(
                            a, b, one.mark or "circle", one.style, f"{one.name}, step {step:,}: {loss_text(value)}"
                        )
                        for (step, value), (a, b) in zip(line, places, strict=True)
                    ]
            self.notes += _notes(one, y, name)

    def scale(self, x: Axis, y: Axis, most: int = 4) -> None:
        """Draw faint horizontal lines with their values, about ``most`` in number."""
        for value in _powers(y) if y.log else ticks(y.low, y.high, most):
            self.rules.append(Rule(x.start, y.at(value), x.end, y.at(value), "grid"))
            self.labels.append(Label(x.start - 6, y.at(value) + 4, f"{value:g}", "end"))

    def steps(self, x: Axis, y: float) -> None:
        """Draw the axis of steps ``x`` at the coordinate ``y``, its numbers below it."""
        self.rules.append(Rule(x.start, y, x.end, y, "axis"))
        for value in ticks(x.low, x.high, 5):
            self.labels.append(Label(x.at(value), y + 20, f"{value:,g}", _anchor(x, value)))

    def band(self, band: Band, x: Axis, y: Axis) -> None:
        """Fill the area between the two curves of ``band`` in the panel that was drawn last; of one step draw a bar."""
        corners = [*band.high, *reversed(band.low)]
        if not all(drawable(value) for _, value in corners):
            return
        self.panels[-1].band = band
        if len(band.low) > 1:
            self.areas.append(("band", " ".join(f"{x.at(step):g},{y.at(value):g}" for step, value in corners)))
            return
        (step, high), (_, low) = corners
        self.rules.append(Rule(x.at(step), y.at(low), x.at(step), y.at(high), "band"))
        self.marks += [
            PointMark(x.at(step), y.at(value), "circle", "band", f"{band.name}, step {step:,}: {loss_text(value)}")
            for value in (low, high)
        ]

    def mark_step(self, mark: StepMark, x: Axis, y: Axis) -> None:
        """Draw a vertical line at a step, with its label at the top, in the panel that was drawn last."""
        self.panels[-1].steps.append(mark)
        if not x.low <= mark.step <= x.high:
            return
        at, top = x.at(mark.step), min(y.start, y.end)
        self.rules.append(Rule(at, top, at, max(y.start, y.end), mark.style))
        side = "end" if at > 0.75 * x.end else "start"
        self.labels.append(Label(at + (-5 if side == "end" else 5), top + 8, mark.label, side, f"{mark.style}-words"))

    def limit(self, x: Axis, y: Axis, value: float, text: str) -> None:
        """Draw a dashed horizontal line at the loss ``value``, with ``text`` above its end."""
        if self.panels:
            self.panels[-1].limits.append((value, text))
        if y.low <= value <= y.high:
            self.rules.append(Rule(x.start, y.at(value), x.end, y.at(value), "limit"))
            self.labels.append(Label(x.end, y.at(value) - 6, text, "end", "limit-words"))


def axis_of(series: Sequence[Series], start: float, end: float, *, log: bool = False, more: float = 0.0) -> Axis | None:
    """Return an axis for the losses or norms of all curves, with a margin; None where none of them is finite.

    Args:
        series: The curves.
        start: Coordinate of the lowest value.
        end: Coordinate of the highest value.
        log: Whether the axis is logarithmic.
        more: Another loss that the axis has to include; 0: none.
    """
    found = value_range([value for one in series for _, value in one.points], more or None)
    if found is None:
        return None
    low, high = found
    if log:
        return Axis(max(LEAST, low * 0.8), max(LEAST, high * 1.25), start, end, True)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return Axis(low - room, high + room, start, end)


def axis_from_zero(series: Sequence[Series], start: float, end: float) -> Axis | None:
    """Return an axis from 0 to the highest value of all curves, such as learning rates; None where none is finite.

    Args:
        series: The curves.
        start: Coordinate of 0.
        end: Coordinate of the highest value.
    """
    found = [value for one in series for _, value in one.points if drawable(value)]
    return Axis(0.0, 1.06 * max(found) or 1.0, start, end) if found else None


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round losses, norms or steps between ``low`` and ``high``, about ``most`` in number, three at least.

    >>> ticks(0, 100, 5)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    if not (drawable(low) and drawable(high)) or high <= low:
        return [low] if drawable(low) else []
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    round_one = next(factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    found: list[float] = []
    for factor in (one for one in FACTORS if one <= round_one):
        step = power * factor
        numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
        found = [float(f"{number * step:.12g}") for number in numbers]
        if len(found) > 2:
            break
    return found


def _powers(axis: Axis) -> list[float]:
    """Powers of ten on a logarithmic axis, where they are few also multiples of them, else any round values."""
    powers = range(math.floor(log10(axis.low)), math.floor(log10(axis.high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        every = [float(f"{factor * 10.0**power:.12g}") for power in powers for factor in factors]
        inside = [value for value in every if axis.low <= value <= axis.high]
        if len(inside) <= FEW:
            break
    return inside if len(inside) > 2 else ticks(axis.low, axis.high, 4)


def _anchor(x: Axis, value: float) -> str:
    place = x.at(value)
    return "end" if place > x.end - 12 else "start" if place < x.start + 4 else "middle"


def thinned(points: Points, most: int) -> Points:
    """Return the points, or of more than ``most`` of them the lowest and highest of each group of neighbours.

    Args:
        points: Pairs of a step and a value.
        most: Points that are kept, about; spikes and the first value of a group that is not finite stay.

    >>> thinned([(1, 2.0), (2, 9.0), (3, 2.5), (4, 2.0), (5, 1.0), (6, 2.0)], 4)
    [(1, 2.0), (2, 9.0), (4, 2.0), (5, 1.0)]
    """
    if len(points) <= most:
        return points
    size = -(-len(points) // (most // 2))
    kept: list[tuple[float, float]] = []
    for at in range(0, len(points), size):
        some = points[at : at + size]
        if not all(drawable(value) for _, value in some):
            kept += [one for one in some if not drawable(one[1])][:1]
            some = [one for one in some if drawable(one[1])]
        kept += {min(some, key=lambda one: one[1]), max(some, key=lambda one: one[1])} if some else ()
    return sorted(kept)


def _finite_parts(points: Points) -> list[list[tuple[float, float]]]:
    """The points in groups, split where a value cannot be drawn."""
    found: list[list[tuple[float, float]]] = [[]]
    for one in points:
        if drawable(one[1]):
            found[-1].append(one)
        elif found[-1]:
            found.append([])
    return [part for part in found if part]


def _notes(one: Series, y: Axis, picture: str) -> list[str]:
    """What of a curve the picture of ``picture`` does not show. A name stays as it is: it may be that of a run."""
    notes = []
    if wrong := next((point for point in one.points if not drawable(point[1])), None):
        notes.append(
            f"The picture of the {picture} breaks off where {one.name} is {loss_text(wrong[1])}, at step {wrong[0]:,}."
        )
    highest = max((value for _, value in one.points if drawable(value)), default=y.high)
    if highest > y.high:
        notes.append(f"The picture of the {picture} ends below the highest of {one.name}, {loss_text(highest)}.")
    return notes
