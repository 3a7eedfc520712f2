"""The work of the tool check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.atomic import write_json, write_text
from sanetune.mcp import findings
from sanetune.mcp.call import Call
from sanetune.mcp.next_steps import after_check
from sanetune.mcp.replies import CheckReply
from sanetune.workflows.check import evidence_of, require_checks, run_checks
from sanetune.workflows.clear import store_clearance

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.evidence.registry import Evidence
    from sanetune.finding import Report

REPORT, PAGE = "report.json", "report.html"
"""Files of a job that resources show."""


def check(call: Call) -> CheckReply:
    """Check a configuration, and store its clearance where it has earned one."""
    settings = call.config()
    level = call.text("level") or settings.check.level
    select, ignore = call.texts("select"), call.texts("ignore")
    require_checks(settings, select, ignore, level)
    with evidence_of(settings, call.publish, level) as evidence:
        report = run_checks(settings, evidence, select, ignore, level)
        note = keep(settings, evidence, report, partial=bool(select or ignore))
        if call.is_set("page"):
            from sanetune.report.html.collect import page_of

            write_text(call.home / PAGE, page_of(settings, evidence, report))
    return reply(call, settings, report, note)


def keep(settings: Config, evidence: Evidence, report: Report, *, partial: bool) -> str:
    """Store the clearance that ``report`` has earned, and return what was done in a sentence."""
    return store_clearance(settings, report, evidence, partial=partial)


def reply(call: Call, settings: Config, report: Report, note: str) -> CheckReply:
    """Return the short form of ``report``, and leave the whole one for the resource.

    Args:
        call: The call of the job.
        settings: What was checked.
        report: What was found.
        note: What became of the clearance.
    """
    write_json(call.home / REPORT, report.to_json())
    cleared = note.startswith("Clearance:")
    return CheckReply(
        verdict=report.verdict.value,
        level=report.level,
        findings=list(findings.listed(report.findings)),
        passed=list(findings.passed(report)),
        skipped=list(findings.skipped(report)),
        fixes=findings.as_json({**(report.unusable.fix if report.unusable else {}), **report.fixes}),
        unusable=str(report.unusable or ""),
        cleared=cleared,
        clearance=note,
        seconds=round(report.seconds, 2),
        report=f"sanetune://jobs/{call.home.name}/report",
        next=after_check(
            report,
            settings.file or Path(call.text("config")),
            call.overrides,
            asked=report.level,
            required=settings.check.level,
            cleared=cleared,
        ),
    )
