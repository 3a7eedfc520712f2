"""A bar for the rows being prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def rows_bar(console: Console | None = None) -> Iterator[Callable[[int], None]]:
    """Counts rows on a terminal, says nothing elsewhere. The number of rows is not known before they are read."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = console or Console(stderr=True)
    if not console.is_terminal or console.quiet:
        yield lambda rows: None
        return
    columns = (SpinnerColumn(), TextColumn("preparing"), TextColumn("{task.completed:,.0f} rows"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("preparing", total=None)
        yield lambda rows: bar.update(task, completed=rows)
