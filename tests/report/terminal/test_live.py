"""The terminal shows events as they come: why a run is checked, why it is refused."""

from __future__ import annotations

import io

from rich.console import Console

from sanetune.events import ChecksEnded, ChecksStarted, CheckStarted, ClearanceMissing, Event, Note, RunRefused
from sanetune.report.terminal.live import LiveTerminal
from tests.report import sample


def shown(*events: Event, terminal: bool = False) -> str:
    out = io.StringIO()
    live = LiveTerminal(Console(file=out, width=80, force_terminal=terminal))
    for event in events:
        live(event)
    return out.getvalue()


def test_it_shows_why_a_run_is_checked_and_some_of_many_reasons() -> None:
    text = shown(ClearanceMissing(("it has no clearance",), "probe"))
    assert text == "Checking at level probe first:\n  it has no clearance\n"
    many = tuple(f"train.key{number} was 1, is \x1b[31m2" for number in range(20))
    text = shown(ClearanceMissing(many, "static"))
    assert "and 12 more differences" in text and "\x1b" not in text


def test_a_refusal_shows_the_findings_and_the_two_ways_on() -> None:
    text = shown(RunRefused(sample.report()))
    assert "labels-on-prompt" in text and "--fix" in text and "--unchecked" in text


def test_bars_are_for_terminals_and_notes_for_all() -> None:
    events = (ChecksStarted(), CheckStarted("labels-none", 0, 1), ChecksEnded(), Note("checkpoint-3 written"))
    assert shown(*events) == "checkpoint-3 written\n"
    assert "checking labels-none" in shown(*events, terminal=True)
