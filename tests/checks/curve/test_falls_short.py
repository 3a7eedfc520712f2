"""curve-falls-short warns where the run is forecast to fail, and is skipped where the trial cannot tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.curve import falls_short
from sanetune.finding import Verdict
from sanetune.forecast.outcome import OutcomeForecast
from sanetune.forecast.outcome_of import UNDECIDED

ON_TRACK = OutcomeForecast(
    step=200,
    total_steps=1_000,
    start=2.0,
    there=1.96,
    there_is="2 % below the base's 2.000",
    low=1.4,
    median=1.5,
    high=1.7,
    failing=0.01,
    verdict="on track",
)


def judged(found: OutcomeForecast) -> tuple[Verdict, str]:
    limits = {name: limit.value for name, limit in falls_short.LIMITS.items()}
    judgement = falls_short.judge(falls_short.measure(found), limits)
    return judgement.verdict, judgement.message


def test_a_run_on_track_passes_with_its_forecast() -> None:
    verdict, message = judged(ON_TRACK)
    assert verdict is Verdict.PASS
    assert "1.500 (1.400 to 1.700 with 80 %)" in message and "200 of 1,000 steps" in message


def test_each_condition_of_getting_there_is_named() -> None:
    _, message = judged(replace(ON_TRACK, lowest=1.45))
    assert "below 1.960 (2 % below the base's 2.000), and not 5 % above its lowest evaluation (1.450 so far)" in message
    with pytest.raises(NotApplicableError, match=r"to get below 1\.960 and not 5 % above its lowest\. It takes"):
        falls_short.measure(replace(ON_TRACK, verdict=UNDECIDED, decides="120 further steps", lowest=1.45))


def test_a_run_that_will_not_get_there_is_warned_of_with_the_chance() -> None:
    verdict, message = judged(replace(ON_TRACK, median=2.1, failing=0.97, verdict="will not get there"))
    assert verdict is Verdict.WARN
    assert "97 %" in message


def test_what_the_trial_cannot_decide_is_skipped_with_what_would() -> None:
    steps = replace(ON_TRACK, verdict=UNDECIDED, decides="120 further steps", further_steps=120)
    with pytest.raises(NotApplicableError, match=r"takes 120 further steps: check\.trial_steps=320$"):
        falls_short.measure(steps)
    rows = replace(ON_TRACK, verdict=UNDECIDED, decides="64 validation rows instead of 16, and the rest of the run")
    with pytest.raises(NotApplicableError, match=r"takes 64 validation rows instead of 16, and the rest of the run$"):
        falls_short.measure(rows)
