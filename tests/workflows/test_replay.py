"""A step is made again from the checkpoint before it, and is the same step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.demo import MODEL, TRAIN
from sanetune.engine.step_log import StepLog, files, read
from sanetune.errors import RunError
from sanetune.events import Event, TrainingStarted
from sanetune.runs import Run
from sanetune.workflows.replay import Replay, replay
from sanetune.workflows.train import train

pytestmark = pytest.mark.usefixtures("one_thread")


def config(folder: Path, *overrides: str) -> Config:
    rows = TRAIN.read_text().splitlines(keepends=True)[:16]
    (folder / "rows.jsonl").write_text("".join(rows))
    values = {
        "max_steps": 9, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 1, "learning_rate": 1e-3,
        "save_steps": 4, "eval_steps": 4, "save_strategy": "steps", "load_best_model_at_end": False,
    }  # fmt: skip
    return load(
        {
            "model": {"name": str(MODEL)},
            "data": {"train": str(folder / "rows.jsonl")},
            "train": values,
            "run": {"output_dir": str(folder / "run"), "trackers": []},
        },
        overrides,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("replayed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANETUNE_CACHE", str(folder / "cache"))
        patch.setattr("sanetune.probes.prompts.FEWEST", 4)
        return train(config(folder, "train.save_total_limit=9")).run


@pytest.mark.parametrize(("step", "start", "between"), [(2, 0, 1), (5, 4, 0), (7, 4, 2)])
def test_a_step_is_made_again_bit_for_bit(run: Run, step: int, start: int, between: int) -> None:
    files_before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    found = replay(run.path, step)
    logged = next(one for one in read(files(run.steps)[0]) if one.step == step)
    assert (found.exact, found.start, found.retrained) == (True, start, between)
    assert found.same_loss and found.same_rows and found.loss == pytest.approx(logged.loss)
    assert found.grad_norm == pytest.approx(logged.grad_norm, rel=1e-6)
    # Of one row, its own loss and gradient norm are those of the step; the model has no dropout.
    (row,) = found.rows
    assert row.number == logged.rows[0]
    assert row.loss == pytest.approx(logged.loss, rel=1e-5)
    assert row.grad_norm == pytest.approx(logged.grad_norm, rel=1e-4)
    assert row.place is not None and row.place.line is not None
    answer = json.loads(Path(str(row.place.file)).read_text().splitlines()[row.place.line - 1])["messages"][-1]
    assert row.text.endswith("…") or answer["content"] in row.text
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()} == files_before


def test_its_progress_ends_at_the_step_and_not_at_the_end_of_the_run(run: Run) -> None:
    events: list[Event] = []
    replay(run.path, 7, events.append)
    assert [one.total_steps for one in events if isinstance(one, TrainingStarted)] == [7]


def test_the_command_shows_it_and_writes_json(run: Run, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["replay", str(run.path), "--step", "5", "--json", str(tmp_path / "r.json")])
    assert result.exit_code == 0, result.output
    assert "Step 5 was rebuilt from checkpoint-4, with the same rows." in result.output
    assert "equal to the last bit" in result.output and "rows.jsonl:" in result.output
    plain = json.loads((tmp_path / "r.json").read_text())
    assert Replay.from_json(plain).to_json() == plain


def test_a_step_that_was_not_made_is_an_error_with_those_that_were(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no step 99; it made the steps 1 to 9"):
        replay(run.path, 99)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(RunError, match="no log of its steps"):
        replay(tmp_path, 1)


def test_a_run_of_two_processes_has_its_rows_measured_with_the_checkpoint(run: Run) -> None:
    other = StepLog(run.steps, 1)
    logged = list(read(files(run.steps)[0]))
    other.start(0)
    other.append(logged)
    try:
        found = replay(run.path, 5)
    finally:
        other.path.unlink()
    assert not found.exact and found.loss is None and found.same_loss is None
    assert "made by 2 processes" in found.reason and found.weights == "the weights of checkpoint-4"
    assert [row.number for row in found.rows] == [*logged[4].rows, *logged[4].rows]
    # The state before step 5 is that of checkpoint-4, and each row is half of what the log says.
    assert found.rows[0].loss == pytest.approx(logged[4].loss, rel=1e-5)
