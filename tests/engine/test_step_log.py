"""The step log holds the rows of each step, survives being incomplete, and forgets what a resumed run makes again."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.engine.step_log import LoggedStep, StepLog, files, processes_of, read, step_of
from sanetune.errors import RunError

STEPS = [LoggedStep(step, 2.0 / step, math.nan, (step, 7 * step, 4_000_000_000)) for step in range(1, 31)]


def log(folder: Path, steps: list[LoggedStep] = STEPS, rank: int = 0) -> Path:
    made = StepLog(folder, rank)
    made.start(0)
    made.append(steps[:10])
    made.append(steps[10:])
    return made.path


def test_what_is_written_is_read_in_16_bytes_and_4_for_each_row(tmp_path: Path) -> None:
    path = log(tmp_path)
    assert path.stat().st_size == 30 * (16 + 4 * 3)
    found = list(read(path))
    assert [one.step for one in found] == list(range(1, 31))
    assert found[6].rows == (7, 49, 4_000_000_000) and math.isnan(found[6].grad_norm)
    assert abs(found[6].loss - 2 / 7) < 1e-7


def test_a_resumed_run_goes_on_after_its_step(tmp_path: Path) -> None:
    path = log(tmp_path)
    StepLog(tmp_path).start(12)
    assert [one.step for one in read(path)] == list(range(1, 13))
    StepLog(tmp_path).append(STEPS[12:14])
    assert [one.step for one in read(path)] == list(range(1, 15))
    StepLog(tmp_path).start(0)
    assert list(read(path)) == []


@given(cut=st.integers(1, 27))
def test_a_record_that_is_incomplete_is_left_out_and_written_over(cut: int, tmp_path_factory: object) -> None:
    folder = tmp_path_factory.mktemp("steps")  # type: ignore[attr-defined]
    path = log(folder)
    path.write_bytes(path.read_bytes()[:-cut])
    assert [one.step for one in read(path)] == list(range(1, 30))
    StepLog(folder).start(30)
    StepLog(folder).append(STEPS[29:])
    assert [one.step for one in read(path)] == list(range(1, 31))


def test_a_run_that_goes_on_with_fewer_processes_forgets_the_later_steps_of_those_that_are_gone(tmp_path: Path) -> None:
    for rank in (0, 1, 2):
        log(tmp_path, [LoggedStep(step, 1.0, 0.5, (rank, step)) for step in range(1, 9)], rank)
    for rank in (0, 1):
        going_on = StepLog(tmp_path, rank)
        going_on.start(5, processes=2)
        going_on.append([LoggedStep(step, 1.0, 0.5, (rank, 10 * step)) for step in range(6, 9)])
    assert step_of(tmp_path, 4) == LoggedStep(4, 1.0, 0.5, (0, 4, 1, 4, 2, 4))
    assert step_of(tmp_path, 7) == LoggedStep(7, 1.0, 0.5, (0, 70, 1, 70))
    assert processes_of(tmp_path, 5, 8) == {2} and processes_of(tmp_path, 0, 5) == {3}
    assert processes_of(tmp_path, 0, 8) == {2, 3} and processes_of(tmp_path, 8, 9) == set()


def test_a_step_has_the_rows_of_all_processes_in_their_order(tmp_path: Path) -> None:
    for rank in (0, 1, 10, 2):
        log(tmp_path, [LoggedStep(step, 1.0, 0.5, (rank, step)) for step in (1, 2)], rank)
    assert [path.name for path in files(tmp_path)] == ["rank-0.steps", "rank-1.steps", "rank-2.steps", "rank-10.steps"]
    found = step_of(tmp_path, 2)
    assert found == LoggedStep(2, 1.0, 0.5, (0, 2, 1, 2, 2, 2, 10, 2))
    assert step_of(tmp_path, 3) is None and step_of(tmp_path / "none", 1) is None


def test_a_disk_that_takes_no_more_ends_the_run_with_what_to_do(tmp_path: Path) -> None:
    made = StepLog(tmp_path)
    made.path = Path("/dev/full")
    with pytest.raises(RunError, match="/dev/full cannot be written: No space left on device") as caught:
        made.append(STEPS)
    assert "checkpoints are as they were" in caught.value.rationale and "--resume" in caught.value.remedy
