"""`sanetune sweep`: its exit codes, and what other programs read of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from tests.workflows.sweep.made import sweep, trial


def test_a_sweep_that_is_stopped_says_that_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*words: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sanetune.api.sweep", stopped)
    (tmp_path / "c.yaml").write_text("model: {name: m}\ndata: {train: rows.jsonl}\n")
    done = CliRunner().invoke(main, ["sweep", str(tmp_path / "c.yaml"), "learning_rate=1e-4,1e-3"])
    assert done.exit_code == 130
    assert "Trials that are done are kept: the same command goes on" in done.stderr


def test_a_loss_that_is_no_number_is_null_for_other_programs_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged = replace(trial(1e-3, math.nan, state="diverged"), losses=[2.0, math.nan])
    monkeypatch.setattr("sanetune.api.sweep", lambda *words, **named: sweep(diverged))
    (tmp_path / "c.yaml").write_text("model: {name: m}\ndata: {train: rows.jsonl}\n")
    done = CliRunner().invoke(main, ["sweep", str(tmp_path / "c.yaml"), "learning_rate=1e-4,1e-3", "--json", "-"])
    assert done.exit_code == 1
    (read,) = json.loads(done.stdout)["trials"]
    assert (read["losses"], read["curve"][-1], read["evaluation"]["loss"]) == ([2.0, None], [10, None], None)
