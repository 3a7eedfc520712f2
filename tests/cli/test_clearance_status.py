"""`sanetune clearance status`: what a job asks before it starts its processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sanetune.cli import main

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"


def sanetune(*words: str) -> Result:
    return CliRunner().invoke(main, [*words])


def test_a_run_may_start_as_it_was_checked_and_in_no_other_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    rows = (DEMO / "data" / "train.jsonl").read_text().splitlines(keepends=True)
    Path("rows.jsonl").write_text("".join(rows[:40]))
    Path("c.yaml").write_text(
        f"model: {{name: {DEMO / 'model'}}}\ndata: {{train: rows.jsonl, workers: 1}}\n"
        "train: {max_steps: 2, per_device_train_batch_size: 2, gradient_accumulation_steps: 1}\n"
        "check: {level: static, select: [rows]}\nrun: {name: x, trackers: []}\n"
    )
    before = sanetune("clearance", "status", "c.yaml", "run.devices=2")
    assert (before.exit_code, "it has no clearance" in before.stderr) == (1, True)
    assert "`sanetune check c.yaml run.devices=2`" in before.stderr
    assert sanetune("check", "c.yaml", "run.devices=2", "--quiet").exit_code == 0
    after = sanetune("clearance", "status", "c.yaml", "run.devices=2")
    assert (after.exit_code, "cleared at level static" in after.stdout) == (0, True)
    other = sanetune("clearance", "status", "c.yaml", "run.devices=2", "train.max_steps=3")
    assert (other.exit_code, "train.max_steps was 2, is 3" in other.stderr) == (1, True)
    Path("rows.jsonl").write_text("".join(rows[1:41]))
    assert sanetune("clearance", "status", "c.yaml", "run.devices=2").exit_code == 1
