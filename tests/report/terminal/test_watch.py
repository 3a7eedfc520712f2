"""A finding of the watch on a terminal: its rows with their places, by what they are sorted, or why there are none."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from sanetune.errors import Place
from sanetune.finding import Finding, Verdict
from sanetune.gate.watch import LiveFinding
from sanetune.gate.watch_report import WatchFinding, WatchReport, tracker_text
from sanetune.probes.row_losses import StepRow
from sanetune.report.terminal.watch import show

SPIKE = LiveFinding(16, 12, Finding("curve-spike", Verdict.WARN, "One spike.", "It costs.", "Look at the rows."))


def shown(entry: WatchFinding) -> str:
    console = Console(file=StringIO(), width=200)
    show(entry, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def rows(*places: Place, loss: float | None = 8.0) -> list[dict[str, object]]:
    return [StepRow(n, place, "a text", 9, 4, loss, loss).to_json() for n, place in enumerate(places)]


def test_rows_of_an_array_in_one_line_are_told_apart_and_the_order_is_said(tmp_path: Path) -> None:
    some = rows(
        Place("rows.json", 1, 4), Place("rows.json", 1, 0), Place("rows.jsonl", 5, 4), Place("pretty.json", 7, 1)
    )
    text = shown(WatchFinding(SPIKE, some, "the weights after step 16"))
    assert "measured with the weights after step 16, the worst first: by loss or gradient norm" in text
    assert "rows.json:1, row 4 " in text and "rows.json:1, row 0 " in text
    assert "rows.jsonl:5 " in text and "pretty.json:7 " in text


def test_rows_that_were_not_measured_or_not_named_say_why_here_in_the_file_and_in_a_tracker() -> None:
    unmeasured = WatchFinding(SPIKE, rows(Place(), loss=None), reason="the run has 2 processes")
    assert "rows of step 12, not measured (the run has 2 processes)" in shown(unmeasured)
    assert "- training row 0\n" in tracker_text(unmeasured).text
    assert tracker_text(unmeasured).text.endswith("The rows of step 12 are not measured: the run has 2 processes.")
    unnamed = WatchFinding(SPIKE, reason="the training data are a stream, whose rows have no numbers")
    assert "rows of step 12 are not named: the training data are a stream" in shown(unnamed)
    report = WatchReport("stop", [unmeasured, unnamed])
    again = WatchReport.from_json(report.to_json())
    assert [one.reason for one in again.findings] == [unmeasured.reason, unnamed.reason]
