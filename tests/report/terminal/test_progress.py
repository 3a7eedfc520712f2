"""The bar says what is being done, evidence and checks alike, and nothing where nobody watches."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.control import strip_control_codes
from rich.text import Text

from sanetune.events import (
    ChecksEnded,
    ChecksStarted,
    CheckStarted,
    Event,
    EvidenceStarted,
    PreparationEnded,
    PreparationStarted,
    ProbeStep,
    RowsProcessed,
)
from sanetune.report.terminal.progress import ProgressBar


def watched() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return strip_control_codes(" ".join(Text.from_ansi(console.file.getvalue()).plain.split()))


SHOWN: dict[str, Event] = {
    "loading the model": EvidenceStarted("harness"),
    "checking model-start-loss": CheckStarted("model-start-loss", 3, 60),
    "12,000 rows": RowsProcessed(12_000),
    "trial step 3 of 200": ProbeStep("trial", 3, 200),
    "overfitting a few examples step 1 of 50": ProbeStep("overfit", 1, 50),
}


@pytest.mark.parametrize("words", SHOWN)
def test_it_shows_evidence_checks_rows_and_steps(words: str) -> None:
    console = watched()
    bar = ProgressBar(console)
    for event in (ChecksStarted(), SHOWN[words], ChecksEnded()):
        bar(event)
    assert words in said(console)


def test_a_log_has_a_line_for_each_experiment_and_none_for_what_is_quick() -> None:
    console = Console(file=io.StringIO(), width=100)
    bar = ProgressBar(console)
    names = ("tokenizer", "harness", "overfit", "run_settings")
    for event in (ChecksStarted(), *map(EvidenceStarted, names), ProbeStep("overfit", 1, 50), ChecksEnded()):
        bar(event)
    assert said(console) == "loading the model … overfitting a few examples …"


def test_evidence_that_takes_no_time_is_not_shown() -> None:
    console = watched()
    bar = ProgressBar(console)
    for event in (ChecksStarted(), EvidenceStarted("run_settings"), ChecksEnded()):
        bar(event)
    assert "settings" not in said(console)


def test_rows_prepared_on_their_own_have_a_bar_too() -> None:
    console = watched()
    bar = ProgressBar(console)
    for event in (PreparationStarted(), RowsProcessed(400), PreparationEnded(), RowsProcessed(1_234)):
        bar(event)
    assert "preparing 400 rows" in said(console)
    assert "1,234" not in said(console)


def test_a_preparation_within_checks_leaves_their_bar_alone() -> None:
    console = watched()
    bar = ProgressBar(console)
    for event in (ChecksStarted(), PreparationStarted(), PreparationEnded(), CheckStarted("labels-none", 0, 1)):
        bar(event)
    bar(ChecksEnded())
    assert "preparing" not in said(console)
    assert "checking labels-none" in said(console)


def test_checks_rows_and_steps_are_not_logged() -> None:
    console = Console(file=io.StringIO())
    bar = ProgressBar(console)
    others = (event for event in SHOWN.values() if not isinstance(event, EvidenceStarted))
    for event in (ChecksStarted(), *others, ChecksEnded()):
        bar(event)
    assert said(console) == ""
