"""How a run is forecast to end is on its curve, in words, and set beside what it came to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.curves.series import Evaluation
from sanetune.evidence.experiments import Experiments
from sanetune.forecast.outcome import EarlierForecast, LossRange, OutcomeForecast
from sanetune.report.html import PageView, page
from sanetune.report.html.forecast_end import end_of, latest_forecast
from sanetune.report.html.overview import run_losses
from sanetune.report.html.run_page import view_of_run
from sanetune.runs import Run
from sanetune.typed_json import to_json
from sanetune.workflows.run_state import Phase
from tests.report import experiments_made
from tests.report.html import views
from tests.report.html.test_page import Reader
from tests.report.runs_made import made

PATH = (LossRange(20, 1.9, 1.95, 2.0), LossRange(40, 1.4, 1.6, 1.8))
FOUND = OutcomeForecast(20, 40, 2.1, 1.9, "a loss of 1.9", 1.4, 1.6, 1.8, 0.02, "on track", path=PATH)


def text_of(run: Run) -> str:
    return Reader(page(view_of_run(load(run.config), run))).text


def test_the_interval_is_drawn_from_now_to_the_last_planned_step(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    run.write_json(run.outcome, to_json(FOUND))
    view = view_of_run(load(run.config), run).run
    assert view is not None
    plot = run_losses(view)
    assert plot is not None and plot.panels[0].band is not None
    assert list(plot.panels[0].band.low) == [(20, 1.9), (40, 1.4)]
    assert list(plot.panels[0].band.high) == [(20, 2.0), (40, 1.8)]
    assert plot.panels[0].x.high == 40 and plot.areas
    assert "on track" in text_of(run) and "1.600 (1.400 to 1.800 with 80 %)" in text_of(run)


@pytest.mark.parametrize(
    ("loss", "verdict", "tone"),
    [
        (1.02, "as forecast", "pass"),
        (1.2, "as forecast", "warn"),
        (0.9, "lower than forecast", "skip"),
        (1.31, "worse than forecast", "warn"),
    ],
)
def test_a_finished_run_is_set_beside_the_forecast_of_its_trial(
    loss: float, verdict: str, tone: str, tmp_path: Path
) -> None:
    run = made(tmp_path / "run", phase="finished")
    trial = replace(FOUND, step=8, low=1.0, median=1.2, high=1.3, verdict="will not get there", there=1.05)
    run.write_json(run.outcome, to_json(replace(FOUND, there=1.05)))
    found = end_of(run, Experiments(outcome=trial), Evaluation(40, loss), is_over=True)
    assert found is not None and (found.found, found.verdict, found.tone) == (trial, verdict, tone)
    assert found.text.startswith(f"final validation loss {loss:.3f}; forecast made at step 8 of the trial: 1.200 (")
    assert ("it got below 1.050 (a loss of 1.9)" in found.text) is (loss < 1.05)
    assert "will not get there" not in found.text


def test_a_finished_run_is_judged_by_its_own_base_and_not_by_that_of_the_rows_of_its_trial(tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase="finished")
    run.write_json(run.outcome, to_json(replace(FOUND, step=40, there=1.5, there_is="below its base")))
    trial = Experiments(outcome=replace(FOUND, step=8, there=1.7))
    found = end_of(run, trial, Evaluation(40, 1.6), is_over=True)
    assert found is not None and (found.verdict, found.tone) == ("as forecast", "warn")
    assert found.text.endswith("it did not get below 1.500 (below its base)")
    run.outcome.unlink()
    found = end_of(run, trial, Evaluation(40, 1.6), is_over=True)
    assert found is not None and found.text.endswith("it got below 1.700 (a loss of 1.9, on the trial's rows)")


def test_a_run_that_has_no_forecast_of_its_own_yet_says_that_its_trials_is_of_other_rows(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    found = end_of(run, Experiments(outcome=FOUND))
    assert found is not None and "below 1.900 (a loss of 1.9, on the trial's rows)" in found.text
    run.write_json(run.outcome, to_json(FOUND))
    found = end_of(run, Experiments(outcome=FOUND))
    assert found is not None and "below 1.900 (a loss of 1.9)" in found.text


def test_what_is_said_of_the_end_has_one_full_stop(tmp_path: Path) -> None:
    run = made(tmp_path / "run", 40, phase="finished")
    earlier = (EarlierForecast(12, 1.3, 1.5, 1.9, 0.1),)
    notes = ("It ended 6.1 % above its lowest.",)
    run.write_json(run.outcome, to_json(replace(FOUND, step=40, earlier=earlier, notes=notes)))
    end = text_of(run)
    assert "above its lowest." in end and "above its lowest.." not in end


def test_a_run_that_ended_above_its_own_lowest_says_so_though_it_got_below_its_base(tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase="finished")
    note = "It ended 6.1 % above its lowest evaluation."
    run.write_json(run.outcome, to_json(replace(FOUND, step=40, verdict="will not get there", notes=(note,))))
    found = end_of(run, Experiments(outcome=replace(FOUND, step=8)), Evaluation(40, 1.6), is_over=True)
    assert found is not None and (found.verdict, found.tone) == ("as forecast", "warn")
    assert found.text.endswith(f"it got below 1.900 (a loss of 1.9). {note}")


def test_without_a_trial_it_is_the_first_forecast_that_the_run_made(tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase="finished")
    earlier = (EarlierForecast(12, 1.3, 1.5, 1.9, 0.1), EarlierForecast(20, 1.4, 1.6, 1.8, 0.02))
    run.write_json(run.outcome, to_json(replace(FOUND, step=40, earlier=earlier)))
    found = end_of(run, Experiments(), Evaluation(40, 1.31), is_over=True)
    assert found is not None and found.verdict == "as forecast"
    assert "forecast made at step 12: 1.500 (1.300 to 1.900 with 80 %)" in found.text
    run.write_json(run.outcome, to_json(replace(FOUND, step=40)))
    assert end_of(run, Experiments(), Evaluation(40, 1.31), is_over=True) is None, "made at the end, it says nothing"


def test_of_a_trial_that_made_none_it_is_the_first_with_as_many_steps(tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase="finished")
    earlier = tuple(EarlierForecast(step, 1.3, 1.0 + step / 100, 1.9, 0.1) for step in (6, 12, 20, 30))
    run.write_json(run.outcome, to_json(replace(FOUND, step=40, earlier=earlier)))
    trial = replace(experiments_made.trial(), steps=15)
    found = end_of(run, Experiments(trial=trial), Evaluation(40, 1.31), is_over=True)
    assert found is not None and "forecast made at step 20: 1.200 (1.300 to 1.900 with 80 %)" in found.text


def test_a_forecast_of_which_the_end_alone_is_known_is_drawn_as_a_bar_there(tmp_path: Path) -> None:
    run = made(tmp_path / "run", 40, phase="finished")
    earlier = (EarlierForecast(12, 1.3, 1.5, 1.9, 0.1),)
    run.write_json(run.outcome, to_json(replace(FOUND, step=40, path=(), earlier=earlier)))
    view = view_of_run(load(run.config), run).run
    assert view is not None and view.end is not None
    plot = run_losses(view)
    assert plot is not None and plot.panels[0].band is not None
    assert (list(plot.panels[0].band.low), list(plot.panels[0].band.high)) == ([(40, 1.3)], [(40, 1.9)])
    assert [rule.style for rule in plot.rules].count("band") == 1


def test_a_run_that_ended_early_is_set_beside_the_newest_forecast(tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase="finished")
    trial = replace(FOUND, step=8, low=1.0, median=1.2, high=1.3)
    earlier = (EarlierForecast(12, 1.3, 1.5, 1.9, 0.1),)
    run.write_json(run.outcome, to_json(replace(FOUND, step=20, earlier=earlier)))
    found = end_of(run, Experiments(outcome=trial), Evaluation(20, 1.31), is_over=True)
    assert found is not None and found.verdict == "ended early" and len(found.band.low) == 2
    assert "forecast for step 40, made at step 20: 1.600 (1.400 to 1.800 with 80 %)" in found.text
    run.outcome.unlink()
    found = end_of(run, Experiments(outcome=trial), Evaluation(0, 3.1), is_over=True)
    assert found is not None and "made at step 8 of the trial: 1.200" in found.text


@pytest.mark.parametrize("phase", ["stopped", "interrupted", "failed"])
def test_a_run_that_has_ended_early_is_no_longer_on_track(phase: Phase, tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase=phase)
    run.write_json(run.outcome, to_json(replace(FOUND, step=8)))
    text = text_of(run)
    assert "on track" not in text and "ended early" in text
    assert "forecast for step 40, made at step 8: 1.600 (1.400 to 1.800 with 80 %)" in text


def test_the_trial_of_a_check_has_it_too() -> None:
    undecided = replace(FOUND, verdict="not decidable by this trial", decides="about 12 further steps")
    experiments = replace(experiments_made.full(), outcome=undecided)
    view = PageView(replace(views.trained().report, experiments=experiments.to_json()))
    text = Reader(page(view)).text
    first_screen = text[: text.index("Search")]
    assert "not decidable by this trial" in first_screen
    assert "To decide it: about 12 further steps" in first_screen


def test_a_runs_own_forecast_that_decides_nothing_says_nothing_of_a_trial(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    run.write_json(run.outcome, to_json(replace(FOUND, verdict="not decidable by this trial")))
    text = text_of(run)
    assert "not decidable yet" in text and "by this trial" not in text


def test_without_one_nothing_is_said(tmp_path: Path) -> None:
    assert end_of(made(tmp_path / "run"), Experiments()) is None
    assert "with 80 %" not in text_of(made(tmp_path / "run"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"step": "x"}', "\x00", json.dumps({"path": 3})])
def test_a_broken_file_is_left_out(tmp_path: Path, content: str) -> None:
    run = made(tmp_path / "run")
    run.outcome.write_text(content)
    assert latest_forecast(run) is None and "with 80 %" not in text_of(run)
