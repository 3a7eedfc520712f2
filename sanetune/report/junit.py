"""Findings as JUnit XML, with a test case for each check, so that CI systems can list them.

A warning is a test that passes; its text is in ``system-out``, because the format has no warnings.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from sanetune.finding import Finding, Report, Verdict, Witness
from sanetune.report import format
from sanetune.text import escape_control

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, escaped or not."""


def junit(report: Report) -> str:
    """Return ``report`` as JUnit XML; an unusable input is a test case of its own, named ``input``, with an error."""
    crashed = len(report.of(Verdict.CRASH)) + bool(report.unusable)
    numbers = {
        "tests": len(report.findings) + bool(report.unusable),
        "failures": len(report.of(Verdict.FAIL)),
        "errors": crashed,
        "skipped": len(report.of(Verdict.SKIP)),
    }
    counts = {name: str(count) for name, count in numbers.items()} | {"time": f"{report.seconds:.3f}"}
    suites = ET.Element("testsuites", {"name": "sanetune"} | counts)
    suite = ET.SubElement(suites, "testsuite", {"name": f"sanetune {_clean(report.level)}"} | counts)
    properties = ET.SubElement(suite, "properties")
    for name, value in {**report.subject, "verdict": report.verdict.value}.items():
        ET.SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})
    if report.unusable:
        case = ET.SubElement(suite, "testcase", {"classname": "sanetune", "name": "input", "time": "0"})
        _outcome(case, "error", report.unusable.message, str(report.unusable), type(report.unusable).__name__)
    for finding in report.findings:
        _case(suite, finding)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _case(suite: ET.Element, finding: Finding) -> None:
    names = {
        "classname": f"sanetune.{_clean(finding.check.split('-')[0])}",
        "name": _clean(finding.check),
        "time": f"{finding.seconds:.4f}",
    }
    place = next((witness.place for witness in finding.witnesses if witness.place and witness.place.file), None)
    if place:
        names |= {"file": _clean(str(place.file))} | ({"line": str(place.line)} if place.line is not None else {})
    case = ET.SubElement(suite, "testcase", names)
    match finding.verdict:
        case Verdict.FAIL:
            _outcome(case, "failure", finding.message, _words(finding), "fail")
        case Verdict.CRASH:
            _outcome(case, "error", finding.message, finding.traceback or finding.message, "crash")
        case Verdict.SKIP:
            ET.SubElement(case, "skipped", {"message": _clean(format.reason(finding))})
        case Verdict.WARN:
            ET.SubElement(case, "system-out").text = _clean(f"warning: {_words(finding)}")
        case Verdict.PASS:
            ET.SubElement(case, "system-out").text = _clean(finding.message)


def _outcome(case: ET.Element, tag: str, message: str, words: str, kind: str) -> None:
    ET.SubElement(case, tag, {"message": _clean(message), "type": kind}).text = _clean(words)


def _words(finding: Finding) -> str:
    """Return the sentences, fixes and witnesses of a finding, one per line."""
    lines = [finding.message, finding.rationale, finding.remedy]
    lines += [f"fix: {key}: {format.scalar(value)}" for key, value in finding.fix.items()]
    lines += [f"seen: {_seen(witness)}" for witness in finding.witnesses]
    return "\n".join(line for line in lines if line)


def _seen(witness: Witness) -> str:
    return ": ".join(part for part in (format.place(witness), format.witness_text(witness)) if part)


def _clean(words: str) -> str:
    """Return ``words`` with visible control characters, and without those that XML does not allow."""
    return _NOT_XML.sub("", escape_control(words))
