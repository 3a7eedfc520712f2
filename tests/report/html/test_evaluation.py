"""The page has what lm-eval measured of the weights that are there, and says what is old."""

from __future__ import annotations

from pathlib import Path

from sanetune.config.load import load
from sanetune.report.html.evaluation import evaluation_of
from sanetune.report.html.run_page import live_page
from sanetune.runs import Run
from tests.report.runs_made import answered, made
from tests.workflows.evaluating.made import evaluated, model, score


def run_of(tmp_path: Path) -> Run:
    run = made(tmp_path / "run", phase="finished")
    answered(run, "Yes.")
    model(run.model, "tuned")
    evaluated(run, model(tmp_path / "base"), score(0.0, 0.0, 1.0), score(1.0, 0.0, 1.0))
    return run


def test_numbers_of_both_models_and_their_difference_are_on_the_page(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    found = evaluation_of(run)
    assert found is not None and found.models == ["base", "tuned"]
    assert found.rows[0][:2] == ("sums: exact_match", ["0.333 ± 0.333 (3)", "0.667 ± 0.333 (3)"])
    text = live_page(load(run.config), run, "").html
    assert '<details class="part" id="evaluation">' in text and "0.667 ± 0.333 (3)" in text


def test_an_old_result_is_not_shown_but_said(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    model(run.model, "trained on")
    text = live_page(load(run.config), run, "").html
    assert "0.667" not in text and "other weights than tuned has now" in text


def test_a_run_without_an_evaluation_has_no_such_part(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.evaluation.unlink()
    assert evaluation_of(run) is None and 'id="evaluation"' not in live_page(load(run.config), run, "").html
