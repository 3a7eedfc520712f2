"""Curves drawn with characters on a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from sanetune.text import escape_control

WIDTH, HEIGHT, LEFT = 68, 9, 10
"""Columns and rows of the drawing itself, and the columns that the labels take at its left."""
COLOURS = ("cyan", "magenta", "yellow", "green")
SYMBOLS = (*"\N{BLACK CIRCLE}\N{WHITE CIRCLE}+x\N{BLACK DIAMOND}\N{WHITE UP-POINTING TRIANGLE}", *"abcdefghijklmn")
"""Of curves in their order: shapes while there are some that can be told apart, then letters."""
_Cell = tuple[str, str]
"""Symbol and style."""
BLANK: _Cell = (" ", "")
SHARED: _Cell = ("*", "bold")
"""Where several curves are in one place."""

Curve = tuple[Sequence[float], Sequence[float]]
"""Steps (ascending) and values."""


def drawing(
    curves: Mapping[str, Curve],
    *,
    label: Callable[[float], str],
    last: int,
    bottom: float | None = None,
    height: int = HEIGHT,
    shared: bool = False,
) -> list[RenderableType]:
    """Draw curves over their steps, from step 1, or 0 where one of them has it; the first one covers the others.

    Args:
        curves: Name -> curve.
        label: Writes a value, at the left of the highest and the lowest row.
        last: The last step.
        bottom: Value of the lowest row; None: the smallest value.
        height: Rows of the drawing.
        shared: Whether a place of several curves has a symbol of its own, so that none is hidden.

    Returns:
        Its lines, without values that are not finite; none without a finite value.
    """
    values = [value for _, some in curves.values() for value in some if math.isfinite(value)]
    if not values:
        return []
    low = min(values) if bottom is None else bottom
    span = max(values) - low or 1.0
    first = 0 if any(step < 1 for steps, _ in curves.values() for step in steps) else 1
    styles = {name: (SYMBOLS[i % len(SYMBOLS)], COLOURS[i % len(COLOURS)]) for i, name in enumerate(curves)}
    grid: list[list[_Cell]] = [[BLANK] * WIDTH for _ in range(height)]
    for name in reversed(list(curves)):
        for step, value in zip(*curves[name], strict=True):
            if math.isfinite(value):
                column = round((max(step, first) - first) / max(1, last - first) * (WIDTH - 1))
                cells = grid[height - 1 - round((value - low) / span * (height - 1))]
                meets = shared and cells[column] not in (BLANK, styles[name])
                cells[column] = SHARED if meets else styles[name]
    lines: list[RenderableType] = []
    for row, cells in enumerate(grid):
        text = label(low + span) if row == 0 else label(low) if row == height - 1 else ""
        lines.append(Text.assemble((f"{text:>9} ", "dim"), *((symbol, colour) for symbol, colour in cells)))
    lines.append(Text(f"{f'step {first}':>16}{last:>{WIDTH - 6},}", style="dim"))
    return [*lines, *_legend(styles | ({"several": SHARED} if any(SHARED in cells for cells in grid) else {}))]


def _legend(styles: Mapping[str, _Cell]) -> list[RenderableType]:
    """Symbols with their names; what does not fit into a line begins another, with its symbol."""
    lines = [Text(" " * LEFT)]
    for name, (symbol, colour) in styles.items():
        entry = f"{symbol} {escape_control(name)}  "
        if len(lines[-1]) > LEFT and len(lines[-1]) + len(entry) > LEFT + WIDTH:
            lines.append(Text(" " * LEFT))
        lines[-1].append(entry, style=colour)
    return list(lines)
