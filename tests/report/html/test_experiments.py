"""Proof and correction on the page: their pictures, tables and words, whatever the numbers and texts are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from sanetune.finding import Report
from sanetune.report.html import PageView, page
from sanetune.report.html.experiments import rounds
from sanetune.report.html.plots import MOST, Axis, Plot, Series, ticks
from tests.report import proofs
from tests.report.html import views
from tests.report.html.test_page import Reader


def read(proof: dict[str, Any], **more: Any) -> Reader:
    source = page(replace(views.bare(), report=Report([], "trial", proof=proof), **more))
    assert not re.search(r'(?:points|[xy][12]?|cx|cy|d)="[^"]*(?:nan|inf)', source)
    return Reader(source)


@pytest.fixture(scope="module")
def sound() -> Reader:
    return read(proofs.full())


def test_each_part_of_the_proof_has_its_place_and_the_navigation_leads_there(sound: Reader) -> None:
    ids = {attributes.get("id") for _, attributes in sound.elements}
    assert ids >= {"proof", "proof-trial", "proof-overfit", "proof-rates", "proof-samples", "proof-forecast"}
    assert sound.of("a", href="#proof")
    assert not sound.of("a", href="#correction")
    assert sound.open == []


def test_every_picture_has_a_name_and_needs_no_script(sound: Reader) -> None:
    pictures = sound.of("svg", class_="plot")
    assert len(pictures) == 3
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)


def test_the_trial_has_a_thin_line_marked_looks_the_peak_and_the_norm_below(sound: Reader) -> None:
    (line,) = sound.of("polyline", class_="l-train")
    assert len((line["points"] or "").split()) == 200
    # One of each kind of mark stands in the key.
    assert len(sound.of("rect", class_="m-probe")) == 21 + 1
    assert sound.of("polyline", class_="l-norm")
    assert len(sound.of("line", class_="peak")) == 1
    for said in ("highest rate 2e-04", "held-out loss, step 50: 2.472", "The looks as a table", "gradient norm"):
        assert said in sound.text


def test_rates_mark_the_planned_one_the_best_and_one_without_a_number(sound: Reader) -> None:
    assert len(sound.of("circle", class_="m-planned")) == 1
    assert len(sound.of("path", class_="m-wrong")) == 1
    for said in ("rate 1.8e-03: not a number", "Held-out loss after 40 steps at each rate", "planned", "best"):
        assert said in sound.text


def test_overfit_shows_its_limit_each_rate_and_what_was_not_given_back(sound: Reader) -> None:
    for said in ("wanted: 0.1", "planned rate 2e-04", "rate 3e-03, the best", "1 of 2 tokens agree", "<b>soon</b>"):
        assert said in sound.text
    assert len(sound.of("line", class_="cut")) == 1


def test_answers_say_how_they_ended(sound: Reader) -> None:
    for said in ("64 tokens, cut off", "12 tokens, ended by itself", "your own prompt", "1 message before", "nothing"):
        assert said in sound.text
    assert "the prompt is longer than the context" in sound.text


def test_the_forecast_has_its_equations(sound: Reader) -> None:
    for said in ("1,200 x 1.2 s", "0.43 h x 1 device x $2.00", "the first epoch reads from disk"):
        assert said in sound.text


def test_a_stored_proof_says_when_it_was_made() -> None:
    assert "Made on Monday." in read(proofs.full(), proof_note="Made on Monday.").text


def test_a_line_ends_where_its_numbers_do_and_what_is_beyond_is_said() -> None:
    found = read({"trial": proofs.diverged()})
    (line,) = found.of("polyline", class_="l-train")
    assert len((line["points"] or "").split()) == 60
    assert "Training loss is not a number at step 61." in found.text
    assert "Held-out loss goes up to 812, above this picture." in found.text
    assert "Gradient norm is infinite at step 61." in found.text


@pytest.mark.parametrize(
    "curve",
    [
        {"steps": [], "losses": []},
        {"steps": [1], "losses": [2.5]},
        {"steps": [1], "losses": ["NaN"], "rates": [None], "grad_norms": ["Infinity"], "held": [[0, "NaN"]]},
        {"steps": [1, 2], "losses": [2.0, 2.0], "grad_norms": [0.0, 0.0], "rates": ["NaN", 0.0]},
        {"steps": [1, 2], "losses": [1e308, -1e308], "held": [[0, 1e9], [2, -1e9]]},
        {"steps": [10**12], "losses": [1.0], "rates": [1e300]},
        {"steps": list(range(5_000)), "losses": [1.0, "NaN"] * 2_500, "grad_norms": [1.0] * 5_000},
    ],
)
def test_any_curve_can_be_drawn(curve: dict[str, Any]) -> None:
    assert read({"trial": proofs.trial(curve=curve)}).of("figure", id="proof-trial")


@pytest.mark.parametrize("loss", ["NaN", "Infinity", 0.0, -3.0, 1e300])
def test_any_loss_can_stand_at_any_rate(loss: Any) -> None:
    proof = proofs.full()
    proof["branches"]["branches"] = [{"rate": rate, "held_loss": loss} for rate in (0.0, -1.0, 1e-300, "NaN", 2e-4)]
    proof["overfit"]["tries"] = [{"rate": loss, "losses": [loss] * 3}, {"rate": 1.0, "losses": []}]
    proof["overfit"]["wanted"] = loss
    assert read(proof).open == []


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
    assert ticks(2.06, 3.44, 4) == [2.5, 3.0]
    assert ticks(1.0, 1.0, 4) == [1.0]
    assert ticks(float("nan"), 1.0, 4) == []


def test_rounds_say_what_was_changed_why_and_what_became_of_the_trial() -> None:
    found = read(proofs.full(), rounds=proofs.rounds())
    assert found.of("a", href="#correction")
    for said in (
        "train.learning_rate: 0.02 → 2.0e-04",
        "The rate 0.02 is 100 times the critical one.",
        "Held-out loss at the trial's end: 812 before, 2.109 after.",
        "train.save_steps: open → 100",
        "The trial was not run again: nothing that it depends on was changed.",
        "Nothing more was changed.",
        "refused",
    ):
        assert said in found.text
    assert len(found.of("svg", class_="plot")) == 3 + 1
    assert found.of("polyline", class_="l-before")


def test_rounds_without_a_trial_say_so() -> None:
    some = proofs.rounds()
    some[0] = replace(some[0], report=replace(some[0].report, proof={}))
    first = rounds(some)[0]
    assert first.words == "No trial was run before this change."
    assert first.plot is not None
    both = [replace(one, report=replace(one.report, proof={})) for one in some]
    assert (rounds(both)[0].plot, rounds(both)[0].words) == (None, "No trial was run before and after this change.")


def test_the_page_stays_small_however_long_a_proof_is() -> None:
    proof = proofs.full() | {"trial": proofs.trial(curve=proofs.curve(steps=20_000))}
    proof["samples"]["samples"] = [proofs.samples("w" * 50_000)["samples"][0]] * 500
    source = page(PageView(Report([], "trial", proof=json.loads(json.dumps(proof)))))
    assert len(source) < 1_000_000
    assert "… and 470 prompts more." in Reader(source).text


def test_a_part_that_cannot_be_read_is_named() -> None:
    found = read({"trial": [], "overfit": proofs.overfit()})
    assert "Cannot be read: trial." in found.text
    assert found.of("figure", id="proof-overfit")
