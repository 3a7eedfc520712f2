"""Run checks on evidence, cheapest first, and make a report of what they find."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sanetune.checks.base import Check, NotApplicableError
from sanetune.commands import filled
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.errors import ConfigError
from sanetune.events import CheckFinished, CheckStarted
from sanetune.evidence.registry import NO_MEMORY, BrokenError, Evidence, MissingError
from sanetune.finding import Finding, Judgement, Measurement, Report, Verdict
from sanetune.gate.agreement import one_direction, one_learning_rate, with_reasons


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user changes: limits (``{check: {limit: value}}``) and severities
    (``{check: "fail" | "warn" | "off"}``)."""

    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    severity: Mapping[str, str] = field(default_factory=dict)

    def of(self, check: Check) -> dict[str, float]:
        """Return the limits for ``check``.

        Raises:
            ConfigError: A limit that it does not have, or that is no number.
        """
        limits = check.defaults
        for name, value in self.limits.get(check.name, {}).items():
            if name not in limits:
                has = ", ".join(limits) or "none"
                raise ConfigError(
                    f"{check.name} has no limit {name!r}",
                    "A limit that nothing reads would seem to apply.",
                    f"Its limits: {has}.",
                )
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(
                    f"the limit {name} of {check.name} is {value!r}",
                    "What was measured cannot be compared with it.",
                    f"Write a number, as {limits[name]:g}, which is the default.",
                )
            limits[name] = value
        return limits


def run(
    checks: Iterable[Check],
    evidence: Evidence,
    rules: Rules | None = None,
    known: Mapping[str, Finding] | None = None,
) -> list[Finding]:
    """Return every check's finding, worst first, those of one verdict in the order of ``checks``.

    Args:
        checks: Run in the order of their evidence's cost.
        evidence: Built when a check asks for it.
        rules: The user's limits and severities.
        known: Findings, by check, that need not be made again.
    """
    rules, known = rules or Rules(), known or {}
    checks = [check for check in checks if rules.severity.get(check.name) != "off"]
    limits = {check.name: rules.of(check) for check in checks}
    found: dict[str, Finding] = {}
    for done, check in enumerate(sorted(checks, key=lambda check: evidence.cost(check.needs))):
        evidence.publish(CheckStarted(check.name, done, len(checks)))
        finding = known.get(check.name) or _finding(check, evidence, limits[check.name])
        found[check.name] = _as_ruled(finding, rules.severity.get(check.name))
        evidence.publish(CheckFinished(found[check.name], done + 1, len(checks)))
    findings = sorted((found[check.name] for check in checks), key=lambda finding: -finding.verdict.rank)
    findings = one_learning_rate(findings, {check.name: check.fix_priority for check in checks})
    return with_reasons(one_direction(findings))


def report(
    checks: Iterable[Check],
    evidence: Evidence,
    rules: Rules | None = None,
    level: str = "static",
    subject: dict[str, str] | None = None,
    known: Mapping[str, Finding] | None = None,
) -> Report:
    """Return the findings of :func:`run` as a report; ``subject``: what was checked, by name."""
    began = time.perf_counter()
    findings = run(checks, evidence, rules, known)
    return Report(
        findings, level, time.perf_counter() - began, subject or {}, evidence.unusable, dict(evidence.seconds)
    )


def _finding(check: Check, evidence: Evidence, limits: dict[str, Any]) -> Finding:
    blank = Finding(check.name, Verdict.SKIP, "", limits=limits)
    try:
        pieces = [evidence[name] for name in check.needs]
    except MissingError as error:
        return replace(blank, message=f"skipped: {error}")
    except BrokenError as error:
        if error.first:
            return replace(blank, verdict=Verdict.CRASH, message=str(error), traceback=error.trace)
        return replace(blank, message=f"skipped: {error}")
    began = time.perf_counter()
    try:
        measured = check.measured(pieces, limits)
        judged = check.judge(measured, limits)
    except NotApplicableError as error:
        seconds = time.perf_counter() - began
        return replace(blank, message=f"skipped: {error}", numbers=dict(error.numbers), seconds=seconds)
    except Exception as error:  # noqa: BLE001 -- a bug in one check must not hide what others find
        message = f"this check has a bug and proves nothing: {type(error).__name__}: {error}"
        if is_out_of_memory(error):
            message = f"this check proves nothing {NO_MEMORY}"
        return replace(
            blank,
            verdict=Verdict.CRASH,
            message=message,
            traceback=traceback.format_exc(),
            seconds=time.perf_counter() - began,
        )
    return _finished(blank, check, measured, judged, time.perf_counter() - began)


def _finished(blank: Finding, check: Check, measured: Measurement, judged: Judgement, seconds: float) -> Finding:
    """The finding with its sentences: rationale and remedy are the page's where the judge has no others."""
    bad = judged.verdict in (Verdict.WARN, Verdict.FAIL)
    return replace(
        blank,
        verdict=judged.verdict,
        message=judged.message,
        rationale=check.page.rationale if bad else "",
        remedy=filled(judged.remedy or check.page.remedy) if bad else "",
        numbers=measured.numbers,
        witnesses=measured.witnesses if bad else [],
        fix=judged.fix if bad else {},
        seconds=seconds,
    )


def _as_ruled(finding: Finding, severity: str | None) -> Finding:
    if severity in ("fail", "warn") and finding.verdict in (Verdict.FAIL, Verdict.WARN):
        return replace(finding, verdict=Verdict(severity))
    return finding
