"""Clearances as text, the same on terminal, model card and page, and as the report behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.catalogue import catalogue
from sanetune.gate.clearance import LONGEST as LONGEST_REASON
from sanetune.gate.clearance import Clearance
from sanetune.text import one_line

LONGEST = 300
"""Characters of a reason and of a check's message that are shown."""


def report_of(clearance: Clearance, subject: dict[str, str], experiments: Mapping[str, Any]) -> Report:
    """Return the report that earned ``clearance``: its findings with their messages, without rows and numbers."""
    findings = [_finding(one.check, one.verdict, one.message) for one in clearance.findings]
    findings.sort(key=lambda finding: -finding.verdict.rank)
    return Report(findings, clearance.level or "static", clearance.seconds, subject, experiments=dict(experiments))


def _finding(name: str, verdict: Verdict, message: str) -> Finding:
    check = catalogue().get(name)
    if verdict is not Verdict.WARN or check is None:
        return Finding(name, verdict, message)
    return Finding(name, verdict, message, check.page.rationale, check.page.remedy)


def lines(clearance: Clearance) -> list[str]:
    """Return how the run was cleared, then a line for each check that warned, and for each server or file."""
    warned = [f"{one.check}: {one.message}" for one in clearance.of(Verdict.WARN)]
    head = clearance.summary
    warned += [one.summary for one in clearance.served]
    return [one_line(head[:1].upper() + head[1:], 2 * LONGEST_REASON), *(one_line(one, LONGEST) for one in warned)]
