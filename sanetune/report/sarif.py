"""Findings as SARIF 2.1.0, so that a code host shows them on the lines of the data files and the configuration.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sanetune.atomic import name_non_finite
from sanetune.checks.base import Check
from sanetune.errors import Place
from sanetune.finding import Finding, Report, Verdict, Witness
from sanetune.report import format
from sanetune.runs import package_versions
from sanetune.text import escape_control

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "ROOT"
"""The name that stands for ``root`` in every location."""
_LEVELS = {Verdict.FAIL: "error", Verdict.WARN: "warning"}

Json = dict[str, Any]
"""A JSON object."""


def sarif(report: Report, root: Path) -> Json:
    """Return ``report`` as a SARIF log.

    A finding gives one result for each place that a witness names, so that every line is marked. A finding without a
    place points to the configuration, because code hosts refuse results without a location. Passed and skipped checks
    are in the run's properties, because code hosts show every result as an alert, whatever its kind. A crash is one of
    the tool's notifications.

    Args:
        report: The findings.
        root: Files below this folder are named relative to it.
    """
    root = root.resolve()
    rules = _rules(report)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    home = _home(report, root)
    results = [
        {**result, "ruleIndex": index[result["ruleId"]]}
        for finding in report.of(Verdict.FAIL, Verdict.WARN)
        for result in _results(finding, root, home)
    ]
    driver = {"name": "sanetune", "rules": rules}
    if version := package_versions(["sanetune"])["sanetune"]:
        driver["semanticVersion"] = version
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(report, index, root)],
        "originalUriBaseIds": {ROOT: {"uri": f"{root.as_uri().rstrip('/')}/"}},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "verdict": report.verdict.value,
            "level": report.level,
            "passed": {finding.check: _text(finding.message) for finding in report.of(Verdict.PASS)},
            "skipped": {finding.check: _text(finding.message) for finding in report.of(Verdict.SKIP)},
            "seconds": round(report.seconds, 3),
            "subject": {name: _clean(value) for name, value in report.subject.items()},
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(report: Report) -> list[Json]:
    """One rule for each check in the report, with its page as help."""
    from sanetune.gate.catalogue import catalogue

    checks = catalogue()
    return [_rule(name, checks.get(name)) for name in dict.fromkeys(finding.check for finding in report.findings)]


def _rule(name: str, check: Check | None) -> Json:
    rule: Json = {"id": name, "name": "".join(word.capitalize() for word in re.split(r"\W+", name)) or "Check"}
    if check is None:
        return rule
    page = check.page
    text = "\n\n".join(f"{title}\n{text}" for title, text in page.sections.items())
    marked = "\n\n".join(f"## {title}\n\n{text}" for title, text in page.sections.items())
    return rule | {
        "shortDescription": {"text": page.fault},
        "fullDescription": {"text": f"{page.fault} {page.rationale}"},
        "help": {"text": text, "markdown": marked},
        "properties": {"tags": [check.family]},
    }


def _results(finding: Finding, root: Path, home: Json | None) -> Iterable[Json]:
    result: Json = {"ruleId": finding.check, "level": _LEVELS.get(finding.verdict, "none")}
    result["properties"] = {
        "evidence": _plain(finding.numbers),
        "fix": _plain(finding.fix),
        "limits": _plain(finding.limits),
    }
    placed = [witness for witness in finding.witnesses if witness.place and witness.place.file]
    for witness in placed:
        assert witness.place is not None
        location = _location(witness.place, root)
        fingerprint = _fingerprint(finding, location, witness)
        yield result | {
            "message": {"text": _message(finding, witness)},
            "locations": [location],
            "partialFingerprints": {"sanetune/v1": fingerprint},
        }
    if not placed:
        others = "; ".join(_seen(witness) for witness in finding.witnesses)
        text = _text(finding.text) + (f"\nSeen: {others}" if others else "")
        yield result | {"message": {"text": text or finding.check}} | ({"locations": [home]} if home else {})


def _message(finding: Finding, witness: Witness) -> str:
    return f"{_text(finding.text)}\nSeen here: {_seen(witness)}"


def _seen(witness: Witness) -> str:
    return _text(format.witness_text(witness))


def _location(place: Place, root: Path) -> Json:
    physical: Json = {"artifactLocation": _artifact(str(place.file), root)}
    if place.line is not None and place.line > 0:
        physical["region"] = {"startLine": place.line}
    return {"physicalLocation": physical}


def _artifact(file: str, root: Path) -> Json:
    """Return a file's URI, relative to ``root`` where it is below it; a data set on the Hub keeps its address."""
    name = _clean(file)
    if "://" in name:
        return {"uri": quote(name, safe="/:?#[]@!$&'()*+,;=%~")}
    path = root / name
    # Links are not resolved, since a data file is known by its own name; only ".." is removed.
    path = Path(*_without_dots(path.parts))
    if path.is_relative_to(root):
        return {"uri": quote(path.relative_to(root).as_posix()), "uriBaseId": ROOT}
    return {"uri": path.as_uri()}


def _without_dots(parts: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if part == ".." and len(kept) > 1:
            kept.pop()
        elif part != "..":
            kept.append(part)
    return kept


def _home(report: Report, root: Path) -> Json | None:
    """The configuration's first line, which results without a place of their own point to."""
    config = report.subject.get("config")
    return _location(Place(config, 1), root) if config else None


def _invocation(report: Report, index: dict[str, int], root: Path) -> Json:
    notes: list[Json] = []
    for finding in report.of(Verdict.CRASH):
        notes.append(
            {
                "level": "error",
                "message": {"text": _text(finding.message) or finding.check},
                "associatedRule": {"id": finding.check, "index": index[finding.check]},
                "exception": {"kind": "crash", "message": _clean(finding.traceback or finding.message)},
            }
        )
    if error := report.unusable:
        place = error.place if error.place and error.place.file else None
        notes.append(
            {"level": "error", "message": {"text": _text(str(error)) or "unusable"}}
            | ({"locations": [_location(place, root)]} if place else {})
        )
    invocation: Json = {"executionSuccessful": not notes, "exitCode": report.exit_code}
    return invocation | ({"toolExecutionNotifications": notes} if notes else {})


def _fingerprint(finding: Finding, location: Json, witness: Witness) -> str:
    """Return a digest of check, file and text, which stays the same when lines move."""
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    content = "\0".join((finding.check, uri, witness.text, witness.beside))
    return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:32]


def _text(words: str) -> str:
    """Return a message in which ``[a](b)`` is no link and ``{0}`` no placeholder."""
    shown = re.sub(r"\[(?=[^\[\]]*\]\()", r"\\[", _clean(words))
    return re.sub(r"\{(?=\d+\})", "{{", shown)


def _clean(words: str) -> str:
    return escape_control(str(words))


def _plain(value: object) -> object:
    """Return ``value`` as JSON has it, whatever a check measured."""
    if isinstance(value, dict):
        return {_clean(str(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, (bool, int, float)):
        return name_non_finite(value)
    return _clean(str(value))
