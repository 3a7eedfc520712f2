"""Several processes make the run of one, on every engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.engine.metrics import read
from sanetune.runs import Run
from tests.engine.running import train

Config = Callable[..., SimpleNamespace]


@pytest.mark.parametrize("engine", ["trl", "accelerate"])
def test_two_processes_give_the_same_curve_as_one(
    engine: str, base: Path, rows: list[dict[str, Any]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    """Under `torchrun`, as under `accelerate launch`: same effective batch, same losses, one writer."""
    program = Path(__file__).with_name("two_processes.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(program)]
    done = subprocess.run(
        [*command, str(base), str(tmp_path / "two"), engine],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    two = read(Run(tmp_path / "two").metrics)
    data = SimpleNamespace(**{**vars(prepared), "validation": prepared.validation.select(range(5))})
    one = train(config(max_steps=2, per_device_train_batch_size=4, train_sampling_strategy="sequential"), data,
                Run.create(tmp_path / "one")).records  # fmt: skip
    assert [(r.step, r.kind, r.tokens, r.loss_tokens) for r in two] == [
        (r.step, r.kind, r.tokens, r.loss_tokens) for r in one
    ]
    for a, b in zip(two, one, strict=True):
        assert a.loss == pytest.approx(b.loss, abs=1e-4)
    assert Run(tmp_path / "two").finished
