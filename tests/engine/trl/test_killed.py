"""`kill -9` in the middle of a run's writes, and the resumed run is byte for byte the one that was never killed.

`python -m bench.kill` does the same to whole commands, at many moments.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.kill.figures import differences
from bench.kill.victim import Operations
from sanetune.engine import checkpoints
from sanetune.runs import Run
from tests.engine.running import train
from tests.engine.trl.test_engine import SIX


def in_a_child(base: Path, prepared: Any, folder: Path, *, resume: bool, die_at: int | None = None) -> tuple[int, int]:
    """Train in a process of its own; returns its exit code, and how often it touched files of ``folder``."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            sys.addaudithook(Operations(str(folder), write, die_at))
            settings = SIX(base)
            settings.train.given |= {"logging_steps": 4, "logging_first_step": False}
            train(settings, prepared, Run.create(folder, resume=resume), resume=resume)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    count = 0
    while data := os.read(read, 4096):
        count += len(data)
    os.close(read)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), count


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, base: Path, prepared: Any) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    code, count = in_a_child(base, prepared, folder, resume=False)
    assert code == 0
    assert count > 100
    return folder, count


@pytest.mark.parametrize("share", [0.45, 0.65, 0.97])
def test_a_run_that_is_killed_while_it_writes_ends_as_if_it_never_was(
    share: float, unbroken: tuple[Path, int], base: Path, prepared: Any, tmp_path: Path
) -> None:
    whole, file_operations = unbroken
    code, _ = in_a_child(base, prepared, tmp_path / "run", resume=False, die_at=int(share * file_operations))
    assert code == -signal.SIGKILL
    assert not Run(tmp_path / "run").finished
    assert checkpoints.resume_point(tmp_path / "run" / "checkpoints").path is not None
    assert in_a_child(base, prepared, tmp_path / "run", resume=True)[0] == 0
    assert differences(tmp_path / "run", whole) == []
    assert not [path.name for path in tmp_path.rglob(".*")], "nothing half-written is left"


def test_the_comparison_finds_a_changed_weight_and_a_lost_record(unbroken: tuple[Path, int], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(unbroken[0], tmp_path / "run")
    weights, records = tmp_path / "run" / "model" / "model.safetensors", tmp_path / "run" / "metrics.jsonl"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    records.write_text("".join(records.read_text().splitlines(keepends=True)[:-1]))
    assert differences(tmp_path / "run", unbroken[0]) == ["metrics.jsonl", "model/model.safetensors"]
