"""What `sanetune data --export` has written, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sanetune import units
from sanetune.text import escape_control
from sanetune.workflows.provider_export.providers import READ

if TYPE_CHECKING:
    from sanetune.workflows.provider_export.export import Export


def show(found: Export, console: Console | None = None) -> None:
    """Print ``found``; ``console`` None: on standard output."""
    console = console or Console(highlight=False)
    for one in found.files:
        tokens = f"{one.tokens:,} tokens, longest row {one.longest:,}"
        words = f"{units.many(one.rows, 'row')}, {units.bytes_(one.bytes)}, {tokens}"
        masked = f", {units.many(one.weighted, 'message')} with weight 0" if one.weighted else ""
        console.print(Text(f"{one.split:10} {one.file}: {words}{masked}"), soft_wrap=True)
    if found.usd is not None and found.price is not None:
        price = found.price
        passes = f"{units.epochs(found.epochs)} epochs"
        cost = f"about {units.usd(found.usd)} for {passes} at {units.usd(price.usd)} a million tokens"
        stated = f"({price.model}, as of {price.as_of}, {price.source}); current: {found.provider.pricing}"
        console.print(Text(f"{'cost':10} {cost} {stated}"), soft_wrap=True)
    for note in found.notes:
        console.print(Text(f"! {escape_control(note)}", "yellow"), soft_wrap=True)
    for problem in found.problems:
        console.print(Text(f"✗ {escape_control(problem)}", "bold red"), soft_wrap=True)
    state = "is not kept" if found.problems else "is kept"
    console.print(Text(f"What {found.provider.source} asks for (read {READ}) {state}."), soft_wrap=True)
