"""Effective batches that do not fit the data."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sanetune.finding import Verdict
from tests.checks.run_numbers import find, numbers


def batches(examples: int, per: int, accumulation: int, devices: int = 1, **changed: Any) -> Any:
    count = math.ceil(math.ceil(examples / per) / devices)
    steps = max(1, math.ceil(count / accumulation))
    sizes = {
        "train_examples": examples,
        "per_device": per,
        "accumulation": accumulation,
        "devices": devices,
        "effective": per * accumulation * devices,
        "steps_per_epoch": steps,
        "total_steps": 3 * steps,
        "last_step_batches": count % accumulation or accumulation,
    }
    return find("config-batch-uneven", run_settings=numbers(**(sizes | changed)))


def test_an_even_batch_passes_with_its_figures() -> None:
    finding = batches(1_000, 8, 2)
    assert finding.verdict is Verdict.PASS
    assert finding.message == "1,000 examples in batches of 16: 63 steps per epoch, the last 50 % full."


def test_a_batch_larger_than_the_data_fails() -> None:
    finding = batches(100, 8, 4, 4)
    assert finding.verdict is Verdict.FAIL
    assert "8 x 4 x 4 = 128) is larger than the data: 100 examples" in finding.message
    assert finding.fix == {"train.gradient_accumulation_steps": 1}
    assert batches(20, 64, 1).fix == {"train.per_device_train_batch_size": 2}
    assert batches(128, 8, 4, 4).verdict is Verdict.PASS


def test_a_last_step_of_one_row_is_caught_with_its_weight() -> None:
    finding = batches(33, 4, 4)
    assert finding.verdict is Verdict.WARN
    assert "The last of 3 steps per epoch has 1 of 16 examples (6.2 % of a batch)" in finding.message
    assert "16 times as much" in finding.message
    assert finding.fix == {"train.gradient_accumulation_steps": 3}


def test_a_small_rest_in_a_long_epoch_passes() -> None:
    assert batches(1_601, 4, 4).verdict is Verdict.PASS
    assert batches(321, 4, 4).verdict is Verdict.PASS


def test_a_rest_that_is_never_reached_or_summed_passes() -> None:
    assert batches(33, 4, 4, total_steps=2).verdict is Verdict.PASS
    assert batches(33, 4, 4, loss_reduction="sum").verdict is Verdict.PASS


def test_packs_are_counted_by_the_batches_they_fill() -> None:
    packed = {"packing": True, "train_examples": 5_000}
    assert batches(5_000, 1, 8, steps_per_epoch=20, last_step_batches=8, **packed).verdict is Verdict.PASS
    finding = batches(5_000, 1, 8, steps_per_epoch=1, last_step_batches=3, **packed)
    assert finding.verdict is Verdict.FAIL and "3 packs" in finding.message
    assert batches(5_000, 1, 8, steps_per_epoch=3, last_step_batches=1, **packed).verdict is Verdict.WARN


def test_without_data_there_is_nothing_to_judge() -> None:
    assert batches(1, 1, 1, train_examples=0).verdict is Verdict.SKIP


@given(st.integers(1, 5_000), st.integers(1, 32), st.integers(1, 16), st.integers(1, 8))
def test_any_combination_is_judged_and_its_fix_fixes_it(
    examples: int, per: int, accumulation: int, devices: int
) -> None:
    finding = batches(examples, per, accumulation, devices)
    assert finding.verdict in (Verdict.PASS, Verdict.WARN, Verdict.FAIL)
    assert (finding.verdict is Verdict.FAIL) == (per * accumulation * devices > examples)
    if finding.fix:
        per = finding.fix.get("train.per_device_train_batch_size", per)
        accumulation = finding.fix.get("train.gradient_accumulation_steps", accumulation)
        fixed = batches(examples, per, accumulation, devices)
        assert fixed.verdict is not Verdict.FAIL or devices > examples
