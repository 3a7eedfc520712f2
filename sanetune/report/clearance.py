"""Clearances as text, the same on terminal, model card and page, and as the report behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.clearance import LONGEST as LONGEST_REASON
from sanetune.gate.clearance import CheckOutcome, Clearance
from sanetune.text import one_line

LONGEST = 300
"""Characters of a reason, and of a check's message and remedy, that are shown."""


def report_of(clearance: Clearance, subject: dict[str, str], experiments: Mapping[str, Any]) -> Report:
    """Return the report that earned ``clearance``: its findings with their messages, without rows and numbers."""
    findings = [_finding(one) for one in clearance.findings]
    findings.sort(key=lambda finding: -finding.verdict.rank)
    return Report(findings, clearance.level or "static", clearance.seconds, subject, experiments=dict(experiments))


def _finding(one: CheckOutcome) -> Finding:
    check = catalogue().get(one.check)
    if one.verdict is not Verdict.WARN or check is None:
        return Finding(one.check, one.verdict, one.message)
    return Finding(one.check, one.verdict, one.message, check.page.rationale, one.remedy or check.page.remedy)


def lines(clearance: Clearance, *, remedies: bool = False) -> list[str]:
    """Return how the run was cleared, then a line for each check that warned, and for each server or file.

    Args:
        clearance: The clearance.
        remedies: Whether the line of a check also says what to do, where that is not what its page says.
    """
    head = clearance.summary
    warned = [
        one_line(f"{one.check}: {one.message}", LONGEST)
        + (f" {one_line(one.remedy, LONGEST)}" if remedies and one.remedy else "")
        for one in clearance.of(Verdict.WARN)
    ]
    served = [one_line(one.summary, LONGEST) for one in clearance.served]
    return [one_line(head[:1].upper() + head[1:], 2 * LONGEST_REASON), *warned, *served]
