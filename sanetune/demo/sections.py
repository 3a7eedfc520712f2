"""Sections and paragraphs of the demo on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH = 80
"""Columns that are used at most, as in the views of the commands."""


def section(console: Console, number: int, title: str, summary: str) -> None:
    """Print a heading with its ``number`` (counts from 1), and a sentence on what follows."""
    console.print()
    console.print(Rule(Text(f"{number}. {title}", style="bold cyan"), align="left"), width=min(console.width, WIDTH))
    paragraph(console, summary, "italic")
    console.print()


def paragraph(console: Console, text: str, style: str = "") -> None:
    """Print a paragraph; ``text`` is never markup."""
    console.print(Text(text, style=style), width=min(console.width, WIDTH))


def put(console: Console, pieces: Sequence[RenderableType]) -> None:
    """Print pieces below each other."""
    console.print(*pieces, sep="\n", width=min(console.width, WIDTH))
