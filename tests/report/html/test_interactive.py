"""Charts in a real browser: read at a point, zoomed, on a logarithmic axis, of long runs, and refreshed."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.curves.series import Curve, Evaluation
from sanetune.finding import Finding, Verdict
from sanetune.forecast.outcome import EarlierForecast
from sanetune.report.html.compared_runs import page_of_runs
from sanetune.report.html.run_page import live_page, view_of_run
from sanetune.report.html.view import FiredView
from sanetune.report.live import PageCache, PageServer
from sanetune.typed_json import to_json
from tests.report import experiments_made, runs_made
from tests.report.html import views
from tests.report.html.conftest import Open
from tests.report.html.test_browser import LEAST_CONTRAST
from tests.report.html.test_forecast_end import FOUND

CHART = '.overview .chart[data-chart="training"]'


BROKEN_WORDS = """(cells) => {
  const broken = [];
  for (const cell of document.querySelectorAll(cells)) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode())
      for (const word of node.data.matchAll(/[A-Za-z]+/g)) {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map((one) => Math.round(one.top)));
        if (lines.size > 1) broken.push(word[0]);
      }
  }
  return broken;
}"""
"""Words in cells of a table, which a selector chooses, that are on two lines."""


def values(tab: Any, chart: str = CHART) -> list[str]:
    found: list[str] = tab.locator(f"{chart} .u-legend .u-series:visible .u-value").all_inner_texts()
    return found


def whole(tab: Any) -> Any:
    return tab.locator(f"{CHART} button", has_text="Whole")


def over(tab: Any, share: float, chart: str = CHART) -> tuple[float, float]:
    """Coordinates at a share of the chart's width."""
    box = tab.locator(f"{chart} .u-over").bounding_box()
    return box["x"] + share * box["width"], box["y"] + box["height"] / 2


def test_pointing_at_a_chart_shows_the_values_of_that_step(opened: Open) -> None:
    tab = opened(views.trained(), unfolded=False)
    tab.mouse.move(*over(tab, 0.5))
    step, loss = values(tab)[:2]
    curve = experiments_made.curve(steps=50)
    at = {point.step: point.loss for point in curve.points}
    assert abs(int(step) - 25) <= 1
    assert float(loss) == pytest.approx(at[int(step)], rel=1e-3)


def test_a_value_of_another_step_is_read_out_with_its_step_and_only_near_it(opened: Open) -> None:
    page, evaluated = views.trained(), {10: 3.05, 30: 2.75, 50: 2.52}
    assert page.run is not None and page.run.curve is not None
    curve = replace(page.run.curve, validation=[Evaluation(*one) for one in evaluated.items()])
    tab = opened(replace(page, run=replace(page.run, curve=curve)), unfolded=False)
    read = []
    for place in range(10, 96):
        tab.mouse.move(*over(tab, place / 100))
        step, _, validation = values(tab)[:3]
        loss, _, at = validation.partition(" at ")
        if loss:
            read.append(bool(at))
            assert float(loss) == pytest.approx(evaluated[int(at or step)], rel=1e-3)
            assert abs(int(at or step) - int(step)) <= 5
    assert any(read) and not all(read) and len(read) < 60  # at most steps no evaluation is near


def test_a_chart_is_zoomed_by_dragging_and_shown_whole_again(opened: Open) -> None:
    tab = opened(views.trained(), unfolded=False)
    assert whole(tab).is_hidden()
    tab.mouse.move(*over(tab, 0.2))
    tab.mouse.down()
    tab.mouse.move(*over(tab, 0.4), steps=4)
    tab.mouse.up()
    whole(tab).wait_for(state="visible")
    tab.mouse.move(*over(tab, 0.5))
    assert int(values(tab)[0]) in range(13, 18)
    whole(tab).click()
    tab.mouse.move(*over(tab, 0.98))
    assert int(values(tab)[0]) >= 48
    assert whole(tab).is_hidden()


def test_the_axis_of_values_can_be_logarithmic(opened: Open) -> None:
    tab = opened(views.trained(), unfolded=False)
    button = tab.locator(f"{CHART} button", has_text="Log")
    before = button.get_attribute("aria-pressed")
    button.click()
    assert button.get_attribute("aria-pressed") == {"true": "false", "false": "true"}[before]
    tab.mouse.move(*over(tab, 0.5))
    assert values(tab)[1] not in ("", "--")


def test_a_chart_that_is_folded_is_drawn_when_it_is_opened(opened: Open) -> None:
    tab = opened(views.trained(), unfolded=False)
    assert tab.locator("#experiments .uplot").count() == 0
    tab.locator("#experiments > summary").click()
    tab.locator('#experiments .chart[data-chart="trial"] .uplot').first.wait_for(state="visible")
    assert tab.locator("#experiments svg.plot:visible").count() == 0


def test_a_spike_of_one_step_among_twenty_thousand_can_be_seen(opened: Open) -> None:
    curve = experiments_made.curve(steps=20_000)
    spike = 12_344
    points = list(curve.points)
    points[spike] = replace(points[spike], loss=2.9 * max(point.loss for point in curve.points[:1]))
    run = replace(views.trained().run, curve=replace(curve, points=points))
    tab = opened(replace(views.trained(), run=run), unfolded=False)
    top = """(x) => {
      const canvas = document.querySelector('.chart[data-chart="training"] canvas');
      const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const at = (column, y, part) => all[4 * (y * canvas.width + column) + part];
      for (let y = 0; y < canvas.height; y++)
        for (let i = -2; i <= 2; i++)
          if (at(x + i, y, 3) > 60 && at(x + i, y, 0) !== at(x - 30, y, 0)) return y;
      return canvas.height;
    }"""
    box = tab.locator(f"{CHART} canvas").bounding_box()
    inner = tab.locator(f"{CHART} .u-over").bounding_box()
    x = round(inner["x"] - box["x"] + inner["width"] * (spike + 1) / 20_000)
    assert tab.evaluate(top, x) < 0.45 * box["height"], "the spike is drawn to its height"


def drawn_texts(tab: Any, chart: str = CHART) -> list[str]:
    """The texts on a chart, drawn anew."""
    tab.evaluate("""() => {
      window.drawn = [];
      const fill = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
        window.drawn.push(text);
        return fill.call(this, text, ...at);
      };
    }""")
    tab.locator(f"{chart} button", has_text="Log").click()
    tab.wait_for_timeout(100)
    found: list[str] = tab.evaluate("window.drawn")
    return found


@pytest.mark.parametrize("highest", [2.3, 3.4, 5.1, 6.0, 8.9])
def test_an_axis_has_three_numbers_at_least(opened: Open, highest: float) -> None:
    points = [replace(point, loss=highest if point.step == 9 else 0.9) for point in experiments_made.curve().points]
    run = replace(views.trained().run, curve=Curve(points))
    tab = opened(replace(views.trained(), run=run), unfolded=False)
    for axis in ("logarithmic or not", "the other"):
        numbers = {text for text in drawn_texts(tab) if text.replace(".", "").isdigit()}
        values = {text for text in numbers if 0.5 < float(text) < 9.9}
        assert len(values) >= 3, (axis, numbers)


@pytest.mark.parametrize("width", [390, 1100])
def test_what_failed_is_named_at_its_step_whatever_else_is_marked_there(opened: Open, width: int) -> None:
    view = views.trained()
    assert view.run is not None
    fired = [
        FiredView(step, Finding(name, verdict, "It rises."))
        for step, name, verdict in ((40, "curve-staircase", Verdict.WARN), (49, "curve-overfit", Verdict.FAIL))
    ]
    tab = opened(replace(view, run=replace(view.run, fired=fired)), viewport={"width": width, "height": 800})
    named = [one for one in drawn_texts(tab) if one.startswith("curve-")]
    assert "curve-overfit" in named
    assert named == ["curve-overfit", "curve-staircase"]
    assert "curve-overfit" in tab.locator(".overview .found").first.inner_text(), "and beside the chart"


def test_learning_rates_below_a_chart_are_all_written_in_one_way(opened: Open) -> None:
    view, made = views.trained(), experiments_made.lr_comparison()
    made = replace(made, runs=[*made.runs[:3], replace(made.runs[3], evaluation=Evaluation(40, 2.5))])
    found = replace(experiments_made.full(), lr_comparison=made)
    tab = opened(replace(view, report=replace(view.report, experiments=found.to_json())))
    texts = drawn_texts(tab, '.overview .chart[data-chart="lr-losses"]')
    assert {"6.67e-5", "2e-4", "6e-4", "1.8e-3"} <= set(texts)


@pytest.mark.parametrize("width", [1100, 390])
def test_of_many_learning_rates_those_whose_numbers_fit_are_written_and_the_planned_one_always(
    opened: Open, width: int
) -> None:
    made, view = experiments_made.lr_comparison(), views.trained()
    lrs = [5e-5, 6.67e-5, 1.12e-4, 2e-4, 3e-4, 3.56e-4, 6e-4, 6.32e-4, 1.12e-3, 1.78e-3]
    runs = [replace(made.runs[0], lr=lr, evaluation=Evaluation(40, 2.6 - at / 10)) for at, lr in enumerate(lrs)]
    found = replace(experiments_made.full(), lr_comparison=replace(made, runs=runs))
    report = replace(view.report, experiments=found.to_json())
    tab = opened(replace(view, report=report), viewport={"width": width, "height": 800})
    tab.evaluate("""() => {
      window.drawn = [];
      const fill = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        if (/e-\\d/.test(text)) window.drawn.push([text, x, this.measureText(text).width]);
        return fill.call(this, text, x, y);
      };
    }""")
    tab.locator('.overview .chart[data-chart="lr-losses"] button', has_text="Log").click()
    tab.wait_for_timeout(100)
    written = sorted(tab.evaluate("window.drawn"), key=lambda one: one[1])
    assert {"5e-5", "2e-4", "1.78e-3"} <= {text for text, *_ in written}
    for (_, x, width_before), (_, after, width_after) in pairwise(written):
        assert x + width_before / 2 < after - width_after / 2, written


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_theme(opened: Open, scheme: str) -> None:
    tab = opened(views.trained(), unfolded=False, color_scheme=scheme)
    shown = f"document.querySelector('{CHART} .u-legend .u-series:nth-child(3) .u-marker').style.background"
    before = tab.evaluate(shown)
    tab.get_by_role("button", name="Dark").click()
    assert tab.evaluate(shown) != before
    ratio, where = tab.evaluate(LEAST_CONTRAST)
    assert ratio >= 4.5, where


@pytest.mark.parametrize("width", [390, 1280])
def test_runs_side_by_side_stay_inside_the_screen(browser: Any, tmp_path: Path, width: int) -> None:
    runs = [
        runs_made.made(tmp_path / name, 300, loss=loss) for name, loss in (("undisturbed", 2.0), ("repetitions", 3.0))
    ]
    longest = "{gradient_accumulation_steps: 2, lr_scheduler_type: linear}"
    runs[0].config.write_text(f"model: {{name: somewhere}}\ndata: {{train: rows.jsonl}}\ntrain: {longest}\n")
    file = tmp_path / "comparison.html"
    file.write_text(page_of_runs(runs))
    tab = browser.new_page(viewport={"width": width, "height": 800})
    wrong: list[str] = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(file.as_uri())
    assert tab.locator(".uplot").count() == 3
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(BROKEN_WORDS, "#results :is(th, td)") == []
    assert tab.locator("#settings th code").filter(has_text="gradient_accumulation_steps").count() == 1
    assert tab.evaluate(BROKEN_WORDS, "#settings tbody th") == []
    tab.mouse.move(*over(tab, 0.5, ".chart .canvas:nth-of-type(1)"))
    assert wrong == []
    tab.close()


INK = """(chart) => {
  const canvas = document.querySelector(`${chart} canvas`);
  const probe = document.createElement("i");
  canvas.parentElement.append(probe);
  const colours = ["c-held", "c-band"].map((name) => {
    probe.className = name;
    return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  });
  probe.remove();
  const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return colours.map((colour) => {
    let count = 0;
    for (let at = 0; at < all.length; at += 4)
      count += all[at + 3] > 0 && colour.every((part, i) => Math.abs(all[at + i] - part) < 12);
    return count;
  });
}"""
"""Pixels of a chart that have the colours of validation losses and of a forecast's interval."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_and_forecast_are_still_drawn_after_a_refresh_and_in_another_theme(
    browser: Any, tmp_path: Path, scheme: Any
) -> None:
    run = runs_made.made(tmp_path / "run")
    run.write_json(run.outcome, to_json(FOUND))
    settings = load(run.config)
    server = PageServer(PageCache(run, lambda: live_page(settings, run, f"/data?token={server.token}")))
    threading.Thread(target=server.serve, daemon=True).start()
    tab = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    try:
        tab.goto(server.url)
        assert min(tab.evaluate(INK, CHART)) > 100
        runs_made.write_records(run, 30)
        tab.locator(".state", has_text="step 30 of 40").wait_for(timeout=9_000)
        assert min(tab.evaluate(INK, CHART)) > 100, "after a refresh"
        legend = tab.locator(f"{CHART} .u-legend").inner_html()
        assert "linear-gradient(rgb" in legend
        assert "(transparent" not in legend and "background: transparent" not in legend
        tab.get_by_role("button", name="Dark").click()
        assert min(tab.evaluate(INK, CHART)) > 100, "in another theme"
    finally:
        tab.close()
        server.close()


def test_an_interval_of_the_end_alone_is_drawn_there(opened: Open, tmp_path: Path) -> None:
    run = runs_made.made(tmp_path / "run", 40, phase="finished")
    run.write_json(
        run.outcome, to_json(replace(FOUND, step=40, path=(), earlier=(EarlierForecast(12, 1, 1.5, 2, 0.1),)))
    )
    tab = opened(view_of_run(load(run.config), run), unfolded=False)
    assert tab.evaluate(INK, CHART)[1] > 100


def test_an_open_page_follows_the_run_and_is_loaded_again_at_its_end_alone(browser: Any, tmp_path: Path) -> None:
    run = runs_made.made(tmp_path / "run")
    settings = load(run.config)
    cache = PageCache(run, lambda: live_page(settings, run, f"/data?token={server.token}"))
    server = PageServer(cache)
    threading.Thread(target=server.serve, daemon=True).start()
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text))
    try:
        tab.goto(server.url)
        tab.evaluate("window.same = true")
        assert "step 20 of 40" in tab.locator(".state").inner_text()
        runs_made.write_records(run, 30)
        tab.locator(".state", has_text="step 30 of 40").wait_for(timeout=9_000)
        assert tab.locator(f"{CHART} .uplot").count() == 1 and tab.title().startswith("Running 75 %")
        tab.mouse.move(*over(tab, 0.99))
        assert tab.evaluate("window.same") and tab.locator("#findings .finding").count() == 0
        runs_made.write_records(run, 30, loss=float("nan"))
        runs_made.state(run, "stopped", 40)
        tab.locator("#live", has_text="over").wait_for(timeout=9_000)
        assert not tab.evaluate("window.same") and "Stopped" in tab.title()
        assert tab.locator("#findings #log-curve-nan .words").count() == 1, "what its whole log shows"
        tab.wait_for_timeout(2_000)
        tab.evaluate("window.same = true")
        tab.wait_for_timeout(2_000)
        assert tab.evaluate("window.same"), "once"
        assert wrong == []
        server.close()
        tab.locator("#live", has_text="no answer").wait_for(timeout=9_000)
    finally:
        tab.close()
