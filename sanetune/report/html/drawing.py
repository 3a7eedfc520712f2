"""Where things lie in the pictures: bars of the histogram, segments of packs. All in the units of an SVG's view box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.report.html.view import Histogram, PackView

WIDTH, HEIGHT = 640, 230
LEFT, RIGHT, TOP, BOTTOM = 8, 632, 34, 196
TICKS = 5
PACKS = 40
"""Packs that are drawn."""
TONES = 4
"""Colours that documents of a pack take turns in."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin; ``beyond``: it begins behind the cut."""

    x: float
    y: float
    width: float
    height: float
    low: int
    high: int
    count: int
    beyond: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A number on the axis, or the cut. ``anchor``: which end of its words stands at ``x``."""

    x: float
    value: int
    anchor: str


@dataclass(frozen=True, slots=True)
class Bars:
    """The histogram."""

    bars: list[Bar]
    ticks: list[Mark]
    cut: Mark | None
    highest: int
    rows: int
    far: str
    """Says where the cut is when it lies outside of the picture."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One document."""

    start: int
    length: int
    tone: int
    name: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """One pack as a row of the map."""

    number: int
    capacity: int
    segments: list[Segment]
    tokens: int
    fill: float


@dataclass(frozen=True, slots=True)
class Packs:
    """The map: the first packs drawn, and figures of all."""

    drawn: list[Drawn]
    count: int
    fill: float
    documents: int


def histogram(lengths: Histogram | None) -> Bars | None:
    """Bars on a linear axis that reaches from the shortest row to the longest, or to a cut not far behind it."""
    if lengths is None or not lengths.counts or len(lengths.edges) != len(lengths.counts) + 1:
        return None
    low, high, cut = lengths.edges[0], lengths.edges[-1], lengths.max_length
    if cut is not None and high < cut <= low + 1.5 * (high - low):
        high = cut
    highest = max(lengths.counts)

    def at(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / max(1, high - low), 1)

    bars = []
    for count, start, end in zip(lengths.counts, lengths.edges, lengths.edges[1:], strict=False):
        tall = (BOTTOM - TOP) * count / max(1, highest)
        tall = round(max(tall, 1.5) if count else 0.0, 1)
        width = max(0.5, round(at(end) - at(start) - 1, 1))
        beyond = cut is not None and start > cut
        bars.append(Bar(at(start), round(BOTTOM - tall, 1), width, tall, start, end - 1, count, beyond))
    values = dict.fromkeys(round(low + (high - low) * step / (TICKS - 1)) for step in range(TICKS))
    ticks = [Mark(at(value), value, _anchor(at(value))) for value in values]
    mark = Mark(at(cut), cut, "end" if at(cut) > WIDTH / 2 else "start") if cut and low <= cut <= high else None
    far = ""
    if cut is not None and mark is None:
        far = f"The cut at {cut:,} tokens is {'longer' if cut > high else 'shorter'} than every row."
    return Bars(bars, ticks, mark, highest, sum(lengths.counts), far)


def _anchor(x: float) -> str:
    if x < LEFT + 20:
        return "start"
    return "end" if x > RIGHT - 20 else "middle"


def packs(views: Sequence[PackView]) -> Packs | None:
    """The first packs with their documents' segments, and figures of all of them."""
    if not views:
        return None
    room = sum(view.capacity for view in views)
    tokens = sum(sum(view.documents) for view in views)
    drawn = [_pack(number, view) for number, view in enumerate(views[:PACKS])]
    return Packs(drawn, len(views), tokens / room if room else 0.0, sum(len(view.documents) for view in views))


def _pack(number: int, view: PackView) -> Drawn:
    segments, start = [], 0
    for index, length in enumerate(view.documents):
        name = f"row {view.rows[index]}" if index < len(view.rows) else f"document {index}"
        segments.append(Segment(start, length, index % TONES, name))
        start += length
    # A pack that is fuller than it may be is drawn whole, and its share above 100 % tells.
    return Drawn(number, max(1, view.capacity, start), segments, start, start / max(1, view.capacity))
