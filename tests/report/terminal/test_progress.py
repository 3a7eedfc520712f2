"""The bar says what is being done, evidence and checks alike, and nothing where nobody watches."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.control import strip_control_codes
from rich.text import Text

from sanetune.report.terminal.progress import ChecksBar, checks_bar


def watched() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return strip_control_codes(" ".join(Text.from_ansi(console.file.getvalue()).plain.split()))


TOLD: dict[str, Callable[[ChecksBar], None]] = {
    "loading the model": lambda bar: bar.doing("harness"),
    "checking model-start-loss": lambda bar: bar.doing("model-start-loss"),
    "12,000 rows": lambda bar: bar.rows(12_000),
    "trial step 3 of 200": lambda bar: bar.steps("trial", 3, 200),
}


@pytest.mark.parametrize("words", TOLD)
def test_it_tells_evidence_checks_rows_and_steps(words: str) -> None:
    console = watched()
    with checks_bar(console) as bar:
        TOLD[words](bar)
    assert words in said(console)


def test_evidence_that_takes_no_time_is_not_told() -> None:
    console = watched()
    with checks_bar(console) as bar:
        bar.doing("settings")
    assert "settings" not in said(console)


def test_nothing_is_said_where_nobody_watches() -> None:
    console = Console(file=io.StringIO())
    with checks_bar(console) as bar:
        bar.doing("harness")
        bar.rows(3)
        bar.steps("trial", 1, 2)
    assert said(console) == ""
