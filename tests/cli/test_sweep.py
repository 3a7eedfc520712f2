"""`sanetune sweep` that is stopped by Ctrl-C says what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sanetune.cli import main


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
