"""Checks of batches and packs: rows that are dropped, repeated, in order, or drowned in padding."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sanetune.checks.batches import order, padding
from sanetune.checks.labels import none, scarce
from sanetune.checks.packs import dropped
from sanetune.evidence.batch_stats import BatchStats, SplitStats
from sanetune.evidence.data_loss import DataLoss
from sanetune.finding import Judgement, Verdict
from tests.checks.run_numbers import numbers as run_numbers

SOUND = run_numbers()


def side(**numbers: Any) -> SplitStats:
    return SplitStats("train", **{"rows": 1000, "documents": 1000, "tokens": 100_000, "loss_tokens": 40_000} | numbers)


def judged(check: Any, *evidence: Any) -> Judgement:
    limits = {name: limit.value for name, limit in check.LIMITS.items()}
    found: Judgement = check.judge(check.measure(*evidence), limits)
    return found


@pytest.mark.parametrize(
    ("numbers", "verdict", "words"),
    [
        ({}, Verdict.PASS, "come once each, shuffled"),
        ({"shuffled": False}, Verdict.WARN, "in the order of the file"),
        ({"repeated": 200}, Verdict.FAIL, "200 come twice"),
        ({"never": 200}, Verdict.FAIL, "200 never come"),
        ({"not_in_data": 200}, Verdict.FAIL, "200 are not in the data set"),
        ({"never": 7}, Verdict.PASS, ""),
        (
            {"repeated": 300, "never": 300, "sampler": "WeightedRandomSampler"},
            Verdict.WARN,
            "RandomSampler draws them so",
        ),
        ({"not_in_data": 200, "sampler": "Own"}, Verdict.FAIL, "200 are not in the data set"),
        ({"processes": 2, "distinct": 500, "shared": 500}, Verdict.FAIL, "500 come to several of the 2 processes"),
        ({"rows": 0, "processes": 2, "distinct": 500, "shared": 9}, Verdict.PASS, "9 of 500 different examples"),
        ({"rows": 0, "processes": 2, "unsendable": 3}, Verdict.FAIL, "3 batches of the stream differ in width"),
        ({"never": 500, "apart": True}, Verdict.FAIL, "each process holds other rows"),
    ],
)
def test_one_epoch_gives_every_row_once_in_another_order(numbers: dict[str, Any], verdict: Verdict, words: str) -> None:
    judgement = judged(order, BatchStats(side(**numbers)), SOUND)
    assert judgement.verdict is verdict
    assert words in judgement.message


def test_a_last_batch_that_is_dropped_is_no_fault_on_little_data() -> None:
    small = side(rows=50, documents=50 - SOUND.steps.per_device + 1, never=SOUND.steps.per_device - 1)
    assert judged(order, BatchStats(small), SOUND).verdict is Verdict.PASS
    more = side(rows=50, documents=20, never=30)
    assert judged(order, BatchStats(more), SOUND).verdict is Verdict.FAIL


def test_padding_warns_with_the_factor_that_packing_would_save() -> None:
    judgement = judged(padding, BatchStats(side(padding=100_000)), SOUND)
    assert judgement.verdict is Verdict.WARN
    assert "50 % of 200 k places" in judgement.message and "2.0 times shorter" in judgement.message
    assert judgement.fix == {"train.packing": True}
    assert judged(padding, BatchStats(side(padding=10_000)), SOUND).verdict is Verdict.PASS


def test_few_loss_tokens_are_advice() -> None:
    assert judged(scarce, BatchStats(side(loss_tokens=1_000))).verdict is Verdict.WARN
    assert judged(scarce, BatchStats(side(loss_tokens=3_000))).verdict is Verdict.PASS


def test_blank_rows_warn_when_few_fail_when_many_or_in_validation() -> None:
    assert judged(none, BatchStats(side(fully_masked=5))).verdict is Verdict.WARN
    assert judged(none, BatchStats(side(fully_masked=50))).verdict is Verdict.FAIL
    validation = SplitStats("validation", rows=10, documents=10, fully_masked=1)
    judgement = judged(none, BatchStats(side(), validation))
    assert judgement.verdict is Verdict.FAIL
    assert "1 in validation" in judgement.message


@pytest.mark.parametrize(
    ("rows", "verdict"), [(0, Verdict.PASS), (5, Verdict.PASS), (50, Verdict.WARN), (300, Verdict.FAIL)]
)
def test_dropped_rows_are_counted_with_their_reasons_and_tokens(rows: int, verdict: Verdict) -> None:
    losses = DataLoss(
        1000, rows, rows * 700, Counter({"longer than max_length": rows}) if rows else Counter(), 900, 512
    )
    judgement = judged(dropped, losses, BatchStats(side()), run_numbers(context=2048))
    assert judgement.verdict is verdict
    assert f"{rows:,} longer than max_length" in judgement.message or not rows


@pytest.mark.parametrize(
    ("longest", "length", "context", "fix"),
    [
        (900, 512, 2048, {"train.max_length": 900}),
        (3000, 512, 2048, {"train.max_length": 2048}),
        (90_000, 512, None, {"train.max_length": 4096}),
        (3000, 2048, 2048, {}),
        (400, 512, 2048, {}),
    ],
)
def test_a_longer_max_length_is_proposed_as_far_as_the_model_takes_it(
    longest: int, length: int, context: int | None, fix: dict[str, int]
) -> None:
    losses = DataLoss(100, 30, 9000, Counter({"longer than max_length": 30}), longest, length)
    judgement = judged(dropped, losses, BatchStats(side()), run_numbers(context=context))
    assert judgement.verdict is Verdict.FAIL and judgement.fix == fix
