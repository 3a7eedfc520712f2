"""Printing of the views in this folder."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType

WIDTH = 80
"""Columns that a view takes at most."""


def put(pieces: Iterable[RenderableType], console: Console | None = None) -> None:
    """Print ``pieces`` one below the other, in at most :data:`WIDTH` columns.

    Args:
        pieces: What is printed.
        console: Where; None: standard output.
    """
    console = console or Console(highlight=False)
    console.print(Group(*pieces), width=min(console.width, WIDTH))
