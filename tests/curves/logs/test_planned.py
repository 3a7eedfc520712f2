"""A tracker's log of a run that ended early is not taken for a whole one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from sanetune.curves.changes import complete
from sanetune.curves.logs.find import logs
from sanetune.curves.logs.planned import planned_steps
from sanetune.curves.series import Curve


def curve(folder: Path, arguments: str | None) -> Curve:
    """Of a run that returned at step 90, after 12.9 epochs."""
    with SummaryWriter(str(folder)) as writer:
        if arguments is not None:
            writer.add_text("args", arguments)
        for step in range(2, 92, 2):
            writer.add_scalar("train/loss", 3 / step, step)
            writer.add_scalar("train/epoch", step / 7, step)
        writer.add_scalar("train/train_runtime", 20.0, 90)
    (log,) = logs(folder)
    return log.curve()


@pytest.mark.parametrize(
    ("arguments", "total"),
    [({"max_steps": -1, "num_train_epochs": 60}, 420), ({"max_steps": 500, "num_train_epochs": 60}, 500)],
)
def test_the_planned_steps_are_those_of_the_arguments_beside_the_losses(
    tmp_path: Path, arguments: dict[str, object], total: int
) -> None:
    found = curve(tmp_path, json.dumps(arguments))
    assert (found.total_steps, found.ended) == (total, True)


@pytest.mark.parametrize("arguments", [None, "", "[1]", "{", '{"max_steps": "many"}'])
def test_without_arguments_a_run_that_returned_is_not_known_to_be_whole(tmp_path: Path, arguments: str | None) -> None:
    found = curve(tmp_path, arguments)
    assert found.total_steps is None and found.ended and not complete(found)


def test_planned_epochs_are_not_fewer_than_those_made() -> None:
    assert planned_steps({"num_train_epochs": 3}, [{"step": 30, "epoch": 3.01}]) == 30
    assert planned_steps({"num_train_epochs": float("inf")}, [{"step": 30, "epoch": 3.0}]) is None
    assert planned_steps({"num_train_epochs": 3}, [{"loss": 2.0}]) is None
