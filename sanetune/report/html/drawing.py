"""Coordinates of the histogram's bars and the packs' segments, in units of the SVG's view box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sanetune import units
from sanetune.report.html.view import Histogram, PackView

WIDTH, HEIGHT = 640, 230
LEFT, RIGHT, TOP, BOTTOM = 8, 632, 34, 196
TICKS = 5
"""Numbers on the axis of the histogram."""
PACKS = 40
"""Packs that are drawn."""
TONES = 4
"""Number of colours that the documents of a pack alternate between."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin of the histogram.

    Attributes:
        x: Left edge of the bar.
        y: Top edge of the bar.
        width: Its width.
        height: Its height.
        low: Fewest tokens of a row in the bin.
        high: Most tokens of a row in the bin.
        count: Rows in the bin.
        beyond: Whether all of them are longer than ``max_length``.
    """

    x: float
    y: float
    width: float
    height: float
    low: int
    high: int
    count: int
    beyond: bool


@dataclass(frozen=True, slots=True)
class AxisMark:
    """A number on the axis, or ``max_length``.

    Attributes:
        x: Where it is.
        value: Tokens.
        anchor: SVG's ``text-anchor``: ``start``, ``middle`` or ``end`` of the text is at ``x``.
    """

    x: float
    value: int
    anchor: str


@dataclass(frozen=True, slots=True)
class Bars:
    """The histogram of lengths.

    Attributes:
        bars: Its bins.
        ticks: Numbers on the axis.
        max_length: The line at ``max_length``; None: it is outside the picture, or there is no limit.
        highest: Number of rows of the largest bin.
        rows: Number of all rows.
        far: A sentence about a ``max_length`` outside the picture; "" otherwise.
    """

    bars: list[Bar]
    ticks: list[AxisMark]
    max_length: AxisMark | None
    highest: int
    rows: int
    far: str


@dataclass(frozen=True, slots=True)
class DocumentSegment:
    """One document of a pack.

    Attributes:
        start: Tokens of the pack before it.
        length: Its tokens.
        tone: Number of its colour.
        name: What the tooltip calls it.
    """

    start: int
    length: int
    tone: int
    name: str


@dataclass(frozen=True, slots=True)
class DrawnPack:
    """One pack as a row of the table of packs.

    Attributes:
        number: Its number, from 0.
        capacity: Tokens that the bar is wide.
        segments: Its documents.
        tokens: Tokens of all documents.
        fill: The same as a fraction of the tokens that a pack may have.
    """

    number: int
    capacity: int
    segments: list[DocumentSegment]
    tokens: int
    fill: float


@dataclass(frozen=True, slots=True)
class Packs:
    """The first packs as they are drawn, and figures of all of them.

    Attributes:
        drawn: The packs that are drawn.
        count: Number of all packs.
        fill: Tokens of all packs as a fraction of those that they may have.
        documents: Documents in all packs.
    """

    drawn: list[DrawnPack]
    count: int
    fill: float
    documents: int


def histogram(lengths: Histogram | None) -> Bars | None:
    """Return the histogram on a linear axis; None without rows.

    The axis goes from the shortest row to the longest one, or to ``max_length`` if that is not far above it.
    """
    if lengths is None or not lengths.counts or len(lengths.edges) != len(lengths.counts) + 1:
        return None
    low, high, limit = lengths.edges[0], lengths.edges[-1], lengths.max_length
    if limit is not None and high < limit <= low + 1.5 * (high - low):
        high = limit
    highest = max(lengths.counts)

    def at(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / max(1, high - low), 1)

    bars = []
    for count, start, end in zip(lengths.counts, lengths.edges, lengths.edges[1:], strict=False):
        tall = (BOTTOM - TOP) * count / max(1, highest)
        tall = round(max(tall, 1.5) if count else 0.0, 1)
        width = max(0.5, round(at(end) - at(start) - 1, 1))
        beyond = limit is not None and start > limit
        bars.append(Bar(at(start), round(BOTTOM - tall, 1), width, tall, start, end - 1, count, beyond))
    values = dict.fromkeys(round(low + (high - low) * step / (TICKS - 1)) for step in range(TICKS))
    ticks = [AxisMark(at(value), value, _anchor(at(value))) for value in values]
    mark, far = None, ""
    if limit and low <= limit <= high:
        mark = AxisMark(at(limit), limit, "end" if at(limit) > WIDTH / 2 else "start")
    elif limit is not None:
        far = f"All rows are {'shorter' if limit > high else 'longer'} than max_length, {units.many(limit, 'token')}."
    return Bars(bars, ticks, mark, highest, sum(lengths.counts), far)


def _anchor(x: float) -> str:
    if x < LEFT + 20:
        return "start"
    return "end" if x > RIGHT - 20 else "middle"


def packs(views: Sequence[PackView]) -> Packs | None:
    """Return the first packs as they are drawn, and figures of all of them; None without packs."""
    if not views:
        return None
    room = sum(view.capacity for view in views)
    tokens = sum(sum(view.documents) for view in views)
    drawn = [_pack(number, view) for number, view in enumerate(views[:PACKS])]
    return Packs(drawn, len(views), tokens / room if room else 0.0, sum(len(view.documents) for view in views))


def _pack(number: int, view: PackView) -> DrawnPack:
    segments, start = [], 0
    for index, length in enumerate(view.documents):
        name = f"row {view.rows[index]}" if index < len(view.rows) else f"document {index}"
        segments.append(DocumentSegment(start, length, index % TONES, name))
        start += length
    # A pack above its capacity is drawn whole, and is more than 100 % full.
    return DrawnPack(number, max(1, view.capacity, start), segments, start, start / max(1, view.capacity))
