"""Findings as an agent gets them: short, and with the texts of data marked off as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from sanetune.atomic import name_non_finite
from sanetune.finding import BAD, Finding, Report, Verdict
from sanetune.mcp.replies import FindingReply, Skipped
from sanetune.report.format import reason
from sanetune.text import escape_control, shorten

WITNESSES = 3
"""Witnesses of one finding."""
TEXT = 300
"""Characters of one text of a witness."""
EVIDENCE = 1500
"""Characters of JSON that the numbers of one finding may take; longer ones are in the whole report."""


def listed(findings: Iterable[Finding]) -> Sequence[FindingReply]:
    """Return the findings that ask for something, in full."""
    return [reply_of(one.to_json()) for one in findings if one.verdict in BAD]


def passed(report: Report) -> Sequence[str]:
    """Return the names of the checks that passed."""
    return [one.check for one in report.of(Verdict.PASS)]


def skipped(report: Report) -> Sequence[Skipped]:
    """Return the checks that were skipped, by reason."""
    by_reason: dict[str, list[str]] = {}
    for finding in report.of(Verdict.SKIP):
        by_reason.setdefault(shorten(reason(finding), TEXT), []).append(finding.check)
    return [Skipped(reason=words, checks=checks) for words, checks in by_reason.items()]


def reply_of(plain: Mapping[str, object]) -> FindingReply:
    """Return a finding of the JSON contract, shortened.

    Args:
        plain: What :meth:`sanetune.finding.Finding.to_json` returns, or a finding of ``watch.json``.
    """
    values = dict(as_json(dict(plain)))
    witnesses = values.get("witnesses", [])
    values["witnesses"] = [_short(one) for one in witnesses[:WITNESSES]] if isinstance(witnesses, list) else []
    if len(json.dumps(values.get("evidence"))) > EVIDENCE:
        values["evidence"] = {"left_out": "too many numbers: see the whole report"}
    return FindingReply.model_validate(values)


def as_json(value: dict[str, object]) -> dict[str, object]:
    """Return plain values that JSON has; what it lacks becomes text."""
    plain: dict[str, object] = json.loads(json.dumps(name_non_finite(value), default=_plain))
    return plain


def short_text(text: str, characters: int = TEXT) -> str:
    """Return a text of data or of a model with control characters escaped, in at most so many ``characters``."""
    return shorten(escape_control(text), characters)


def _short(witness: object) -> dict[str, object]:
    if not isinstance(witness, dict):
        return {}
    return {key: short_text(value) if isinstance(value, str) else value for key, value in witness.items()}


def _plain(value: object) -> object:
    """A value that JSON does not know: a path, or one of numpy's numbers."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
