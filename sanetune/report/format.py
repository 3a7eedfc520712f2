"""Findings as text: the same on the terminal, on the page and in files for other tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sanetune import units
from sanetune.finding import WORST_FIRST, Finding, Report, Verdict, Witness
from sanetune.text import shorten_middle

WITNESS_LENGTH = 1_000
"""Characters of a witness's text in a file for another tool."""
DONE = {
    Verdict.CRASH: "crashed",
    Verdict.FAIL: "failed",
    Verdict.WARN: "warned",
    Verdict.PASS: "passed",
    Verdict.SKIP: "skipped",
}

WEIGHT = ("labels", "template", "tokens", "rows", "batches", "packs", "model", "samples", "curve", "machine")
"""Families by how much their findings matter beside others of the same verdict; then other packages', then config."""
ADVISING = "config"
"""The family whose warnings are advice: they compare settings with what is usual, and show no fault in anything."""


def family(check: str) -> str:
    """Return the family of a check: the first word of its name."""
    return check.partition("-")[0]


def by_weight(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings worst first; of one verdict, faults of labels and data before those of settings.

    >>> some = [Finding(name, Verdict.WARN, "") for name in ("config-few-steps", "rows-roles", "labels-none")]
    >>> [finding.check for finding in by_weight(some)]
    ['labels-none', 'rows-roles', 'config-few-steps']
    """
    return sorted(findings, key=lambda finding: (-finding.verdict.rank, _weight(family(finding.check))))


def _weight(name: str) -> int:
    if name in WEIGHT:
        return WEIGHT.index(name)
    return len(WEIGHT) + (name == ADVISING)


def is_advice(finding: Finding) -> bool:
    """Return whether a finding is advice on a setting, which is told in one line beside findings of other kinds."""
    return finding.verdict is Verdict.WARN and family(finding.check) == ADVISING


def number(value: object) -> str:
    """Return a measured value as text; lists and mappings as JSON.

    >>> number(12345), number(0.01234), number(2e-5), number(True), number(None), number([1, 2])
    ('12,345', '0.01234', '2e-05', 'yes', 'unknown', '[1, 2]')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "unknown"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**30 else "a very large number"
    if isinstance(value, float):
        return _real(value)
    if isinstance(value, str):
        return value
    return _as_json(value)


def _real(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def _as_json(value: object) -> str:
    import json

    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def scalar(value: object) -> str:
    """Return a value as it is written in YAML, on one line.

    >>> scalar(None), scalar("1"), scalar([1, 2])
    ('null', "'1'", '[1, 2]')
    """
    text = _dumped(value, flow=True)
    return text.removesuffix("...\n").strip().replace("\n", " ")


def yaml(values: Mapping[str, Any]) -> str:
    """Return values by ``section.key`` as YAML that can be copied into a configuration.

    >>> print(yaml({"data.loss_on": "assistant"}), end="")
    data:
      loss_on: assistant
    """
    from sanetune.config import nested as tree

    nested: dict[str, Any] = {}
    for key, value in values.items():
        tree.put(nested, key, value)
    return _dumped(nested, flow=False)


def _dumped(value: object, *, flow: bool) -> str:
    import io

    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RepresenterError

    from sanetune.config import yaml_edit

    writer = YAML(typ="rt")
    writer.width = 4096
    writer.default_flow_style = flow
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.representer.add_representer(type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null"))
    stream = io.StringIO()
    try:
        writer.dump(_builtin(yaml_edit.plain(value)), stream)
    except RepresenterError:
        return repr(value)
    return stream.getvalue()


def _builtin(value: object) -> object:
    """Return built-in mappings and lists; ruamel's own would always be written in block style."""
    if isinstance(value, Mapping):
        return {str(key): _builtin(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_builtin(one) for one in value]
    return value


def reason(finding: Finding) -> str:
    """Return why a check was skipped."""
    return finding.message.removeprefix("skipped: ")


def place(witness: Witness) -> str:
    """Return ``data/train.jsonl:12, row 11``, or the example's number, or nothing."""
    if witness.place and str(witness.place):
        return str(witness.place)
    if witness.example is not None:
        return f"{witness.split or 'train'} example {witness.example}"
    return ""


def witness_text(witness: Witness) -> str:
    """Return a witness on one line: its note, its text, and the text beside it.

    >>> witness_text(Witness("Hello", note="the same as", beside="hello"))
    'the same as: Hello | hello'
    """
    texts = [shorten_middle(text, WITNESS_LENGTH) for text in (witness.text, witness.beside) if text]
    return ": ".join(part for part in (witness.note, " | ".join(texts)) if part)


def tally(report: Report) -> dict[Verdict, int]:
    """Return how many findings have each verdict, worst first."""
    return {verdict: len(report.of(verdict)) for verdict in WORST_FIRST}


LOG_HEADLINES = {Verdict.FAIL: "fault found", Verdict.WARN: "to be considered", Verdict.PASS: "no fault found"}
"""What is said of the log of a run, by its verdict."""


def headline(report: Report) -> str:
    """Return ``refused``, ``unusable``, ``unproved``, ``clear, with warnings`` or ``clear``.

    Of a log, which no run waits for, one of :data:`LOG_HEADLINES`.
    """
    if report.unusable:
        return "unusable"
    if report.level == "log":
        return LOG_HEADLINES[report.verdict]
    if report.verdict is Verdict.FAIL:
        return "refused"
    if report.is_unproved:
        return "unproved"
    return "clear, with warnings" if report.verdict is Verdict.WARN else "clear"


def counts(report: Report) -> str:
    """Return ``2 failed, 1 warned, 30 passed, 3 known``; verdicts that no finding has are left out."""
    words = [f"{count:,} {DONE[verdict]}" for verdict, count in tally(report).items() if count]
    words += [f"{len(report.known):,} known"] if report.known else []
    return ", ".join(words) or "nothing was checked"


def summary(report: Report) -> str:
    """Return the whole report in one line."""
    level = "" if report.level == "log" else f"level {report.level}, "
    return f"{headline(report)}: {counts(report)}; {level}{units.seconds(report.seconds)}"
