"""The figures of a plot as JSON beside its drawing, for the script that draws it anew as an interactive chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from markupsafe import Markup

from sanetune.report.curve_points import drawable
from sanetune.report.html.plot_parts import Panel, Series
from sanetune.report.html.plots import Plot, thinned
from sanetune.text import escape_control

MOST = 20_000
"""Points of one line; of more, the lowest and the highest of each group of neighbours are kept, so that spikes stay."""
DIGITS = 6
"""Significant digits of a value: more than any screen shows."""
DASHES = {"probe": "dashed", "before": "long", "run1": "dashed", "run2": "dotted", "run3": "long", "run4": "dashed"}
"""Styles of lines that are told from others by more than their colour."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart.

    Attributes:
        name: Its name in the legend.
        style: CSS class of its colour, without the prefix.
        x: Steps, or learning rates.
        y: The value at each; None where it is not finite, which interrupts the line.
        mark: Shape at each point; "" for none.
        dash: Name of its dashes; "" for a whole line.
        noisy: Whether its running mean is drawn over it.
    """

    name: str
    style: str
    x: Sequence[float]
    y: Sequence[float | None]
    mark: str
    dash: str
    noisy: bool


def chart_json(plot: Plot) -> Markup:
    """Return the figures of ``plot`` for a script element of JSON, in which no text can end the element."""
    written = orjson.dumps({"panels": [_panel(one) for one in plot.panels]}, option=orjson.OPT_SERIALIZE_DATACLASS)
    text = written.decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    # What was escaped just now is markup-safe: no character of it can begin a tag or a reference.
    return Markup(text)


def thinning_note(series: Sequence[Series]) -> str:
    """Return a sentence about lines with more points than a screen has columns; "" where there are none."""
    most = max((len(one.points) for one in series), default=0)
    if most <= 2_000:
        return ""
    kept = f", of groups of {-(-most // (MOST // 2)):,} on this page" if most > MOST else ""
    return f"{most:,} records: each column of pixels shows the lowest and the highest of its records{kept}; zoom in."


def _panel(panel: Panel) -> dict[str, object]:
    band = panel.band
    return {
        "x": {"name": panel.x_name, "log": panel.x.log, "low": panel.x.low, "high": panel.x.high},
        "y": {
            "name": panel.y_name,
            "log": panel.y.log,
            "low": panel.y.low,
            "high": panel.y.high,
            "clipped": panel.y.clipped,
        },
        "lines": [_line(one) for one in panel.series],
        "band": {
            "name": band.name,
            "x": [step for step, _ in band.low],
            "low": [_short(value) for _, value in band.low],
            "high": [_short(value) for _, value in band.high],
        }
        if band
        else None,
        "marks": [
            {"x": one.step, "label": escape_control(one.label), "style": one.style, "text": escape_control(one.words)}
            for one in panel.steps
        ],
        "limits": [{"value": value, "text": text} for value, text in panel.limits],
    }


def _line(series: Series) -> ChartLine:
    points = thinned(series.points, MOST)
    return ChartLine(
        escape_control(series.name),
        series.style,
        [step for step, _ in points],
        [_short(value) for _, value in points],
        series.mark,
        DASHES.get(series.style.removesuffix("-train"), ""),
        series.style == "norm" or series.style.endswith("train"),
    )


def _short(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if drawable(value) else None
