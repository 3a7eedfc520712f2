"""What a budget may be, and what is said where it is none."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from sanetune.errors import ConfigError
from sanetune.workflows.auto.acts.world import _alarm
from sanetune.workflows.auto.facts import Checked, Found
from sanetune.workflows.auto.request import Budget, parse_budget
from tests.workflows.auto.fake import machine


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("1h30m", Budget(5400.0)),
        ("1d 12h", Budget(129_600.0)),
        ("90 min", Budget(5400.0)),
        ("$50", Budget(usd=50.0)),
        ("50 usd, 2 hours", Budget(7200.0, 50.0)),
    ],
)
def test_a_budget_is_read_as_people_write_it(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10", "has no unit for 10"),
        ("1h30", "has no unit for 30"),
        ("-1h", "must be above zero"),
        ("1h -5m", "must be above zero"),
        ("0", "must be above zero"),
        ("0h", "must be above zero"),
        ("$0", "must be above zero"),
        ("-$5", "must be above zero"),
        ("99999999d", "is beyond 3,650 days"),
        ("$999999999", "is beyond"),
        ("soon", "is not understood"),
        ("", "is not understood"),
    ],
)
def test_a_budget_that_is_none_says_what_is_missing(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_budget(text)


def test_a_clock_can_be_set_to_any_budget() -> None:
    with _alarm(1e300):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 365 * 86400


def test_a_budget_that_is_too_small_is_told_which_would_do_and_that_one_does(tmp_path: Path) -> None:
    reason = machine(tmp_path / "small", budget=30).run().reason
    enough = re.search(r"aim for --budget (\d+m)", reason)
    assert enough is not None, reason
    assert machine(tmp_path / "enough", budget=parse_budget(enough[1]).seconds, takes={"check": 60}).run().promoted


def test_a_refusal_says_what_to_do(tmp_path: Path) -> None:
    bad = Found("labels-on-prompt", "fail", "It is wrong.", "Mask it. As an override: data.loss_on=last")
    check = Checked(verdict="fail", level="trial", found=(bad,))
    reason = machine(tmp_path, {"check": [check]}).run().reason
    assert reason.endswith("It is wrong. Do: Mask it. As an override: data.loss_on=last")
