"""Several runs in one log are judged apart, and a run that was resumed is judged by what went on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sanetune.curves.logs.entries import curve_of
from sanetune.curves.logs.find import logs
from sanetune.curves.logs.passes import repeated, split
from sanetune.finding import BAD
from sanetune.workflows.diagnose import diagnose

Entries = list[dict[str, Any]]


def run(first: int, last: int, shift: float = 0.0) -> Entries:
    """A falling run with its schedule, logged every ten steps, one epoch of 400 steps."""
    return [
        {"step": step, "loss": 3 - step / 200 + shift, "learning_rate": 1e-4 * (1 - step / 500), "epoch": step / 400}
        for step in range(first, last + 1, 10)
    ]


def lines(path: Path, entries: Entries) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in entries))
    return path


def printed(path: Path, entries: Entries) -> Path:
    path.write_text("".join(f"{ {key: value for key, value in one.items() if key != 'step'} }\n" for one in entries))
    return path


@pytest.mark.parametrize("write", [lines, printed])
def test_two_runs_in_one_file_are_two_logs(tmp_path: Path, write: Any) -> None:
    found = logs(
        write(tmp_path / "log.jsonl" if write is lines else tmp_path / "log.txt", [*run(10, 400), *run(10, 200, 2.0)])
    )
    assert [len(one.curve().points) for one in found] == [40, 20]
    assert [one.title for one in found] == ["run 1 of 2", "run 2 of 2"]
    assert found[1].curve().points[0].loss == pytest.approx(4.95)


@pytest.mark.parametrize("write", [lines, printed])
def test_the_start_of_another_run_is_no_fault_of_the_first(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / ("log.jsonl" if write is lines else "log.txt"), [*run(10, 400), *run(10, 400)])
    named = {finding.check for one in diagnose([path]) for finding in one.report.of(*BAD)}
    assert not named & {"curve-rate-restarts", "curve-spike", "curve-staircase", "curve-diverged"}


def test_an_evaluation_before_the_first_step_belongs_to_its_run(tmp_path: Path) -> None:
    both = [*run(10, 100), {"step": 100, "eval_loss": 2.4}, {"step": 0, "eval_loss": 3.5}, *run(10, 100)]
    first, second = logs(lines(tmp_path / "log.jsonl", both))
    assert [one.step for one in first.curve().validation] == [100]
    assert [one.step for one in second.curve().validation] == [0]


def test_steps_that_are_made_again_count_once_and_are_told(tmp_path: Path) -> None:
    (log,) = logs(lines(tmp_path / "log.jsonl", [*run(10, 200), *run(160, 400, 0.5)]))
    assert [point.step for point in log.curve().points] == list(range(10, 401, 10))
    assert next(point.loss for point in log.curve().points if point.step == 180) == pytest.approx(2.6)
    assert any("Steps 160 to 200" in note and "resumed" in note for note in log.notes)


def test_printed_output_of_a_run_that_was_resumed_goes_by_its_epochs(tmp_path: Path) -> None:
    (log,) = logs(printed(tmp_path / "log.txt", [*run(10, 200), *run(160, 400, 0.5)]))
    assert len(log.curve().points) == 40
    assert any("5 entries" in note for note in log.notes)


def test_training_and_evaluations_in_blocks_are_one_run() -> None:
    entries = [*run(10, 100), *({"step": step, "eval_loss": 2.0} for step in (10, 50, 100))]
    assert len(split(entries, "step")) == 1 and repeated(entries) is None


def test_the_losses_of_one_step_are_averaged() -> None:
    curve = curve_of([{"step": step, "loss": 2.0 * times} for step in (1, 2, 3) for times in (0.9, 1.1)])
    assert [point.loss for point in curve.points] == pytest.approx([2.0, 2.0, 2.0])


def test_an_evaluation_after_the_end_is_not_that_of_the_last_step() -> None:
    entries: Entries = [
        {"step": 50, "eval_loss": 1.5},
        {"step": 100, "eval_loss": 2.5},
        {"step": 100, "train_runtime": 9.0, "train_loss": 1.0},
        {"step": 100, "eval_loss": 1.5},  # the best model, loaded at the end
    ]
    assert [one.loss for one in curve_of(entries).validation] == [1.5, 2.5]
