"""Experiments and correction on the page: pictures, tables and words, whatever the numbers and texts are."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest

from sanetune.curves.series import Evaluation
from sanetune.finding import Report
from sanetune.probes.results import LearningRateRun, OverfitAttempt
from sanetune.report.html import PageView, page
from sanetune.report.html.experiments import rounds
from sanetune.report.html.plot_parts import Axis, Series
from sanetune.report.html.plots import MOST, Plot, ticks
from tests.report import experiments_made as made
from tests.report.html import views
from tests.report.html.test_page import Reader


def read(results: dict[str, Any], **more: Any) -> Reader:
    source = page(replace(views.bare(), report=Report([], "trial", experiments=results), **more))
    assert not re.search(r'(?:points|[xy][12]?|cx|cy|d)="[^"]*(?:nan|inf)', source)
    return Reader(source)


@pytest.fixture(scope="module")
def sound() -> Reader:
    return read(made.full().to_json())


def test_each_experiment_has_its_place_and_the_navigation_leads_there(sound: Reader) -> None:
    ids = {attributes.get("id") for _, attributes in sound.elements}
    assert ids >= {f"experiment-{part}" for part in ("trial", "overfit", "lr", "samples", "forecast")} | {"experiments"}
    assert sound.of("a", href="#experiments")
    assert not sound.of("a", href="#correction")
    assert sound.open == []


def test_every_picture_has_a_name_and_needs_no_script(sound: Reader) -> None:
    pictures = sound.of("svg", class_="plot")
    assert len(pictures) == 3 + 3, "on the first screen and below"
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)


def test_the_trial_has_a_thin_line_marked_evaluations_the_peak_and_the_norm_below(sound: Reader) -> None:
    _, line = sound.of("polyline", class_="l-train")
    assert len((line["points"] or "").split()) == 200
    # The legend has one of each mark.
    assert len(sound.of("rect", class_="m-probe")) == 21 + 1
    assert sound.of("polyline", class_="l-norm")
    assert len(sound.of("line", class_="peak")) == 1
    for text in (
        "highest learning rate 2e-04",
        "validation loss, step 50: 2.472",
        "Evaluations as a table",
        "gradient norm",
    ):
        assert text in sound.text


def test_learning_rates_mark_the_planned_one_the_best_and_one_that_diverged(sound: Reader) -> None:
    assert len(sound.of("circle", class_="m-planned")) == 2
    assert len(sound.of("path", class_="m-wrong")) == 2
    for text in (
        "learning rate 1.8e-03: not a number",
        "Validation loss after 40 steps at each learning rate",
        "planned",
        "best",
    ):
        assert text in sound.text


def test_overfit_shows_its_target_each_learning_rate_and_answers_that_differ(sound: Reader) -> None:
    for text in (
        "target: 0.1",
        "planned learning rate 2e-04",
        "learning rate 3e-03, the best",
        "1 of 2 tokens agree",
        "<b>soon</b>",
    ):
        assert text in sound.text
    assert len(sound.of("line", class_="limit")) == 2


def test_answers_say_how_they_ended(sound: Reader) -> None:
    for text in (
        "64 tokens, truncated",
        "12 tokens, ended by itself",
        "your own prompt",
        "1 message before",
        "empty",
    ):
        assert text in sound.text
    assert "the prompt is longer than the context" in sound.text


def test_the_forecast_has_its_equations(sound: Reader) -> None:
    for text in ("1,200 x 1.2 s", "0.43 h x 1 device x $2.00", "the first epoch reads from disk"):
        assert text in sound.text


def test_stored_experiments_say_when_they_were_run() -> None:
    assert "Made on Monday." in read(made.full().to_json(), experiments_note="Made on Monday.").text


def test_a_line_ends_where_its_numbers_do_and_what_is_beyond_is_said() -> None:
    found = read(made.plain(trial=made.diverged()))
    _, line = found.of("polyline", class_="l-train")
    assert len((line["points"] or "").split()) == 60
    assert "The picture of the loss breaks off where training loss is not a number, at step 61." in found.text
    assert "The picture of the loss ends below the highest of validation loss, 812." in found.text
    assert "The picture of the gradient norm breaks off where gradient norm is infinite, at step 61." in found.text


@pytest.mark.parametrize(
    "curve",
    [
        {},
        {"points": [{"step": 1, "loss": 2.5}]},
        {"points": [{"step": 1, "loss": "NaN", "grad_norm": "Infinity"}], "validation": [{"step": 0, "loss": "NaN"}]},
        {"points": [{"step": step, "loss": 2.0, "grad_norm": 0.0, "lr": "NaN"} for step in (1, 2)]},
        {"points": [{"step": 1, "loss": 1e308}, {"step": 2, "loss": -1e308}], "validation": [{"step": 0, "loss": 1e9}]},
        {"points": [{"step": 10**12, "loss": 1.0, "lr": 1e300}, {"step": -3, "loss": 1.0}]},
        {"points": [{"step": step, "loss": ("NaN", 1.0)[step % 2], "grad_norm": 1.0} for step in range(5_000)]},
    ],
)
def test_any_curve_can_be_drawn(curve: dict[str, Any]) -> None:
    results = {"trial": made.plain(trial=made.trial())["trial"] | {"curve": curve}}
    assert read(results).of("figure", id="experiment-trial")


@pytest.mark.parametrize("loss", [math.nan, math.inf, 0.0, -3.0, 1e300])
def test_any_loss_can_be_drawn_at_any_learning_rate(loss: float) -> None:
    runs = [LearningRateRun(lr, [], Evaluation(40, loss)) for lr in (0.0, -1.0, 1e-300, math.nan, 2e-4)]
    attempts = [OverfitAttempt(loss, [loss] * 3), OverfitAttempt(1.0, [])]
    found = replace(
        made.full(),
        lr_comparison=replace(made.lr_comparison(), runs=runs),
        overfit=replace(made.overfit(), attempts=attempts, target_loss=loss),
    )
    assert read(found.to_json()).open == []


def test_a_long_curve_keeps_its_spikes_and_few_points() -> None:
    course = [(step, 50.0 if step == 7_777 else 2.0) for step in range(20_000)]
    plot = Plot("", 640, 200)
    plot.draw([Series("loss", "train", course)], Axis(0, 20_000, 0, 640), Axis(0, 50, 200, 0))
    ((_, points),) = plot.lines
    assert len(points.split()) <= MOST
    assert any(place.endswith(",0") for place in points.split())


def test_one_point_is_a_mark() -> None:
    plot = Plot("", 640, 200)
    plot.draw([Series("loss", "train", [(3, 2.0)])], Axis(0, 6, 0, 640), Axis(0, 4, 200, 0))
    assert [(mark.x, mark.y) for mark in plot.marks] == [(320, 100)]
    assert plot.lines == []


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0, 200, 5) == [0, 50, 100, 150, 200]
    assert ticks(2.06, 3.44, 4) == [2.25, 2.5, 2.75, 3.0, 3.25]
    assert ticks(1.0, 1.0, 4) == [1.0]
    assert ticks(float("nan"), 1.0, 4) == []


@pytest.mark.parametrize("low", [0.0, 0.31, 2.06, 9.9])
@pytest.mark.parametrize("size", [1e-4, 1.38, 2.9, 4.2, 8.1, 8.5, 11.0, 240.0])
def test_an_axis_has_three_numbers_at_least_and_few_enough_to_read(low: float, size: float) -> None:
    for most in (3, 4, 5):
        assert 3 <= len(ticks(low, low + size, most)) <= 7


@pytest.mark.parametrize(("low", "high"), [(2.1, 2.9), (0.4, 1.2), (0.01, 100.0)])
def test_a_logarithmic_axis_has_three_numbers_at_least(low: float, high: float) -> None:
    plot = Plot("", 100, 100)
    plot.scale(Axis(0, 1, 0, 100), Axis(low, high, 100, 0, log=True))
    assert 3 <= len(plot.labels) <= 6


def test_rounds_say_what_was_changed_why_and_what_became_of_the_trial() -> None:
    found = read(made.full().to_json(), rounds=made.rounds())
    assert found.of("a", href="#correction")
    for text in (
        "train.learning_rate: 0.02 → 2.0e-04",
        "The learning rate 0.02 is 100 times the critical one.",
        "Validation loss at the trial's end: 812 before, 2.109 after.",
        "train.save_steps: unset → 100",
        "The trial was not repeated, since nothing that it depends on was changed.",
        "Nothing else was changed.",
        "refused",
    ):
        assert text in found.text
    assert len(found.of("svg", class_="plot")) == 3 + 3 + 1
    assert found.of("polyline", class_="l-before")


def test_rounds_without_a_trial_say_so() -> None:
    some = made.rounds()
    some[0] = replace(some[0], report=replace(some[0].report, experiments={}))
    first = rounds(some)[0]
    assert first.text == "No trial was run before this change."
    assert first.plot is not None
    both = [replace(one, report=replace(one.report, experiments={})) for one in some]
    assert (rounds(both)[0].plot, rounds(both)[0].text) == (None, "No trial was run before and after this change.")


def test_the_page_stays_small_however_long_the_experiments_are() -> None:
    samples = replace(made.samples(), samples=made.samples("w" * 50_000).samples[:1] * 500)
    results = replace(made.full(), trial=made.trial(curve=made.curve(steps=20_000)), samples=samples).to_json()
    source = page(PageView(Report([], "trial", experiments=json.loads(json.dumps(results)))))
    assert len(source) < 3_000_000
    assert "… and 470 prompts more." in Reader(source).text


def test_a_part_that_cannot_be_read_is_named() -> None:
    found = read(made.plain(overfit=made.overfit()) | {"trial": []})
    assert "Cannot be read: trial." in found.text
    assert found.of("figure", id="experiment-overfit")
