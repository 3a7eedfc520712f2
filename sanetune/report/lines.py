"""Findings one a line, ``file:line: check [verdict] message``, as compilers and linters write theirs.

Editors and `grep` read them. GitHub's runners read ``::error file=…``, and show the message beside the line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from sanetune.errors import Place
from sanetune.finding import BAD, REFUSING, Finding, Report
from sanetune.report import format
from sanetune.text import escape_control, shorten_middle

LONGEST = 1_000
"""Characters of a message and of a note."""

Writer = Callable[[Place, Finding, str], str]
"""Writes a finding at a place, with its message, as one line."""


def lines(report: Report) -> list[str]:
    """Return ``file:line: check [verdict] message`` for each place that shows a fault, and the verdict last."""
    return [*_written(report, _plain), format.summary(report)]


def github(report: Report) -> list[str]:
    """Return GitHub's workflow commands, which become annotations of a pull request, and the verdict last."""
    return [*_written(report, _command), format.summary(report)]


def _written(report: Report, write: Writer) -> Iterator[str]:
    home = Place(report.subject.get("config"), 1 if "config" in report.subject else None)
    if error := report.unusable:
        unusable = Finding("unusable", REFUSING[-1], error.message)
        parts = [part.rstrip(".") for part in (error.message, error.rationale, error.remedy) if part]
        words = "".join(f"{part}{'' if part.endswith(('?', '!')) else '.'} " for part in parts).rstrip()
        yield write(error.place if error.place and error.place.file else home, unusable, _line(words))
    for finding in format.by_weight(report.of(*BAD)):
        placed = [witness for witness in finding.witnesses if witness.place and witness.place.file]
        for witness in placed:
            assert witness.place is not None
            note = f" Here: {witness.note}" if witness.note else ""
            yield write(witness.place, finding, _line(finding.message) + _line(note))
        if not placed:
            yield write(home, finding, _line(finding.message))


def _line(words: str) -> str:
    """``words`` on one line; paths below the current folder are relative."""
    shown = shorten_middle(words.replace(f"{os.getcwd()}{os.sep}", ""), LONGEST)
    return escape_control(shown, newline=" ", strict=True).replace("\t", " ")


def _plain(place: Place, finding: Finding, message: str) -> str:
    """One line; a file of no lines (Parquet) has the number of the row instead."""
    line = f":{place.line}" if place.line is not None else f": row {place.row}" if place.row is not None else ""
    at = f"{_line(str(place.file))}{line}: " if place.file else ""
    return f"{at}{finding.check} [{finding.verdict.value}] {message}"


def _command(place: Place, finding: Finding, message: str) -> str:
    """A workflow command; its own signs are escaped as GitHub asks."""
    level = "error" if finding.verdict in REFUSING else "warning"
    values = {"file": _line(str(place.file or "")), "line": place.line, "title": finding.check}
    known = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in values.items() if value)
    return f"::{level} {known}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    return re.sub(f"[%\r\n{more}]", lambda sign: f"%{ord(sign[0]):02X}", escape_control(text))
