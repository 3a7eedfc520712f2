"""The figures beside a drawing: every one of them, spikes and gaps too, and no text that ends their element."""

from __future__ import annotations

import json
import math
import random

import pytest

from sanetune.report.html.charts import MOST, chart_json, thinning_note
from sanetune.report.html.plot_parts import Axis, Band, Series, StepMark
from sanetune.report.html.plots import Plot, axis_from_zero, thinned
from tests.report import sample

X, Y = Axis(0, 10, 0, 100), Axis(0.0, 5.0, 100, 0)


def plotted(*series: Series) -> Plot:
    plot = Plot("", 100, 100)
    plot.draw(series, X, Y)
    return plot


def lines(plot: Plot) -> list[dict[str, list[float | None]]]:
    found: list[dict[str, list[float | None]]] = json.loads(chart_json(plot))["panels"][0]["lines"]
    return found


def test_all_points_of_a_line_are_there_and_what_is_not_finite_is_a_gap() -> None:
    (line,) = lines(
        plotted(Series("training loss", "train", [(1, 2.0), (2, math.nan), (3, math.inf), (4, 1.23456789)]))
    )
    assert line["x"] == [1, 2, 3, 4]
    assert line["y"] == [2.0, None, None, 1.23457]


def test_spikes_of_a_long_line_stay_both_ways() -> None:
    some = random.Random(0)
    points = [(step, 2.0 + some.random()) for step in range(1, 7 * MOST)]
    high, low, gap = 12_345, 99_999, 50_001
    points[high], points[low], points[gap] = (high + 1, 50.0), (low + 1, 0.01), (gap + 1, math.nan)
    (line,) = lines(plotted(Series("training loss", "train", points)))
    assert len(line["x"]) <= 1.1 * MOST
    kept = dict(zip(line["x"], line["y"], strict=True))
    assert (kept[high + 1], kept[low + 1], kept[gap + 1]) == (50.0, 0.01, None)
    for start in range(0, 100_000, 9_973):
        part = [value for step, value in points[start : start + 2_000] if math.isfinite(value)]
        drawn = [
            value for step, value in kept.items() if value is not None and start <= (step or 0) - 1 < start + 2_000
        ]
        assert max(drawn) == pytest.approx(max(part), rel=1e-5) and min(drawn) == pytest.approx(min(part), rel=1e-5)


def test_a_short_line_is_left_as_it_is() -> None:
    points = [(step, float(step)) for step in range(50)]
    assert thinned(points, 50) is points
    assert thinning_note([Series("", "", points)]) == ""


def test_a_long_line_says_what_is_drawn_of_it() -> None:
    note = thinning_note([Series("", "", [(step, 1.0) for step in range(45_000)])])
    assert note.startswith("45,000 records: each column of pixels shows the lowest and the highest")
    assert "groups of 5 " in note


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--<script>", "\u2028\u2029", "\ud800\x00"])
def test_no_text_ends_the_element_that_it_is_in(text: str) -> None:
    plot = plotted(Series(text, "train", [(1, 1.0)]))
    plot.mark_step(StepMark(3, text, "fail", text + sample.EVIL), X, Y)
    written = chart_json(plot)
    written.encode()
    assert not set(written) & set("<>&\u2028\u2029")
    panel = json.loads(written)["panels"][0]
    assert panel["marks"][0]["label"] == panel["lines"][0]["name"]
    if text.isprintable():
        assert panel["lines"][0]["name"] == text


def test_a_forecast_is_an_area_between_its_ends() -> None:
    plot = plotted(Series("validation loss", "held", [(1, 3.0)]))
    plot.band(Band("forecast", [(1, 3.0), (10, 1.0)], [(1, 3.0), (10, 2.0)]), X, Y)
    band = json.loads(chart_json(plot))["panels"][0]["band"]
    assert band == {"name": "forecast", "x": [1, 10], "low": [3.0, 1.0], "high": [3.0, 2.0]}
    assert plot.areas == [("band", "10,40 100,60 100,80 10,40")]


def test_a_forecast_that_is_not_finite_is_not_drawn() -> None:
    plot = plotted(Series("validation loss", "held", [(1, 3.0)]))
    plot.band(Band("forecast", [(1, 3.0), (10, math.nan)], [(1, 3.0), (10, 2.0)]), X, Y)
    assert not plot.areas and json.loads(chart_json(plot))["panels"][0]["band"] is None


def test_learning_rates_are_drawn_from_zero_and_all_are_inside() -> None:
    axis = axis_from_zero([Series("", "", [(0, 0.0), (1, 1e-5), (2, 1e-3)])], 100, 0)
    assert axis is not None and axis.low == 0 and axis.high > 1e-3
    assert axis_from_zero([Series("", "", [(0, math.nan)])], 100, 0) is None
