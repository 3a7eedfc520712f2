"""A healthy run is not stopped for a rise that comes back, and one that explodes does not go on for that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from sanetune.checks.base import Basis
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.finding import Verdict
from sanetune.gate.watch import EVERY, LiveFinding, Watch, live_checks
from sanetune.gate.watch_patience import Seen

FACTS = Curve(total_steps=400, steps_per_epoch=200.0, warmup_steps=0, vocab_size=32_000, planned_lr=1e-4,
              max_grad_norm=1.0, source="watch")  # fmt: skip


def scattered(level: Sequence[float] | np.ndarray, share: float = 0.05) -> list[float]:
    noise = np.random.default_rng(0).standard_normal(len(level))
    return [float(one) for one in np.asarray(level) * (1 + share * noise)]


def grown(losses: Sequence[float], evaluations: Mapping[int, float], facts: Curve = FACTS) -> list[LiveFinding]:
    """What is found in a run with these losses and, at these steps, evaluations."""
    watch, found = Watch(facts, live_checks()), []
    if 0 in evaluations:
        found += watch.evaluated(Evaluation(0, evaluations[0]))
    for at in range(0, len(losses), EVERY):
        found += watch.steps([Point(at + i + 1, loss, 1e-4) for i, loss in enumerate(losses[at : at + EVERY])])
        if at + EVERY in evaluations:
            found += watch.evaluated(Evaluation(at + EVERY, evaluations[at + EVERY]))
    return found


FLAT = scattered(np.full(200, 2.0))
FALLING = scattered(2.0 * np.exp(-np.arange(200) / 50))


def test_a_rise_in_the_first_steps_that_comes_back_is_no_finding() -> None:
    hump = {0: 2.0, 20: 2.26, 40: 2.3, 60: 2.2, 80: 2.1, 100: 1.98, 140: 1.9, 180: 1.8}
    assert grown(scattered(np.concatenate([np.linspace(2, 2.4, 20), np.linspace(2.4, 1.7, 180)])), hump) == []


def test_a_rise_that_stays_is_found_once_the_patience_is_over() -> None:
    stays = {0: 2.0} | {step: 2.3 + step / 1000 for step in range(20, 201, 20)}
    found = grown(scattered(np.concatenate([np.linspace(2, 2.4, 20), np.full(180, 2.4)])), stays)
    (one,) = [one for one in found if one.finding.verdict is Verdict.FAIL]
    assert one.finding.check == "curve-diverged"
    assert one.step == 80  # evaluations at 60 and 80 are the first two that count


def test_a_held_out_loss_far_beyond_its_start_does_not_wait() -> None:
    found = grown(FLAT, {0: 2.0, 10: 3.4, 20: 3.9, 30: 4.4})
    assert {(one.finding.check, one.step) for one in found} >= {("curve-diverged", 20)}


def test_one_evaluation_is_no_second_proof_however_long_it_is_ago() -> None:
    steady = {0: 2.0} | dict.fromkeys(range(10, 101, 10), 1.8)
    assert grown(FLAT, steady | {110: 2.9}) == []
    assert grown(FLAT, steady | {110: 2.9, 120: 3.0}) != []


def test_a_rise_on_its_way_back_is_not_confirmed() -> None:
    steady = {0: 2.0} | dict.fromkeys(range(10, 101, 10), 2.0)
    found = grown(FLAT, steady | {110: 2.5, 120: 2.4, 130: 2.3, 140: 2.0, 150: 2.0})
    assert {one.finding.check for one in found} == {"curve-spike"}  # once it is back


@pytest.mark.parametrize("evaluated", [{}, {0: 2.0, 100: 1.9}])
def test_a_loss_that_explodes_between_two_evaluations_is_found_within_20_steps(evaluated: dict[int, float]) -> None:
    level = np.full(200, 2.0)
    level[119:] = 6.0
    found = grown(scattered(level), evaluated)
    first = next(one for one in found if one.finding.verdict is Verdict.FAIL)
    assert first.finding.check == "curve-diverged" and 120 <= first.step <= 140


def test_held_out_rows_that_turn_are_overfitting_where_training_falls_and_not_where_it_does_not() -> None:
    turned = {20: 2.0, 40: 1.8, 60: 1.9, 80: 2.0, 100: 2.1, 120: 2.2, 140: 2.3, 160: 2.4}
    found = grown(FALLING, turned)
    assert [one.step for one in found if one.finding.verdict is Verdict.FAIL] == [120]  # the fifth is at 100
    assert found[0].finding.check == "curve-overfit"
    assert not [one for one in grown(FLAT, turned) if one.finding.check == "curve-overfit"]


def test_the_patience_begins_after_warm_up_as_logged_where_it_is_not_known() -> None:
    unknown = replace(FACTS, warmup_steps=None, total_steps=None)
    stays = {0: 2.0} | {step: 2.3 + step / 1000 for step in range(20, 201, 20)}
    losses = scattered(np.concatenate([np.linspace(2, 2.4, 20), np.full(180, 2.4)]))
    watch, found = Watch(unknown, live_checks()), []
    watch.evaluated(Evaluation(0, 2.0))
    for at in range(0, 200, EVERY):
        found += watch.steps(
            [Point(at + i + 1, losses[at + i], 1e-4 * min(1, (at + i + 1) / 80)) for i in range(EVERY)]
        )
        if at + EVERY in stays:
            found += watch.evaluated(Evaluation(at + EVERY, stays[at + EVERY]))
    assert min(one.step for one in found if one.finding.check == "curve-diverged") == 160


def test_the_second_proof_rests_on_what_the_first_did_not_have() -> None:
    first = Seen(Verdict.FAIL, 40, None, 5)
    assert not Seen(Verdict.FAIL, 40, None).rests_on_the_same_as(Seen(Verdict.FAIL, 41, None))
    assert Seen(Verdict.FAIL, 40, None).rests_on_the_same_as(Seen(Verdict.FAIL, 40, None))
    assert first.rests_on_the_same_as(Seen(Verdict.FAIL, 44, None))
    assert not first.rests_on_the_same_as(Seen(Verdict.FAIL, 45, None))
    evaluated = Seen(Verdict.FAIL, 40, Basis(40, 2.0))
    assert evaluated.rests_on_the_same_as(Seen(Verdict.FAIL, 300, Basis(40, 2.0)))
    assert not evaluated.rests_on_the_same_as(Seen(Verdict.FAIL, 60, Basis(60, 2.1)))
    assert evaluated.is_confirmed_by(Seen(Verdict.FAIL, 60, Basis(60, 2.1)))
    assert not evaluated.is_confirmed_by(Seen(Verdict.FAIL, 60, Basis(60, 1.9)))
    assert not Seen(Verdict.WARN, 40, None).is_confirmed_by(Seen(Verdict.FAIL, 60, None))


def test_numbers_that_are_none_do_not_wait() -> None:
    losses = [*FLAT[:10], *[math.nan] * 30]
    first = next(one for one in grown(losses, {0: 2.0}) if one.finding.verdict is Verdict.FAIL)
    assert first.finding.check == "curve-nan" and first.step <= 25


@pytest.mark.parametrize(("memorises", "known"), [(True, True), (True, False), (False, True)])
def test_rows_that_get_worse_while_training_falls_surely_need_no_patience(memorises: bool, known: bool) -> None:
    """Two evaluations in a row, long before 50 steps, where single rows are known and training falls."""
    watch, rng, found = Watch(replace(FACTS, warmup_steps=2), live_checks()), np.random.default_rng(2), []
    for step in range(1, 46):
        level = 2.0 * math.exp(-step / 12) + 0.01 if memorises else 1.5
        found += watch.steps([Point(step, level * (1 + 0.05 * rng.standard_normal()), 1e-4, 1.0, step / 8)])
        if step % 9 == 0:
            rows = [16 * (1.0 + 0.01 * step + 0.01 * row) for row in range(20)]
            each = Evaluation.of(step, rows, [16] * 20)
            found += watch.evaluated(each if known else Evaluation(step, each.loss))
    assert ("curve-overfit" in {one.finding.check for one in found}) == (memorises and known)
