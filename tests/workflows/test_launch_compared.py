"""A clearance that one process has made says nothing of a launch of several: that one is compared before it trains."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.events import silent
from sanetune.finding import Finding, GateError, Report, Verdict
from sanetune.gate.clearance import CheckOutcome, Clearance
from sanetune.workflows import clear

SKIPPED = CheckOutcome("ranks-disagree", Verdict.SKIP, "skipped: one process trains alone")
JUDGED = CheckOutcome("ranks-disagree", Verdict.PASS, "a step of 2 processes has the loss of one")


def asked(monkeypatch: pytest.MonkeyPatch, outcome: CheckOutcome, processes: int, verdict: Verdict) -> list[str]:
    """The checks that are made at the start of a launch; raises where they refuse it."""
    made: list[str] = []

    def check(config: Any, plan: Any, prepared: Any, publish: Any, select: Sequence[str] = ()) -> Report:
        made.extend(select)
        return Report([Finding("ranks-disagree", verdict, "rows of process 1 are those of process 0")], "probe", 0.0)

    monkeypatch.setattr(clear, "_check", check)
    monkeypatch.setattr(clear, "process_count", lambda: processes)
    monkeypatch.setattr(clear, "cleared", lambda report, now: None)
    config = load({"model": {"name": "m"}, "data": {"train": "d.jsonl"}, "check": {"level": "probe"}})
    found = Clearance(SimpleNamespace(), "pass", "probe", "today", findings=[outcome])  # type: ignore[arg-type]
    clear._require_one_run(config, SimpleNamespace(), SimpleNamespace(), found, silent)  # type: ignore[arg-type]
    return made


def test_several_processes_are_compared_where_the_check_was_made_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, SKIPPED, 2, Verdict.PASS) == ["ranks-disagree"]


def test_a_launch_that_does_not_train_as_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GateError, match="ranks-disagree"):
        asked(monkeypatch, SKIPPED, 2, Verdict.FAIL)


@pytest.mark.parametrize(("outcome", "processes"), [(JUDGED, 2), (SKIPPED, 1)])
def test_nothing_is_made_where_it_was_compared_or_one_process_trains(
    monkeypatch: pytest.MonkeyPatch, outcome: CheckOutcome, processes: int
) -> None:
    assert asked(monkeypatch, outcome, processes, Verdict.PASS) == []
