"""The names that scripts use, and how they print."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sanetune
from sanetune.finding import Finding, Verdict
from sanetune.runs import Run


def test_what_scripts_catch_and_annotate_is_in_the_package() -> None:
    for name in ("GateError", "Report", "Prepared", "Trained", "Config", "UserError", "Gate"):
        assert name in sanetune.__all__ and name in dir(sanetune)
        assert getattr(sanetune, name).__name__ == name
    assert issubclass(sanetune.GateError, sanetune.UserError)


def report() -> sanetune.Report:
    bad = Finding("labels-none", Verdict.FAIL, "No token is in the loss. " * 20, "It learns nothing.", "Set loss_on.")
    return sanetune.Report([bad, *[Finding("rows", Verdict.PASS, "fine")] * 30])


def test_a_report_is_short_as_a_value_and_lists_its_faults_as_text() -> None:
    assert repr(report()) == "<Report fail at level static: 1 fail, 30 pass>"
    assert str(report()).startswith("Report fail") and "fail labels-none: No token" in str(report())
    assert "rows" not in str(report())
    with pytest.raises(sanetune.GateError):
        report().raise_if_failed()


def test_values_of_the_package_print_in_a_line(tmp_path: Path) -> None:
    outcome: Any = SimpleNamespace(validation_loss=1.5, steps=30)
    config = sanetune.load({"model": {"name": "owner/model"}, "data": {"train": "owner/data"}})
    trained = sanetune.Trained(Run(tmp_path / "a"), None, outcome, None)  # type: ignore[arg-type]
    assert repr(trained) == f"<Trained a: 30 steps, validation loss 1.5000, in {tmp_path / 'a'}>"
    assert repr(config) == "<Config: owner/model on owner/data>"
    for value in (report(), report().findings[0], config):
        assert len(repr(value)) < 200 and "\n" not in repr(value)
