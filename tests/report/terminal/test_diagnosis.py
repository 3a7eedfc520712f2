"""While a log is read and judged, a terminal says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sanetune.report.terminal import diagnosis as view


def _each() -> Iterator[Any]:
    yield from ("one", "two")


def test_diagnoses_come_as_they_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(view.waiting(_each())) == ["one", "two"]
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""


def test_a_terminal_shows_that_a_log_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert list(view.waiting(_each())) == ["one", "two"]
    shown = capsys.readouterr()
    assert shown.out == "" and "reading and judging" in shown.err
