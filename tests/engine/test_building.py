"""Which checkpoint a run may go on from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.engine import building, checkpoints
from sanetune.errors import RunError
from sanetune.runs import Run


def test_rows_of_an_earlier_version_s_checkpoint_are_not_called_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It noted a hash that depends on its code."""
    stored: dict[str, Any] = {}
    found = SimpleNamespace(path=tmp_path / "checkpoint-6")
    monkeypatch.setattr(checkpoints, "resume_point", lambda folder: found)
    monkeypatch.setattr(checkpoints, "sweep", lambda folder: None)
    monkeypatch.setattr(
        checkpoints, "read_state", lambda path: {"stateful_callbacks": {"sanetune": {"attributes": stored}}}
    )
    prepared: Any = SimpleNamespace(fingerprint="rows-now")
    for before in ("0b3787b4020769dd05e01a2f12a7eaa5", "rows-now"):
        stored["data"] = before
        assert building.checked_start(Run(tmp_path), prepared) == found.path
    stored["data"] = "rows-others"
    with pytest.raises(RunError, match="not what checkpoint-6 was trained on"):
        building.checked_start(Run(tmp_path), prepared)
