"""Time, speed and cost of a run: what was forecast beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune import units

if TYPE_CHECKING:
    from sanetune.forecast.forecast import Forecast
    from sanetune.report.html.view import RunView


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure of the run.

    Attributes:
        name: What it is.
        forecast: As forecast before the run; "" where it was not.
        measured: As measured in the run, so far; "" where it was not.
        range: The lowest and highest that was forecast.
        note: What the measured value is in other words, in the place of a forecast.
    """

    name: str
    forecast: str = ""
    measured: str = ""
    range: str = ""
    note: str = ""


def figure_rows(forecast: Forecast | None, run: RunView | None, check_seconds: float = 0.0) -> Iterator[FigureRow]:
    """Yield the figures that are known.

    Args:
        forecast: The forecast of the run.
        run: The run; None: a check alone.
        check_seconds: Seconds of the whole check; 0: as many as it had taken when the forecast was made.
    """
    f, seconds = forecast, run.seconds if run else None
    if f or seconds:
        yield FigureRow(
            "time",
            units.seconds(f.seconds.middle) if f else "",
            units.seconds(seconds) if seconds else "",
            f"{units.seconds(f.seconds.low)} to {units.seconds(f.seconds.high)}" if f else "",
        )
    if f and f.usd and f.usd_per_device_hour is not None:
        paid = seconds / 3600 * f.paid_devices * f.usd_per_device_hour if seconds else None
        between = f"{units.usd(f.usd.low)} to {units.usd(f.usd.high)}"
        yield FigureRow("cost", units.usd(f.usd.middle), "" if paid is None else units.usd(paid), between)
    speed = run.tokens_per_second if run else None
    if f or speed:
        yield FigureRow(
            "speed",
            f"{units.count(f.tokens_per_second)} tokens/s" if f else "",
            f"{units.count(speed)} tokens/s" if speed else "",
        )
    if f:
        one = f.step_seconds
        between = f"{units.seconds(one.low)} to {units.seconds(one.high)}"
        measured = units.seconds(run.step_seconds) if run and run.step_seconds else ""
        yield FigureRow("one step", units.seconds(one.middle), measured, between)
        took = check_seconds or f.check_seconds
        share = units.share(f.check_share * took / f.check_seconds) if f.check_seconds else ""
        note = f"{share} of the forecast" if share else ""
        yield FigureRow("check", "", units.seconds(took), note=note)
