"""Printed lines of loops that people write themselves are read at the right steps."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.curves.logs.console import read
from sanetune.curves.logs.plain_lines import read_plain
from sanetune.errors import DataError

Losses = list[tuple[int, float]]

CASES: list[tuple[str, Losses, Losses, int | None]] = [
    ("step 1/200 | loss 3.99 | lr 1e-4\nstep 2/200 | loss 3.5 | lr 2e-4", [(1, 3.99), (2, 3.5)], [], 200),
    ("iter 0: loss 4.3, time 12ms\niter 100: loss 2.3, time 12.50ms, mfu 3%", [(0, 4.3), (100, 2.3)], [], None),
    ("step 250: train loss 2.0, val loss 2.1\nstep 500: train loss 1.5, val loss 1.8",
     [(250, 2.0), (500, 1.5)], [(250, 2.1), (500, 1.8)], None),
    ("[step 5] train_loss=2.31 val_loss=2.5\n[step 6] train_loss=nan val_loss=2.4", [(5, 2.31), (6, math.nan)],
     [(5, 2.5), (6, 2.4)], None),
    ("Epoch 1, Batch 1: train loss = 3.9\nEpoch 1, Batch 2: train loss = 3.8\nEpoch 2, Batch 1: train loss = 3.7",
     [(1, 3.9), (2, 3.8), (3, 3.7)], [], None),
    ("Epoch [1/2], Step [100/200], Loss: 2.5\nEpoch [1/2], Step [200/200], Loss: 2.25\n"
     "Epoch [2/2], Step [100/200], Loss: 2.0", [(100, 2.5), (200, 2.25), (300, 2.0)], [], 400),
    ("Epoch 1/3\n - loss: 0.9 - val_loss: 0.8\nEpoch 2/3\n - loss: 0.7 - val_loss: 0.6", [(1, 0.9), (2, 0.7)],
     [(1, 0.8), (2, 0.6)], 3),
    ("2024-01-01 10:00:00 INFO Step 1,000 loss 2.5\n2024-01-01 10:00:01 INFO \x1b[32mstep\x1b[0m 2,000 loss: 1.5",
     [(1000, 2.5), (2000, 1.5)], [], None),
    ("  5%|5  | 50/100 [00:01<00:01, 2it/s, loss=2.5]\r 10%|9 | 60/100 [00:01<00:01, 2it/s, loss=2.4]",
     [(50, 2.5), (60, 2.4)], [], 100),
    ("Train Epoch: 1 [0/6000 (0%)]\tLoss: 2.5\nTrain Epoch: 1 [640/6000 (1%)]\tLoss: 2.0",
     [(1, 2.5), (2, 2.0)], [], None),
    ("loss: 3.0\nloss: 2.0", [(1, 3.0), (2, 2.0)], [], None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "losses", "evaluations", "total"), CASES)
def test_printed_lines_are_read_at_their_steps(
    tmp_path: Path, text: str, losses: Losses, evaluations: Losses, total: int | None
) -> None:
    (tmp_path / "train.log").write_text(text)
    log = read(tmp_path / "train.log")
    assert str([(point.step, point.loss) for point in log.curve().points]) == str(losses)
    assert [(one.step, one.loss) for one in log.curve().validation] == evaluations
    assert log.total_steps == total


def test_learning_rates_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("step 1 | loss 3.9 | lr 1e-4 | grad_norm 2.5")
    (point,) = read(tmp_path / "out.txt").curve().points
    assert (point.lr, point.grad_norm) == (1e-4, 2.5)


def test_where_nothing_can_be_read_the_error_says_what_can(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("epoch one is done\nnothing else\n")
    with pytest.raises(DataError, match="no step with a loss was found in this file") as error:
        read(tmp_path / "out.txt")
    assert "printed output" in error.value.remedy


@given(st.text(alphabet="steploss epoch:=/[]().0123456789\n\r,_", max_size=400))
def test_no_text_whatever_breaks_the_reader(text: str) -> None:
    assert all("step" in entry for entry in read_plain(text).entries)


@pytest.mark.parametrize("piece", ["loss ", "a", "loss loss=", "loss 1", "1,111", "loss\t", "e-"])
def test_long_odd_lines_take_no_long_time(piece: str) -> None:
    line = ("loss " + piece * 2000)[:1990]
    began = time.process_time()
    read_plain("\n".join([line] * 100))
    assert time.process_time() - began < 2
