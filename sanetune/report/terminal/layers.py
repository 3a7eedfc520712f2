"""The layers of a model by what training them is worth, as bars, with patterns for the configuration."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.commands import command
from sanetune.report.terminal.layout import put
from sanetune.text import escape_control

if TYPE_CHECKING:
    from sanetune.probes.results.layers import LayerRanking

SHARES = (0.25, 0.5)
"""Fractions of the layers that patterns are offered for; Spectrum's are these, too."""
WIDTH = 20
"""Columns of a bar."""
NAMED = 4
"""Tokens that are named."""
UNSURE = 0.7
"""Rank correlation of both halves of the rows below which the order by gradient is called unsure."""


def figures(found: LayerRanking) -> dict[str, Any]:
    """Return the ranking for ``--json``, with the patterns."""
    patterns = {
        f"{share:g}": {"gradient": found.by_gradient(share), "signal": found.by_signal(share)} for share in SHARES
    }
    ratios = {str(one.block): one.ratio for one in found.blocks}
    more = {"ratios": ratios, "signals": {str(block): value for block, value in found.signals().items()}}
    return {**asdict(found), **more, "agreement": found.agreement, "train_only": patterns}


def show(found: LayerRanking, console: Console | None = None) -> None:
    """Print the ranking in at most 80 columns; ``console`` None: on standard output."""
    console = console or Console(highlight=False)
    put(parts(found), console)
    # Not wrapped, so that they can be copied.
    for name, patterns in (("gradient", found.by_gradient(SHARES[0])), ("signal-to-noise", found.by_signal(SHARES[0]))):
        console.print(Text(f"a quarter by {name}:", style="bold"))
        console.print(Text(f"  train_only: {listed(patterns)}"), soft_wrap=True)
    if found.token_modules:
        put([Text(f"\n{_unseen(found)}")], console)
    console.print(Text(f"\n{sweep_line(found)}", style="dim"), soft_wrap=True)


def _unseen(found: LayerRanking) -> str:
    """Why the patterns hold more than layers."""
    named = ", ".join(repr(escape_control(one, strict=True)) for one in found.unseen[:NAMED])
    more = f" and {len(found.unseen) - NAMED:,} more" if len(found.unseen) > NAMED else ""
    added = " and ".join(found.token_modules)
    return f"{added} beside the layers: the base has never seen {named}{more}, whose rows would otherwise be frozen."


def parts(found: LayerRanking) -> list[RenderableType]:
    """Return the parts of the view from top to bottom."""
    signals = found.signals()
    best = max((one.ratio for one in found.blocks if math.isfinite(one.ratio)), default=0.0)
    highest = max(signals.values(), default=0.0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("layer", justify="right")
    table.add_column("gradient / weight", no_wrap=True)
    table.add_column("signal-to-noise", no_wrap=True)
    for one in found.blocks:
        value = signals.get(one.block, math.nan)
        table.add_row(
            str(one.block),
            Text.assemble((_bar(one.ratio, best), "cyan"), f" {one.ratio:.2e}"),
            Text.assemble((_bar(value, highest), "magenta"), f" {value:.2f}"),
        )
    where = f"gradients of {units.many(found.loss_tokens, 'token')} in the loss"
    agreement = found.agreement
    sure = "" if not math.isfinite(agreement) else f"; both halves of them rank the layers alike to {agreement:.2f}"
    pieces: list[RenderableType] = [Text(f"{len(found.blocks)} layers: {where}{sure}"), Text(""), table, Text("")]
    if agreement < UNSURE:
        pieces += [Text("! the order by gradient is unsure: other rows give another one", "yellow"), Text("")]
    return pieces


def listed(patterns: list[str]) -> str:
    """Return patterns as YAML has a list of them on a line.

    >>> listed(["layers.[35]", "layers.27"])
    "['layers.[35]','layers.27']"
    """
    return "[" + ",".join(f"'{one}'" for one in patterns) + "]"


def sweep_line(found: LayerRanking) -> str:
    """Return the command that compares all weights and LoRA, each in all layers and in both choices of them."""
    choices = ",".join(listed(some(SHARES[0])) for some in (found.by_gradient, found.by_signal))
    return f'{command("sweep")} adapter=none,lora "train_only=none,{choices}"'


def _bar(value: float, best: float) -> str:
    full = round(WIDTH * value / best) if best and math.isfinite(value) else 0
    return "█" * full + "░" * (WIDTH - full)
