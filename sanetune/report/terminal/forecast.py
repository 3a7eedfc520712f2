"""The forecast on a terminal: each number with the equation that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.report.terminal.layout import put

if TYPE_CHECKING:
    from sanetune.forecast.forecast import Forecast
    from sanetune.forecast.time import Range


def show(forecast: Forecast, console: Console | None = None) -> None:
    """Print the forecast in at most 80 columns; ``console`` None: on standard output."""
    put(parts(forecast), console)


def line(forecast: Forecast) -> str:
    """Return the forecast in one sentence."""
    cost = f", {units.usd(forecast.usd.middle)}" if forecast.usd else ""
    return (
        f"{units.many(forecast.steps, 'step')} will take {units.seconds(forecast.seconds.middle)} on"
        f" {units.many(forecast.devices, 'device')}{cost}; this check took {units.share(forecast.check_share)} of that"
    )


def parts(forecast: Forecast) -> list[RenderableType]:
    """Return the parts of the view from top to bottom."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="bold")
    table.add_column(style="dim", overflow="fold")
    for row in rows(forecast):
        table.add_row(*row)
    notes = [Text(f"! {note}", style="yellow") for note in forecast.notes]
    return [Text("Forecast of the whole run", style="bold"), table, *notes]


def rows(forecast: Forecast) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and equation of each number, as text."""
    f = forecast
    step = f.step_seconds
    yield (
        "one step",
        units.seconds(step.middle),
        f"mean of {units.many(f.measured_steps, 'measured step')}; parts of them {_between(step)}",
    )
    yield (
        "steps",
        units.seconds(f.steps * step.middle),
        f"{f.steps:,} x {units.seconds(step.middle)}",
    )
    if f.evaluations:
        yield (
            "evaluations",
            units.seconds(f.evaluations * f.evaluation_seconds),
            f"{f.evaluations:,} x {units.seconds(f.evaluation_seconds)} = {units.share(f.evaluation_share)} of the run",
        )
    if f.disk_bytes_per_second:
        yield (
            "saving",
            units.seconds(f.checkpoint_saves * f.checkpoint_seconds + f.final_save_seconds),
            f"{units.many(f.checkpoint_saves, 'checkpoint')} of {units.bytes_(f.checkpoint_bytes)} and the model, at"
            f" {units.bytes_(f.disk_bytes_per_second)}/s = {units.share(f.save_share)} of the run",
        )
    yield "whole run", units.seconds(f.seconds.middle), f"sum of the above; {_between(f.seconds)}"
    if f.usd is not None and f.usd_per_device_hour is not None:
        yield (
            "cost",
            units.usd(f.usd.middle),
            f"{_hours(f.hours.middle)} h x {units.many(f.paid_devices, 'device')} x {units.usd(f.usd_per_device_hour)};"
            f" {units.usd(f.usd.low)} to {units.usd(f.usd.high)}",
        )
    yield (
        "tokens",
        f"{units.count(f.tokens_per_second)}/s",
        f"without padding; {units.count(f.loss_tokens_per_second)}/s in the loss",
    )
    yield from _utilisation(f)
    yield (
        "this check",
        units.share(f.check_share),
        f"{units.seconds(f.check_seconds)} x {units.many(f.measured_devices, 'device')} /"
        f" ({units.seconds(f.seconds.middle)} x {units.many(f.devices, 'device')})",
    )


def _utilisation(f: Forecast) -> Iterator[tuple[str, str, str]]:
    """The utilisation of the device."""
    each = (
        f"{units.count(f.flops_per_token)} FLOPs per token x {units.count(f.tokens_per_second / f.devices)} tokens/s / "
    )
    if f.matmul_flops_per_second and f.matmul_share is not None:
        yield (
            "of the device",
            units.share(f.matmul_share),
            each + f"{_flops_per_second(f.matmul_flops_per_second)} measured on its matrices",
        )
    if f.peak_flops and f.mfu is not None:
        yield "MFU", units.share(f.mfu), each + f"{_flops_per_second(f.peak_flops)} published in {f.dtype}"


def _between(one: Range) -> str:
    return f"{units.seconds(one.low)} to {units.seconds(one.high)}"


def _hours(number: float) -> str:
    return f"{number:.1f}" if number >= 10 else f"{number:.3g}"


def _flops_per_second(number: float) -> str:
    return f"{number / 1e12:.3g} TFLOP/s" if number >= 1e11 else f"{number / 1e9:.3g} GFLOP/s"
