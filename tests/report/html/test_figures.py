"""Times on the first screen: one figure is the same wherever it stands, and under the head that says what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sanetune.probes.results import OverfitAttempt
from sanetune.report.html import PageView, page
from sanetune.report.html.figures import figure_rows
from sanetune.report.html.overview import overview
from tests.report import experiments_made, sample
from tests.report.html import views
from tests.report.html.test_page import Reader


def test_the_time_of_the_check_is_that_of_the_whole_check_and_no_forecast() -> None:
    forecast = experiments_made.forecast(check_seconds=150.0)
    (check,) = (row for row in figure_rows(forecast, None, 168.0) if row.name == "check")
    assert (check.measured, check.forecast, check.range) == ("2 min 48 s", "", "")
    assert check.note.endswith(" % of the forecast")
    assert float(check.note.split()[0]) == pytest.approx(100 * 168.0 / forecast.seconds.middle, abs=0.1)


def test_it_is_the_same_at_the_top_and_in_the_table() -> None:
    found = experiments_made.full()
    view = replace(views.bare(), report=replace(sample.clear(), seconds=168.0, experiments=found.to_json()))
    text = " ".join(Reader(page(view)).text.split())
    first = text[: text.index("Search")]
    assert first.count("2 min 48 s") == 2


def test_one_step_and_one_answer_are_not_called_steps_and_answers() -> None:
    many = experiments_made.overfit()
    one = replace(many, examples=1, attempts=[OverfitAttempt(3e-3, [3.4, 0.02])], replies=many.replies[:1])
    found = replace(experiments_made.full(), overfit=one)
    (card,) = (
        one
        for one in overview(PageView(replace(sample.clear(), experiments=found.to_json()))).cards
        if one.title == "Overfit"
    )
    assert card.text == "1 example: loss 3.400 → 0.02 in 1 step; 1 of 1 answer exact"


def test_a_prompt_says_how_many_messages_before_it_are_left_out() -> None:
    view = views.trained()
    assert view.run is not None
    asked = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    one = replace(view.run.samples[1], messages=[*asked, {"role": "user", "content": "And then?"}])
    text = " ".join(Reader(page(replace(view, run=replace(view.run, samples=[one])))).text.split())
    assert "prompt 2 earlier messages left out And then?" in text
    assert "left out And then?" not in text.replace("2 earlier messages left out And then?", "")
