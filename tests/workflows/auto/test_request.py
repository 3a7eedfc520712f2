"""What a budget may be, and what is said where it is none."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from sanetune.errors import ConfigError
from sanetune.workflows.auto.acts.world import _alarm
from sanetune.workflows.auto.facts import Checked, Found
from sanetune.workflows.auto.journal import Journal
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


def test_dollars_are_a_limit_from_the_first_act_on(tmp_path: Path) -> None:
    known = machine(tmp_path, usd=1.0, price=36.0, takes={"inspect": 500.0}).run()
    assert (known.limit, known.outcome) == (100.0, "gave up")
    assert known.spent <= 100.5 and known.usd == pytest.approx(1.0, abs=0.01)


def test_a_goal_that_nobody_reads_is_said_at_the_beginning_and_with_the_verdict(tmp_path: Path) -> None:
    words = "the goal 'polite answers' counts for nothing"
    for folder, goal, agent, said in (("a", "polite answers", False, True), ("b", "polite answers", True, False),
                                      ("c", "ends by itself at least 50%", False, False)):  # fmt: skip
        known = machine(tmp_path / folder, goal=goal, agent=agent).run()
        first = next(one for one in Journal.read(tmp_path / folder).entries if one["kind"] == "decided")
        assert (words in first["reason"], words in known.reason) == (said, said)
