"""The line of numbers under a finding names no figure that has nothing behind it."""

from __future__ import annotations

from sanetune.finding import Finding, Verdict
from sanetune.report.terminal.findings import _figures


def test_an_empty_text_is_no_figure() -> None:
    finding = Finding("rows-roles", Verdict.FAIL, "7 of 9 rows.", "", "", numbers={"reason": "", "rows": 7})
    assert _figures(finding) == "rows 7"
