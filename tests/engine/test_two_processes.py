"""Several processes make the run of one, on every engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.engine import step_log
from sanetune.engine.metrics import read
from sanetune.runs import Run
from tests.engine.running import train
from tests.engine.two_processes import WHOLE_EPOCH
from tests.together import launch

Config = Callable[..., SimpleNamespace]


@pytest.fixture(scope="module", params=["trl", "accelerate"])
def folder(request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes of each engine have left."""
    folder = tmp_path_factory.mktemp("two")
    launch("tests.engine.two_processes", str(base), str(folder), request.param, ACCELERATE_USE_CPU="true")
    return folder


def test_two_processes_give_the_same_curve_as_one(folder: Path, prepared: Any, config: Config, tmp_path: Path) -> None:
    """Same effective batch, same losses, one writer; also where the last step of the epoch is not full."""
    two = read(Run(folder / "two").metrics)
    train_rows, validation = prepared.train.select(range(14)), prepared.validation.select(range(5))
    data = SimpleNamespace(**{**vars(prepared), "train": train_rows, "validation": validation})
    one = train(config(per_device_train_batch_size=4, **WHOLE_EPOCH), data, Run.create(tmp_path / "one")).records
    assert [(r.step, r.kind, r.tokens, r.loss_tokens) for r in two] == [
        (r.step, r.kind, r.tokens, r.loss_tokens) for r in one
    ]
    for a, b in zip(two, one, strict=True):
        assert a.loss == pytest.approx(b.loss, abs=1e-4)
        assert a.grad_norm == (None if b.grad_norm is None else pytest.approx(b.grad_norm, rel=1e-4))
    for a, b in zip(two, one, strict=True):
        assert a.group_tokens == b.group_tokens and len(a.group_tokens or ()) == (5 if a.kind == "validation" else 0)
        assert a.group_losses == pytest.approx(b.group_losses, abs=1e-2)
    assert Run(folder / "two").finished


def test_each_row_of_an_epoch_is_taken_once_by_one_of_two_processes(folder: Path) -> None:
    steps = [list(step_log.read(path)) for path in step_log.files(Run(folder / "two").steps)]
    assert len(steps) == 2 and sorted(row for some in steps for one in some for row in one.rows) == list(range(14))


def test_a_signal_to_one_of_two_processes_stops_both_with_one_checkpoint(folder: Path) -> None:
    assert [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)] == ["stopped", "stopped"]
    stopped = Run(folder / "stopped")
    assert list(stopped.steps_saved) == [2]
    assert [record.step for record in read(stopped.metrics) if record.kind == "validation"] == [0]
