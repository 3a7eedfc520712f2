"""The first screen of the page in a real browser, and what is folded below it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sanetune.forecast.time import Range
from sanetune.report.html.gauge import gauge_of
from tests.report import experiments_made, sample
from tests.report.html import views
from tests.report.html.conftest import Open
from tests.report.html.test_browser import shown
from tests.report.html.test_gauge import found as forgetting
from tests.report.html.views import trained


def bottom(tab: Any, selector: str) -> float:
    box = tab.locator(selector).bounding_box()
    return float(box["y"] + box["height"])


CUT = """() => [...document.querySelectorAll(".overview :is(.figures, .gauge) *")]
  .filter((one) => one.getBoundingClientRect().right > one.closest(".card").getBoundingClientRect().right)
  .map((one) => one.outerHTML)"""
"""What sticks out of the cards of figures."""


@pytest.mark.parametrize("width", [390, 1280])
def test_times_of_any_length_stay_inside_their_card(opened: Open, width: int) -> None:
    long = {"tokens_per_second": 3_442.0, "step_seconds": Range(0.336, 0.652, 1.2), "hours": Range(10.1, 12.8, 15.7)}
    found = replace(experiments_made.full(), forecast=experiments_made.forecast(**long))
    view = replace(trained(), report=replace(sample.clear(), experiments=found.to_json(), seconds=4_000.0))
    assert view.run is not None
    run = replace(view.run, seconds=45_678.0, tokens_per_second=3_370.0, step_seconds=0.673)
    tab = opened(replace(view, run=run), unfolded=False, viewport={"width": width, "height": 757})
    assert tab.locator(".figures td").count() > 5
    assert tab.evaluate(CUT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_holds_verdict_pictures_answers_and_times(opened: Open, scheme: str) -> None:
    found = replace(experiments_made.full(), forgetting=forgetting())
    view = replace(trained(), report=replace(sample.clear(), experiments=found.to_json()))
    assert view.run is not None
    view = replace(view, run=replace(view.run, gauge=gauge_of(None, found)))
    tab = opened(view, unfolded=False, viewport={"width": 1280, "height": 757}, color_scheme=scheme)
    assert tab.locator(".overview .card").count() == 7
    assert bottom(tab, ".overview .gauge") < bottom(tab, ".overview .wide") + 1
    assert bottom(tab, ".overview .before-after") <= 757
    assert tab.evaluate(CUT) == []
    assert tab.locator(".overview .uplot:visible").count() == 4
    tab.get_by_role("link", name="Before and after").click()
    assert tab.locator("#answers").evaluate("(one) => one.open")
    tab.locator('.overview a[href="#experiment-lr"]').click()
    assert tab.locator("#experiment-lr").is_visible()


def test_a_search_opens_what_is_folded(opened: Open) -> None:
    tab = opened(unfolded=False)
    assert shown(tab) == ["tokens-unknown", "labels-on-prompt", "rows-duplicated", "config-rate-unusual"]
    tab.get_by_role("button", name="Skipped 2").click()
    assert shown(tab) == ["packs-dropped", "rows-leaked"]


def test_a_long_run_opens_at_once_and_stays_small(opened: Open) -> None:
    run = replace(trained().run, curve=experiments_made.curve(steps=20_000))
    tab = opened(replace(views.full(), run=run), unfolded=False)
    seconds = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
    assert seconds < 2
    assert len(tab.content()) < 3_000_000


def test_paper_shows_what_is_folded(opened: Open) -> None:
    tab = opened(replace(views.full(), run=trained().run), unfolded=False)
    tab.emulate_media(media="print")
    assert tab.locator("#check-rows-roles .what").is_visible()
    assert tab.locator("#training .chart").bounding_box()["height"] > 50
