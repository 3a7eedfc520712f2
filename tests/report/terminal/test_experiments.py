"""The experiments on a terminal: what is said, that it stays short, and that no number and no text breaks it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console, Group

from sanetune.curves.series import Curve, Point
from sanetune.evidence.experiments import Experiments
from sanetune.finding import Finding, Report, Verdict
from sanetune.forecast.outcome import OutcomeForecast
from sanetune.report.curve_points import peak_lr, value_range
from sanetune.report.experiment_text import loss_text, trial_text
from sanetune.report.terminal import findings
from sanetune.report.terminal.experiments import parts
from tests.report import experiments_made as made

NAN = float("nan")


def drawn(results: dict[str, Any], width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(Group(*parts(results)))
    return out.getvalue()


def test_a_forecast_that_is_not_decided_says_what_would_decide_it() -> None:
    outcome = OutcomeForecast(
        20, 40, 2.1, 1.9, "a loss of 1.9", 1.4, 1.6, 1.8, 0.3, "not decidable by this trial", "12 further steps"
    )
    flat = " ".join(drawn(Experiments(outcome=outcome).to_json()).split())
    assert "not decidable by this trial: a final validation loss of 1.600 (1.400 to 1.800 with 80 %)" in flat
    assert "To decide it: 12 further steps" in flat
    assert "final validation loss" not in drawn(Experiments().to_json())


def test_sound_experiments_take_forty_lines_of_eighty_columns() -> None:
    text = drawn(made.full().to_json())
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 42
    flat = " ".join(text.split())
    for said in (
        "20 examples: loss 3.400 → 0.0995 in 30 steps at learning rate 3e-03 (target: 0.1); 19 of 20 answers",
        "answers reproduced exactly",
        "the first 200 of 1,200 steps: validation loss 3.400 → 2.109; highest learning rate 2e-04 at step 20",
        "validation loss, 3.400 at the start, after 40 steps at each learning rate",
        "2e-04 2.440 planned",
        "6e-04 2.310 best",
        "1.8e-03 not a number",
        "1 prompt; ended by themselves: base 0, after 200 steps 1",
        "(truncated at 64 tokens)",
        "(ended, 12 tokens)",
        "1,200 steps will take 25 min 48 s on 1 device, $0.86; this check took 5.8 % of that",
        "! the first epoch reads from disk",
    ):
        assert said in flat, said
    assert "● validation loss" in text and "○ fixed batch" in text and "+ training loss" in text


def test_the_report_has_them_after_the_findings_where_any_was_run() -> None:
    def shown(results: dict[str, Any]) -> str:
        out = io.StringIO()
        report = Report([Finding("rows-roles", Verdict.PASS, "fine")], "trial", experiments=results)
        findings.show(report, Console(file=out, width=80, color_system=None))
        return out.getvalue()

    text = shown(made.full().to_json())
    assert text.index("1 of 1 passed") < text.index("Experiments") < text.index("clear: 1 passed")
    assert "Experiments" not in shown({})
    assert parts({}) == []


def test_a_trial_that_went_wrong_is_drawn_as_far_as_it_has_numbers() -> None:
    text = drawn(made.plain(trial=made.diverged()))
    assert "90 of 1,200 steps" in text and "ended early: the loss is not a number" in text
    assert "The highest loss is 812, above this picture." in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    "curve",
    [
        {},
        {"points": [{"step": 1, "loss": 2.5}]},
        {"points": [{"step": 1, "loss": "NaN", "grad_norm": "Infinity"}], "validation": [{"step": 0, "loss": "NaN"}]},
        {"points": [{"step": 1, "loss": "Infinity"}, {"step": 2, "loss": "-Infinity"}]},
        {"points": [{"step": step, "loss": 0.0} for step in (1, 2, 3)], "fixed_batch": [{"step": 0, "loss": -1.0}]},
        {"points": [{"step": 5, "loss": 1e308, "lr": 0.0}, {"step": 6, "loss": -1e308, "lr": "NaN"}]},
        {"points": [{"step": 10**12, "loss": 1.0}, {"step": -5, "loss": 2.0}], "total_steps": -1},
    ],
)
def test_any_curve_can_be_drawn(curve: dict[str, Any]) -> None:
    results = {"trial": made.plain(trial=made.trial())["trial"] | {"curve": curve}}
    found = Experiments.from_json(results).trial
    assert found is not None
    every = [one.loss for some in (found.curve.points, found.curve.validation, found.curve.fixed_batch) for one in some]
    assert ("none of its losses can be drawn" in drawn(results)) == (value_range(every) is None)


def test_texts_of_users_and_models_steer_nothing() -> None:
    samples = made.samples("[bold]\x1b[31mred\x07\n" * 500)
    text = drawn(made.plain(samples=samples, trial=made.trial(stopped="\x1b[2J")))
    assert "\x1b" not in text and "\x07" not in text
    assert "[bold]" in text
    assert len(text.splitlines()) < 40


def test_a_part_that_cannot_be_read_is_named_and_the_others_are_shown() -> None:
    results = made.full().to_json()
    results |= {"trial": {"steps": -1}, "lr_comparison": "none", "forecast": {"steps": 3}}
    text = drawn(results)
    assert "cannot be read: lr_comparison, trial, forecast" in text.replace("\n", " ")
    assert "20 examples" in text


@pytest.mark.parametrize("steps", [10**400, -(10**20), "many", None, [[]]])
def test_what_is_no_number_of_steps_is_refused(steps: Any) -> None:
    results = made.plain(trial=made.trial())
    results["trial"]["steps"] = steps
    assert Experiments.from_json(results).broken == ("trial",)


def test_what_was_written_is_read_back_with_every_number() -> None:
    found = replace(made.full(), trial=made.diverged())
    again = Experiments.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert repr(again) == repr(found), "NaN is not equal to itself, its text is"


def test_a_text_that_says_nan_stays_a_text() -> None:
    samples = replace(made.samples("NaN"), special_tokens=("Infinity",))
    assert Experiments.from_json(made.plain(samples=samples)).samples == samples


def test_nothing_tried_and_nothing_answered_is_no_error() -> None:
    overfit = replace(made.overfit(), attempts=[], at_planned_lr=None, replies=[])
    text = drawn(
        made.plain(
            overfit=overfit,
            lr_comparison=replace(made.lr_comparison(), runs=[]),
            trial=made.trial(),
            samples=replace(made.samples(), samples=[]),
            forecast=made.forecast(),
        )
    )
    assert "20 examples, not trained on" in text
    assert "answers" not in text.split()


def test_a_loss_in_words() -> None:
    assert [loss_text(one) for one in (NAN, float("inf"), 0.01234, 1.5, 99.99, 812.4, 5e7)] == [
        "not a number", "infinite", "0.0123", "1.500", "99.990", "812", "5e+07",
    ]  # fmt: skip


def test_what_is_best_is_a_number() -> None:
    compared, overfit = made.lr_comparison(), made.overfit()
    assert compared.best is not None and compared.best.lr == 6e-4
    assert replace(compared, runs=compared.runs[-1:]).best is None
    overfit.attempts[1].losses[-1] = NAN
    assert overfit.best.lr == 1e-3


def test_one_huge_value_does_not_flatten_the_others() -> None:
    assert value_range([3.0, 2.0, 1e6]) == (2.0, 9.0)
    assert value_range([3.0, 4.0, 5.0], 1.0) == (1.0, 5.0)
    assert value_range([NAN, float("inf")]) is None


def test_the_peak_is_the_first_step_at_the_highest_learning_rate() -> None:
    assert peak_lr(Curve([Point(step, 1.0, lr) for step, lr in enumerate((0.0, 0.1, 0.1, 0.05), 1)])) == (2, 0.1)
    assert peak_lr(Curve([Point(1, 1.0), Point(2, 1.0, NAN)])) is None


def test_a_warm_up_that_is_shortened_to_fit_the_trial_is_said_beside_its_highest_learning_rate() -> None:
    curve = Curve([Point(1, 4.0, lr=1e-4), Point(4, 3.0, lr=3e-4)], total_steps=60, warmup_steps=3)
    cut = replace(made.trial(), curve=curve, planned_steps=12, steps=12, run_warmup_steps=6)
    assert "at step 4; its warm-up is shortened to 3 steps, the run's has 6" in trial_text(cut)
    assert "warm-up" not in trial_text(replace(cut, run_warmup_steps=0))
