"""Runs from random weights: what says so, and that their first loss is then none of a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.checks.curve import start_high
from sanetune.curves.logs.find import logs
from sanetune.curves.logs.log import Log
from sanetune.finding import Verdict

LINES = "".join(f"step {step}: loss {10.9 - step / 50:.3f}\n" for step in range(0, 100, 5))


def written(folder: Path, text: str = LINES) -> Log:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.log").write_text(text)
    (log,) = logs(folder / "train.log")
    return log


def verdict(log: Log) -> Verdict:
    limits = {name: limit.value for name, limit in start_high.LIMITS.items()}
    return start_high.judge(start_high.measure(log.curve(), limits), limits).verdict


@pytest.mark.parametrize("name", ["gpt-from-scratch", "LLM_From_Scratch", "fromscratch"])
def test_a_folder_may_say_it(tmp_path: Path, name: str) -> None:
    log = written(tmp_path / name / "out")
    assert log.from_scratch and any(name in note for note in log.notes)
    assert verdict(log) is Verdict.PASS


def test_the_output_may_say_it(tmp_path: Path) -> None:
    log = written(tmp_path, "Initializing a new model from scratch\n" + LINES)
    assert log.from_scratch and verdict(log) is Verdict.PASS


def test_a_cluster_whose_disk_is_called_scratch_says_nothing(tmp_path: Path) -> None:
    log = written(tmp_path / "scratch" / "me")
    assert not log.from_scratch and verdict(log) is Verdict.WARN


def test_a_start_above_that_of_random_weights_is_high_all_the_same(tmp_path: Path) -> None:
    log = written(tmp_path / "from_scratch", LINES.replace("loss 10.", "loss 14."))
    assert log.from_scratch and verdict(log) is Verdict.WARN
