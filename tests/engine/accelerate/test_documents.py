from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sanetune.runs import Run
from tests.engine.running import train

Config = Callable[..., SimpleNamespace]


def test_a_run_on_rows_that_begin_alike_says_what_it_left_out(config: Config, prepared: Any, tmp_path: Path) -> None:
    """The losses are compared with TRL's in ``test_same_as_trl``, on the same rows."""
    settings = {"engine": "accelerate", "max_steps": 2, "per_device_train_batch_size": 2}
    outcome = train(config(**settings, gradient_accumulation_steps=2), prepared, Run.create(tmp_path / "run"))
    assert [note for note in outcome.notes if "begin alike" in note and "not computed a second time" in note]
