"""Why a run is refused, with commands that help: `--fix` is one where a failed check has a fix."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from sanetune.commands import typed
from sanetune.finding import Finding, Report, Verdict
from sanetune.report.terminal.clearance import show_refusal

FIX = {"train.learning_rate": 1e-5}


def found(verdict: Verdict, fix: dict[str, Any]) -> Finding:
    return Finding("curve-nan", verdict, "The loss is NaN.", "Nothing is learnt.", "Lower it.", fix=fix)


@pytest.mark.parametrize(
    ("findings", "helps"),
    [
        ([found(Verdict.FAIL, FIX)], True),
        ([found(Verdict.FAIL, {})], False),
        ([found(Verdict.FAIL, {}), found(Verdict.WARN, FIX)], False),
    ],
)
def test_fix_is_proposed_where_it_changes_what_fails(findings: list[Finding], helps: bool) -> None:
    console = Console(file=StringIO(), width=200)
    with typed("run.yaml"):
        show_refusal(Report(tuple(findings)), console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert ("sanetune check run.yaml --fix" in shown) == helps
    assert "Next: sanetune" in shown and "sanetune train run.yaml --unchecked" in shown
