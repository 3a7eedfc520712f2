"""Printing of the views in this folder."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType

WIDTH = 80
"""Columns that a view takes at most."""


def without_colour(console: Console | None = None) -> bool:
    """Return whether ``console`` (None: standard output) shows no colours: a file, a pipe, CI, or NO_COLOR.

    What only a colour would say has to be said in text then.
    """
    console = console or Console(highlight=False)
    return console.no_color or console.color_system is None


def put(pieces: Iterable[RenderableType], console: Console | None = None) -> None:
    """Print ``pieces`` one below the other, in at most :data:`WIDTH` columns.

    Args:
        pieces: What is printed.
        console: Where; None: standard output.
    """
    console = console or Console(highlight=False)
    console.print(Group(*pieces), width=min(console.width, WIDTH))
