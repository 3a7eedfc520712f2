"""Bars for rows being prepared and evidence being built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass
class ChecksBar:
    """What the gate is doing: the evidence that is built, the check that runs, how many rows or steps are done."""

    doing: Callable[[str], None]
    rows: Callable[[int], None]
    steps: Callable[[str, int, int], None]


EVIDENCE = {
    "tokenizer": "loading the tokenizer",
    "read_sources": "reading rows",
    "preparation": "rendering and tokenizing",
    "plan": "planning",
    "role_derivation": "finding who wrote each token",
    "batch_stats": "reading the batches",
    "harness": "loading the model",
    "peak_memory": "measuring the largest step",
    "first_step": "making one step",
    "critical_lr": "searching the critical rate",
    "prompt_answer_overlap": "asking whose answer is whose",
    "trial_outcome": "asking the base model",
}
"""The evidence that takes long enough to be told about."""


@contextmanager
def checks_bar(console: Console | None = None) -> Iterator[ChecksBar]:
    """Tells on a terminal what is being built, and says nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = console or Console(stderr=True)
    if not console.is_terminal or console.quiet:
        yield ChecksBar(lambda name: None, lambda rows: None, lambda what, done, of: None)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("looking", total=None, rows="")

        def doing(name: str) -> None:
            if words := EVIDENCE.get(name) or (f"checking {name}" if "-" in name else ""):
                bar.update(task, description=words, rows="")

        def steps(what: str, done: int, of: int) -> None:
            bar.update(task, description=what, rows=f"step {done:,} of {of:,}")

        yield ChecksBar(doing, lambda rows: bar.update(task, rows=f"{rows:,} rows"), steps)
