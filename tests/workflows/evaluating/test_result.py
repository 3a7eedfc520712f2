"""Results are those of the weights that are there now, and are compared over the same documents."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from sanetune.config.load import load
from sanetune.runs import Run
from sanetune.workflows.evaluating.result import ModelScores, fresh_scores, read_evaluation, score_rows
from sanetune.workflows.evaluating.weights import WeightsStamp
from tests.workflows.evaluating.made import evaluated, model, score

SOME, MORE = (0.0, 0.0, 1.0, 0.0, 1.0), (1.0, 0.0, 1.0, 1.0, 1.0)


def made(tmp_path: Path) -> tuple[Run, Path]:
    run, base = Run(tmp_path / "run"), model(tmp_path / "base")
    model(run.model, "tuned weights")
    evaluated(run, base, score(*SOME), score(*MORE))
    return run, base


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run, base = made(tmp_path)
    found = read_evaluation(run)
    assert found is not None and found.models["tuned"].scores == (score(*MORE),)
    config = load({"model": {"name": str(base)}, "data": {"train": "rows.jsonl"}})
    assert fresh_scores(run, config) == (found.models, "")


@pytest.mark.parametrize("change", ["weights", "size", "tokenizer", "gone"])
def test_a_result_of_other_weights_is_old(tmp_path: Path, change: str) -> None:
    run, _ = made(tmp_path)
    file = run.model / "model.safetensors"
    if change == "gone":
        file.unlink()
    elif change == "tokenizer":
        (run.model / "tokenizer.json").write_text("{}")
    else:
        file.write_text("tuned weightz" if change == "weights" else "more weights than before")
        os.utime(file, (1, 1))
    models, note = fresh_scores(run, None)
    assert list(models) == ["base"]
    assert "other weights than tuned has now" in note


def test_a_folder_that_was_copied_is_the_same_model(tmp_path: Path) -> None:
    run, _ = made(tmp_path)
    for file in run.model.iterdir():
        os.utime(file, (1, 1))
    run.path.rename(tmp_path / "moved")
    models, note = fresh_scores(Run(tmp_path / "moved"), None)
    assert (list(models), note) == (["base", "tuned"], "")


def test_a_base_with_other_weights_is_old_and_one_of_the_hub_counts_by_its_name(tmp_path: Path) -> None:
    run, base = made(tmp_path)
    config = load({"model": {"name": str(base)}, "data": {"train": "rows.jsonl"}})
    model(base, "others")
    assert list(fresh_scores(run, config)[0]) == ["tuned"]
    stamp = WeightsStamp("owner/model", "a" * 40)
    assert stamp.still("owner/model") and stamp.still("owner/model", "main") and stamp.still("owner/model", "a" * 40)
    assert not stamp.still("owner/other") and not stamp.still("owner/model", "b" * 40)


def test_a_new_run_in_the_folder_takes_the_old_result_away(tmp_path: Path) -> None:
    run, _ = made(tmp_path)
    Run.create(run.path, overwrite=True)
    assert read_evaluation(run) is None


def test_differences_are_paired_over_documents(tmp_path: Path) -> None:
    run, _ = made(tmp_path)
    found = read_evaluation(run)
    assert found is not None
    [row] = score_rows(found.models)
    assert row.differences[0] is None
    difference = row.differences[1]
    assert difference is not None
    known = stats.ttest_rel(MORE, SOME)
    assert (difference.mean, difference.p) == (pytest.approx(0.4), pytest.approx(known.pvalue))
    assert difference.interval() == pytest.approx(tuple(known.confidence_interval()))


@pytest.mark.parametrize("other", [score(*MORE, rows="others"), score(*MORE[:4]), replace(score(*MORE), documents=())])
def test_other_documents_are_not_compared(tmp_path: Path, other: object) -> None:
    stamp = WeightsStamp("x")
    models = {"a": ModelScores(stamp, (score(*SOME),)), "b": ModelScores(stamp, (other,))}  # type: ignore[arg-type]
    [row] = score_rows(models)
    assert row.differences == (None, None)


def test_a_number_that_one_of_two_models_has_is_left_out() -> None:
    stamp = WeightsStamp("x")
    models = {
        "a": ModelScores(stamp, (score(1.0, 0.0), score(1.0, task="more"))),
        "b": ModelScores(stamp, (score(1.0, 1.0),)),
    }
    assert [row.task for row in score_rows(models)] == ["sums"]
    assert len(score_rows({"a": models["a"]})) == 2
