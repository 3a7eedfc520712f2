"""Settings of a step that were measured, as a table with the choice and its reason."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.commands import command
from sanetune.planning.step_settings import in_words
from sanetune.report.terminal.layout import put

if TYPE_CHECKING:
    from sanetune.workflows.measuring.result import Candidate, Measured


def show(found: Measured, console: Console | None = None) -> None:
    """Print what was measured in at most 80 columns; ``console`` None: on standard output."""
    put(parts(found), console)


def parts(found: Measured) -> list[RenderableType]:
    """Return the parts of the view from top to bottom; ``>`` marks the choice, ``=`` the configuration otherwise."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("")
    table.add_column("micro-batch", justify="right", no_wrap=True)
    table.add_column("precision", no_wrap=True)
    table.add_column("recomputed", no_wrap=True)
    for name in ("tokens/s", "a step", "memory", "loss"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.candidates:
        mark = ">" if one.settings == found.chosen else "=" if one.settings == found.present else ""
        table.add_row(mark, *_cells(one), style="bold" if mark == ">" else "")
    many = f" (one of {found.devices})" if found.devices > 1 else ""
    head = (
        f"First steps of the run, engine {found.engine}, on this {found.device}{many}: {units.seconds(found.seconds)}"
    )
    pieces: list[RenderableType] = [Text(head, style="bold"), Text(""), table, Text("")]
    for one in found.candidates:
        if one.obstacle:
            pieces.append(Text(f"- {_settings(one)}: {one.obstacle}", style="dim"))
    pieces += [Text(f"- {note}", style="dim") for note in found.notes]
    return [*pieces, *_choice(found)]


def _choice(found: Measured) -> list[RenderableType]:
    """The choice with its reason, what it changes, and what to do."""
    if found.chosen is None:
        return [Text(f"x {found.reason}: train an adapter (model.adapter: lora), or lower train.max_length", "red")]
    if not found.changes:
        return [Text(f"= the configuration stays as it is: {found.reason}", "green")]
    candidate = found.candidate(found.chosen)
    words = _settings(candidate) if candidate else ""
    lines = [Text(f"> {words}: {found.reason}", "green")]
    lines += [Text(f"    {key}: {_yaml(value)}") for key, value in found.changes.items()]
    if found.file is not None:
        lines.append(Text(f"Written into {found.file}; what it was is in {found.backup}."))
    else:
        lines.append(Text(f"Write it: {command('plan', '--measure', '--write')}", "dim"))
    return list(lines)


def _cells(one: Candidate) -> list[str]:
    settings = one.settings
    size = f"{settings.per_device} x {settings.accumulation} {'packs' if settings.packing else 'rows'}"
    speed, tokens, loss = one.tokens_per_second, one.step_tokens, one.loss
    return [
        size,
        "bf16" if settings.bf16 else "float32",
        "yes" if settings.checkpointing else "no",
        "" if speed is None else f"{speed:,.0f}",
        "" if tokens is None else f"{tokens:,.0f}",
        units.bytes_(one.peak_bytes) if one.peak_bytes else f"({units.bytes_(one.forecast_bytes)})",
        "" if loss is None or not math.isfinite(loss) else f"{loss:.4f}",
    ]


def _settings(one: Candidate) -> str:
    return in_words(one.settings)


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
