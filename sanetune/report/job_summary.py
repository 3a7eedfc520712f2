"""What a job of continuous integration has found, as Markdown: GitHub shows it on the page of the job.

Rows, names and messages are strangers' texts: whatever Markdown or HTML would read in them is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.finding import BAD, Finding, Report
from sanetune.report import format
from sanetune.text import escape_control, shorten

if TYPE_CHECKING:
    from sanetune.workflows.ci import CheckedConfig, Selection

LARGEST = 900_000
"""Bytes of a summary; GitHub refuses more than 1 MiB."""
LONGEST = 400
"""Characters of a sentence and of a place."""


def markdown(selection: Selection, checked: Sequence[CheckedConfig], root: Path) -> str:
    """Return the summary of a job; files below ``root`` are named relative to it."""
    lines = ["## sanetune", "", *_scope(selection), ""]
    if checked:
        lines += ["| configuration | verdict | checks | clearance |", "|---|---|---|---|"]
        lines += [_row(one, root) for one in checked]
    for one in checked:
        lines += ["", *_findings(one, root)]
    text = "\n".join(lines).rstrip() + "\n"
    if len(text.encode()) > LARGEST:
        text = text.encode()[:LARGEST].decode(errors="ignore").rpartition("\n")[0] + "\n\nThe rest does not fit.\n"
    return text


def _scope(selection: Selection) -> Iterator[str]:
    configs = units.many(len(selection.configs), "configuration")
    if selection.changed is None:
        yield f"{configs} checked."
        return
    changed = units.many(len(selection.changed), "file")
    rest = f" {len(selection.left_out):,} left out, because nothing of them has changed." if selection.left_out else ""
    yield f"{changed} changed; {configs} affected and checked.{rest}"


def _row(one: CheckedConfig, root: Path) -> str:
    cells = (_file(one.file, root), format.headline(one.report), format.counts(one.report), one.note or "none")
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _findings(one: CheckedConfig, root: Path) -> Iterator[str]:
    report = one.report
    bad = format.by_weight(report.of(*BAD))
    if not bad and not report.unusable:
        return
    yield f"### {_plain(_file(one.file, root))}"
    if error := report.unusable:
        yield ""
        words = " ".join(part for part in (error.headline, error.rationale, error.remedy) if part)
        yield f"**unusable**: {_plain(words)}"
    for finding in bad:
        yield ""
        yield from _finding(finding, report, root)


def _finding(finding: Finding, report: Report, root: Path) -> Iterator[str]:
    yield f"**{finding.verdict.value}** {_plain(finding.check)}: {_plain(finding.text)}"
    for witness in finding.witnesses:
        place = witness.place
        if place is None or place.file is None:
            continue
        line = f":{place.line}" if place.line is not None else "" if place.row is None else f", row {place.row}"
        yield f"- {_plain(_file(Path(place.file), root))}{line}: {_plain(format.witness_text(witness))}"
    for key, value in finding.fix.items():
        yield f"- fix: {_plain(f'{key}={format.scalar(value)}')}"


def _file(file: Path, root: Path) -> str:
    path = file if file.is_absolute() else Path.cwd() / file
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(file)


def _plain(words: str) -> str:
    r"""One line that Markdown shows as it is.

    >>> print(_plain("a <b>|*c*\n[d](e) @f http://x ftp://y www.z"))
    a \<b\>\|\*c\* \[d\](e) \@f http\://x ftp\://y www\.z
    """
    line = shorten(escape_control(words, newline=" ", strict=True), LONGEST)
    return re.sub(
        r"(?i)([\\`*_{}\[\]<>|#~@&!]|(?<=http)s?:|(?<=ftp):|(?<=www)\.)", lambda sign: _escaped(sign[0]), line
    )


def _escaped(sign: str) -> str:
    return f"{sign[:-1]}\\{sign[-1]}"
