"""Runs too short for their schedule."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.finding import Verdict
from tests.checks.run_numbers import find, numbers


def found(limits: dict[str, Any] | None = None, **changed: Any) -> Any:
    return find("config-few-steps", limits, run_settings=numbers(**changed))


def test_a_run_with_room_passes() -> None:
    finding = found()
    assert finding.verdict is Verdict.PASS and "189 steps, 19 of them warm-up" in finding.message


@pytest.mark.parametrize(("steps", "verdict"), [(12, "warn"), (49, "warn"), (50, "pass"), (200, "pass")])
def test_a_few_dozen_steps_are_too_few(steps: int, verdict: str) -> None:
    short = {"warmup_steps": 1, "eval_steps": 5, "save_steps": 5}
    finding = found(total_steps=steps, **short)
    assert finding.verdict == verdict
    assert verdict == "pass" or f"the whole run is {steps} steps" in finding.message.lower()
    assert found({"fewest_steps": steps + 1}, total_steps=steps, **short).verdict is Verdict.WARN


def test_a_part_of_an_epoch_is_told_in_two_digits() -> None:
    assert "(0.67 epochs of 12," in found(total_steps=8, epochs=2 / 3, steps_per_epoch=12).message


def test_a_warm_up_as_long_as_the_run_is_caught() -> None:
    finding = found(warmup_steps=500)
    assert finding.verdict is Verdict.WARN
    assert (
        finding.message == "Warm-up takes all 189 steps (500 are set), and the planned learning rate is never reached."
    )
    assert finding.fix == {"train.warmup_steps": 0.1}


def test_more_than_half_the_run_as_warm_up_is_caught() -> None:
    assert found(warmup_steps=94).verdict is Verdict.PASS
    assert "95 of 189 steps (50.3 %)" in found(warmup_steps=95).message


def test_intervals_beyond_the_end_are_caught_together() -> None:
    finding = found(logging_steps=500, eval_steps=500, save_steps=500, given={"save_steps": 500})
    assert finding.verdict is Verdict.WARN
    assert all(word in finding.message for word in ("logging_steps is 500", "eval_steps is 500", "save_steps is 500"))
    assert finding.fix == {"train.logging_steps": 9, "train.eval_steps": 19, "train.save_steps": 19}


def test_checkpoints_keep_meeting_evaluations_in_the_fix() -> None:
    assert found(eval_steps=500, save_steps=500).fix == {"train.eval_steps": 19, "train.save_steps": 19}


def test_intervals_that_nobody_chose_or_that_do_not_count_pass() -> None:
    assert found(save_steps=500, load_best=False).verdict is Verdict.PASS
    assert found(eval_strategy="epoch", eval_steps=500, save_strategy="epoch").verdict is Verdict.PASS
    assert found(logging_steps=None, eval_steps=None, save_steps=None).verdict is Verdict.PASS
    assert found(logging_steps=189, eval_steps=189, save_steps=189, given={"save_steps": 189}).verdict is Verdict.PASS


def test_only_what_does_not_fit_is_spoken_of() -> None:
    """The page's first words appear under every finding, and name no cause of their own."""
    few = found(total_steps=42, warmup_steps=5, eval_steps=5, save_steps=5)
    said = f"{few.message} {few.rationale} {few.remedy}"
    assert "epochs" in few.remedy and "share" not in said and "warm-up takes" not in said and "never" not in said
    assert "warmup_steps: 0.1" in found(warmup_steps=500).remedy and "epochs" not in found(warmup_steps=500).remedy
    assert found(logging_steps=500).remedy == "Give the intervals as shares of the run, such as 0.1."
