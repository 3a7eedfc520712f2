"""Findings on a terminal: what decides first, then a line for each family, or every check on demand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sanetune.errors import UserError
from sanetune.finding import BAD, Finding, Report, Verdict, Witness
from sanetune.report import format
from sanetune.report.terminal import experiments, families
from sanetune.report.terminal.layout import put
from sanetune.text import escape_control, shorten_middle

STYLES = {
    Verdict.CRASH: "bold white on magenta",
    Verdict.FAIL: "bold white on red",
    Verdict.WARN: "bold black on yellow",
    Verdict.PASS: "green",
    Verdict.SKIP: "dim",
}
MARKS = {Verdict.PASS: "✓", Verdict.SKIP: "–"}
CAVEAT = "caveat"
"""The name of an answer that is none, but to be borne in mind."""
SHOWN = 3
"""Witnesses of one finding that are shown."""
BRIEF = 300
"""Characters of message, rationale and remedy of one finding together; --verbose, --json and the page have all of
them."""
REMEDY = 60
"""Of these, how many are left for the remedy at least: a message without its last clause may say the opposite."""
LONGEST = 200
"""Characters of one witness that are shown; the middle of a longer text is left out."""
FIGURES = 8
"""Measured numbers of one finding that are shown."""
LONGEST_FIGURE = 40
"""Characters of such a number; longer ones are not shown."""
LABEL, LONGEST_LABEL = 9, 32
"""Columns of the labels on the left, at least, and at most: the names of validation sets are among them."""


class Detail(Enum):
    """How much of a report is printed."""

    VERDICT = auto()
    """The last line alone."""
    SHORT = auto()
    """What asks for something to be done, and a line for each family."""
    EVERYTHING = auto()
    """Every check with its message, and the numbers that it measured."""


def show(report: Report, console: Console | None = None, detail: Detail = Detail.SHORT) -> None:
    """Print the report in at most 80 columns; ``console`` None: on standard output."""
    put([ending(report)] if detail is Detail.VERDICT else parts(report, detail), console)


def parts(report: Report, detail: Detail = Detail.SHORT) -> list[RenderableType]:
    """Return the parts of the report from top to bottom."""
    pieces: list[RenderableType] = []
    if report.subject:
        pieces += [_rows((name, _text(value)) for name, value in report.subject.items()), Text("")]
    if report.unusable:
        pieces += [_unusable(report.unusable), Text("")]
    whole = detail is Detail.EVERYTHING
    full, advice = _split(report, whole=whole)
    for finding in full:
        pieces += [_finding(finding, whole=whole), Text("")]
    if advice:
        pieces += [*_advice(advice), Text("")]
    if whole:
        for verdict, title in ((Verdict.PASS, "Passed"), (Verdict.SKIP, "Skipped")):
            if some := report.of(verdict):
                pieces += [Text(f"{title} ({len(some)})", style="bold"), _list(some), Text("")]
    elif lines := families.parts(report):
        pieces += [*lines, Text("")]
    if shown := experiments.parts(report.experiments):
        pieces += [*shown, Text("")]
    return [*pieces, ending(report)]


def _split(report: Report, *, whole: bool) -> tuple[list[Finding], list[Finding]]:
    """The bad findings that are told in full, and those that take a line each: advice beside anything else."""
    bad = format.by_weight(report.of(*BAD))
    full = [finding for finding in bad if not format.is_advice(finding)]
    if whole or not full:
        return bad, []
    return full, [finding for finding in bad if format.is_advice(finding)]


def _advice(some: Sequence[Finding]) -> list[RenderableType]:
    """A heading with the count, then one line for each finding and each value that it proposes."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, style="cyan", width=min(30, max(len(finding.check) for finding in some) + 2))
    table.add_column(no_wrap=True, ratio=1)
    for finding in some:
        table.add_row(_line(f"! {finding.check}"), _line(finding.message))
        for key, value in finding.fix.items():
            table.add_row("", _line(f"fix {key}: {format.scalar(value)}", "green"))
    head = Text.assemble((f"Advice on settings ({len(some)})", "bold"), ("; --verbose has all of it", "dim"))
    return [head, table]


def _line(words: str, style: str = "") -> Text:
    """``words`` on one line, which ends where the terminal does."""
    return Text(escape_control(words, newline=" ", strict=True), style, overflow="ellipsis", no_wrap=True)


def ending(report: Report) -> Text:
    """Return the last line: verdict, counts and seconds."""
    colour = {Verdict.FAIL: "bold red", Verdict.WARN: "bold yellow"}.get(report.verdict, "bold green")
    head, _, rest = format.summary(report).partition(":")
    return Text.assemble((head, colour), ":", rest)


def _unusable(error: UserError) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(" UNUSABLE ", STYLES[Verdict.FAIL]), _text(error.headline, "bold"))
    for words in filter(None, (error.rationale, error.remedy)):
        table.add_row("", _text(words))
    return table


def _finding(finding: Finding, *, whole: bool) -> RenderableType:
    head = Text.assemble(
        (f" {finding.verdict.value.upper():<5} ", STYLES[finding.verdict]), "   ", _text(finding.check, "bold")
    )
    message, rationale, remedy = _sentences(finding) if whole else brief(finding)
    rows: list[tuple[str, RenderableType]] = [("found", _text(message, "bold"))]
    if whole and (figures := _figures(finding)):
        rows.append(("numbers", _text(figures, "dim")))
    rows += [(name, _text(words)) for name, words in (("why", rationale), ("do", remedy)) if words]
    for key, value in finding.fix.items():
        rows.append(("fix", _text(f"{key}: {shorten_middle(format.scalar(value), LONGEST)}", "green")))
    rows += _answers(finding)
    for witness in finding.witnesses[:SHOWN]:
        rows.append(("seen", _seen(witness)))
    if (more := len(finding.witnesses) - SHOWN) > 0:
        rows.append(("", _text(f"… and {more} more; --json and --html have them all", "dim")))
    if finding.traceback:
        last = finding.traceback.strip().splitlines()[-3:]
        rows.append(("bug", _text(shorten_middle("\n".join(last), 3 * LONGEST), "dim")))
    return Group(head, _rows(rows))


def _answers(finding: Finding) -> list[tuple[str, RenderableType]]:
    """What else can be done: a line for each change with values, one for all without, and what to bear in mind."""
    lines = [f"{one['name']}: {changes}" for one in finding.answers if (changes := _changes(one["change"]))]
    bare = [one for one in finding.answers if not one["change"]]
    others = [one["name"] for one in bare if one["name"] != CAVEAT]
    lines += [", ".join(others)] if others else []
    found: list[tuple[str, RenderableType]] = [("or" if i else "answers", _text(line)) for i, line in enumerate(lines)]
    return found + [("but", _text(one["words"], "dim")) for one in bare if one["name"] == CAVEAT]


def _changes(values: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={format.scalar(value)}" for key, value in values.items())


def brief(finding: Finding) -> tuple[str, str, str]:
    """Return message, rationale and remedy in at most ``BRIEF`` characters.

    What was measured and what to do are more to a reader who has seen the check before, so the rationale goes first
    (``sanetune explain`` has it), then the remedy loses its last clauses down to ``REMEDY`` characters, then the
    message.

    >>> from sanetune.finding import Finding, Verdict
    >>> brief(Finding("rows-roles", Verdict.FAIL, "7 of 9 rows.", "So what.", "Do this."))
    ('7 of 9 rows.', 'So what.', 'Do this.')
    """
    message, rationale, remedy = sentences = _sentences(finding)
    if sum(map(len, sentences)) <= BRIEF:
        return sentences
    rationale = f"sanetune explain {finding.check}" if rationale else ""
    left = BRIEF - len(rationale)
    message = _clauses(message, left - min(len(remedy), REMEDY))
    return message, rationale, _clauses(remedy, left - len(message))


def _sentences(finding: Finding) -> tuple[str, str, str]:
    return finding.message, finding.rationale, finding.remedy


def _clauses(text: str, length: int) -> str:
    """The first clauses of ``text`` that fit, and an ellipsis; the first words where not one clause does."""
    if len(text) <= length:
        return text
    start = text[: length - 2]
    end = max(start.rfind(mark) for mark in ("; ", ": ", ". ", ", "))
    return f"{start[:end] if end > length // 2 else start.rsplit(' ', 1)[0]} …"


def _figures(finding: Finding) -> str:
    """The numbers and short texts that a finding measured; lists and mappings are in --json only."""
    plain = {
        name.replace("_", " "): format.number(value)
        for name, value in finding.numbers.items()
        if isinstance(value, (bool, int, float, str))
    }
    short = [f"{name} {value}" for name, value in plain.items() if 0 < len(value) <= LONGEST_FIGURE]
    return " · ".join(short[:FIGURES])


def _seen(witness: Witness) -> RenderableType:
    head = ": ".join(part for part in (format.place(witness), witness.note) if part)
    texts = Table.grid(padding=(0, 1))
    texts.add_column(style="dim", no_wrap=True)
    texts.add_column(overflow="fold")
    beside = "" if witness.beside == witness.text else witness.beside
    for body, sign in ((witness.text, "│"), (beside, "┃")):
        if body:
            texts.add_row(sign, Text(_quoted(body), overflow="fold"))
    return Group(_text(head, "cyan"), texts) if head else texts


def _quoted(body: str) -> str:
    """A user's text on one line, shortened, with its control characters visible."""
    # Shortened first, since escaping every character of a very long text takes long.
    return escape_control(shorten_middle(body, LONGEST), newline="↵ ", strict=True).replace("\t", "⇥ ")


def _list(findings: list[Finding]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="cyan", max_width=28)
    table.add_column(overflow="fold")
    for finding in findings:
        skipped = finding.verdict is Verdict.SKIP
        words = format.reason(finding) if skipped else finding.message
        name = Text(escape_control(finding.check, strict=True), overflow="ellipsis")
        mark = Text(MARKS[finding.verdict], STYLES[finding.verdict])
        table.add_row(mark, name, _text(words, "dim" if skipped else ""))
    return table


def _rows(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", overflow="fold", min_width=LABEL, max_width=LONGEST_LABEL)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(escape_control(name, strict=True), overflow="fold"), text)
    return table


def _text(words: str, style: str = "") -> Text:
    """``words`` without markup or control characters; paths below the current folder are relative."""
    return Text(escape_control(words.replace(f"{os.getcwd()}{os.sep}", ""), strict=True), style=style, overflow="fold")
