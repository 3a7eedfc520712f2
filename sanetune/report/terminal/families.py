"""What was checked, one line for each family: how many passed, what was skipped and why, and the seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.finding import BAD, Finding, Report, Verdict
from sanetune.report import format
from sanetune.text import escape_control, shorten_middle

LONGEST = 120
"""Characters of a reason that are shown."""
PREPARED = 3
"""Pieces of evidence that are named with their seconds."""
LEAST_SECONDS = 0.1
"""Seconds below which a piece of evidence is not named."""


def parts(report: Report) -> list[RenderableType]:
    """Return a line for each family, then reasons that skipped checks of several families, then where time went."""
    shared = _shared(report)
    rows = [_row(name, some, shared) for name, some in _families(report).items() if _says(some, shared)]
    pieces: list[RenderableType] = []
    if rows:
        table = Table.grid(padding=(0, 1))
        table.add_column(style="cyan", no_wrap=True, min_width=9)
        table.add_column(overflow="fold")
        table.add_column(justify="right", style="dim", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        pieces.append(table)
    for reason, count in shared.items():
        pieces.append(Text(_shared_line(report, reason, count), style="dim"))
    if prepared := _prepared(report):
        pieces.append(Text(prepared, style="dim"))
    return pieces


def _families(report: Report) -> Mapping[str, list[Finding]]:
    """The findings by family, in the order in which data flow."""
    from sanetune.gate.catalogue import FAMILIES

    order = {name: number for number, name in enumerate(FAMILIES)}
    named = sorted(
        ((format.family(finding.check), finding) for finding in report.findings),
        key=lambda one: (order.get(one[0], len(order)), one[1].check),
    )
    return {name: [finding for _, finding in some] for name, some in groupby(named, key=itemgetter(0))}


def _shared(report: Report) -> dict[str, int]:
    """The reasons for which checks of more than one family were skipped, and how many checks each."""
    skipped: dict[str, list[str]] = {}
    for finding in report.of(Verdict.SKIP):
        skipped.setdefault(format.reason(finding), []).append(format.family(finding.check))
    return {reason: len(some) for reason, some in skipped.items() if len(set(some)) > 1}


def _says(some: Sequence[Finding], shared: Mapping[str, int]) -> bool:
    return any(finding.verdict is not Verdict.SKIP or format.reason(finding) not in shared for finding in some)


def _row(name: str, some: Sequence[Finding], shared: Mapping[str, int]) -> tuple[Text, Text, str]:
    passed = sum(finding.verdict is Verdict.PASS for finding in some)
    counts = [Text(f"{passed} of {len(some)} passed", "green" if passed == len(some) else "")] if passed else []
    for verdict in BAD:
        if count := sum(finding.verdict is verdict for finding in some):
            counts.append(Text(f"{count} {format.DONE[verdict]}", "yellow" if verdict is Verdict.WARN else "red"))
    if skipped := [finding for finding in some if finding.verdict is Verdict.SKIP]:
        counts.append(Text.assemble(f"{len(skipped)} skipped", (_reasons(name, skipped, shared), "dim")))
    words = Text(", ").join(counts)
    seconds = sum(finding.seconds for finding in some)
    return Text(escape_control(name, strict=True)), words, units.seconds(seconds) if seconds >= 0.001 else ""


def _reasons(name: str, skipped: Sequence[Finding], shared: Mapping[str, int]) -> str:
    """Why checks of one family were skipped; reasons that hold for other families too are told below the table."""
    reasons: dict[str, list[str]] = {}
    for finding in skipped:
        if (reason := format.reason(finding)) not in shared:
            reasons.setdefault(reason, []).append(finding.check.removeprefix(f"{name}-"))
    found = [f"{', '.join(names)}: {shorten_middle(reason, LONGEST)}" for reason, names in reasons.items()]
    return escape_control(f" ({'; '.join(found)})", newline=" ", strict=True) if found else ""


def _shared_line(report: Report, reason: str, count: int) -> str:
    """One line for all checks that were skipped for ``reason``."""
    checks = units.many(count, "check")
    if report.unusable and reason in str(report.unusable).split("\n")[0]:
        return f"{checks} not run because of it."
    return escape_control(f"{checks} skipped: {shorten_middle(reason, 2 * LONGEST)}", newline=" ", strict=True)


def _prepared(report: Report) -> str:
    """The evidence that took longest, by what was being done, and the seconds of all evidence."""
    from sanetune.evidence.catalogue import catalogue

    every = catalogue()
    labels = {name: found.label for name in report.evidence_seconds if (found := every.get(name)) and found.label}
    longest = sorted(labels, key=lambda name: -report.evidence_seconds[name])[:PREPARED]
    named = [
        f"{labels[name]} {units.seconds(report.evidence_seconds[name])}"
        for name in longest
        if report.evidence_seconds[name] >= LEAST_SECONDS
    ]
    whole = units.seconds(sum(report.evidence_seconds.values()))
    return f"{whole} of evidence for all of them: {', '.join(named)}" if named else ""
