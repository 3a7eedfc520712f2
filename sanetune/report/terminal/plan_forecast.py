"""The forecast of a plan on a terminal: memory of a device, seconds of a step, hours and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units

if TYPE_CHECKING:
    from sanetune.forecast.ahead import Ahead
    from sanetune.forecast.memory import MemoryForecast
    from sanetune.forecast.time import Range

FULL = 0.9
"""Share of the memory from which on it is called tight, as the check machine-memory-short does."""


def forecast_parts(ahead: Ahead) -> list[RenderableType]:
    """Return the parts of the view from top to bottom."""
    where = ahead.device if ahead.devices == 1 else f"{ahead.devices} x {ahead.device}"
    table = Table.grid(padding=(0, 2))
    if ahead.memory is not None:
        _memory_rows(table, ahead.memory)
    if ahead.step_seconds is not None and ahead.hours is not None and ahead.flops_per_second:
        assumed = f"{units.share(ahead.reached.low)} to {units.share(ahead.reached.high)}"
        table.add_row(
            "a step",
            _range(ahead.step_seconds, units.seconds),
            f"at {assumed} of {units.count(ahead.flops_per_second)} FLOPs per second",
        )
        table.add_row("all steps", _range(ahead.hours.times(3600), units.seconds), units.many(ahead.steps, "step"))
    if ahead.usd is not None:
        table.add_row("cost", _range(ahead.usd, units.usd), "")
    lines = [Text(f"! {note}", style="yellow") for note in ahead.notes]
    return [Text(f"Forecast on {where}, without loading the model", style="bold"), table, *lines]


def _memory_rows(table: Table, memory: MemoryForecast) -> None:
    shared = f", {memory.sharding} on {memory.devices} devices" if memory.sharding else ""
    for name in ("weights", "gradients", "optimizer", "activations"):
        table.add_row(name, units.bytes_(getattr(memory, name)), "")
    if memory.evaluation > memory.step:
        table.add_row("evaluation", units.bytes_(memory.evaluation), "more than a step")
    of = f"of {units.bytes_(memory.device)}{shared}" if memory.device else shared.removeprefix(", ")
    style = "" if memory.share is None or memory.share <= FULL else "red" if memory.share > 1 else "yellow"
    table.add_row(Text("peak", style="bold"), Text(units.bytes_(memory.peak), style=style or "bold"), of)


def _range(values: Range, words: object) -> str:
    assert callable(words)
    return f"{words(values.low)} to {words(values.high)}"
