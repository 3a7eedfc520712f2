"""model-cannot-overfit and curve-rate-beaten, on made-up evidence: what fails, what passes, and with which words."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.checks.base import Check
from sanetune.checks.curve import rate_beaten
from sanetune.checks.model import cannot_overfit
from sanetune.config.schema import AdapterSection
from sanetune.curves.series import Curve, Evaluation
from sanetune.finding import Judgement, Verdict
from sanetune.probes.results import (
    LearningRateComparison,
    LearningRateRun,
    Overfit,
    OverfitAttempt,
    RecitedReply,
    StuckToken,
)
from tests.checks.run_numbers import run_settings


def judged(check: Any, *evidence: Any) -> Judgement:
    whole = Check.of(check)
    return whole.judge(whole.measured(evidence, whole.defaults), whole.defaults)


def fitted(end: float, same: int = 20, **more: Any) -> Overfit:
    right, wrong = (
        RecitedReply("q", "a b c", "a b c", True, 3, 3, True),
        RecitedReply("q", "a b c", "a x", False, 1, 3, False),
    )
    replies = [right] * same + [wrong] * (20 - same)
    tries = [OverfitAttempt(1e-3, [4.0, 2.0, end])]
    return Overfit(20, 500, 50, 0.1, 4e-3, tries, OverfitAttempt(1e-5, [4.0, 3.9]), replies, **more)


def config(adapter: AdapterSection | None = None) -> Any:
    return SimpleNamespace(config=SimpleNamespace(model=SimpleNamespace(adapter=adapter)))


def test_examples_memorised_pass_and_the_planned_learning_rate_is_reported() -> None:
    found = judged(cannot_overfit, fitted(0.02), config())
    assert found.verdict is Verdict.PASS
    assert "from a loss of 4 to 0.02" in found.message and "at the planned 1e-05 to 3.9" in found.message


def test_a_loss_that_stays_high_fails_with_every_learning_rate_that_was_tried() -> None:
    found = judged(cannot_overfit, fitted(1.7, other_loss=1.6), config())
    assert found.verdict is Verdict.FAIL and "1e-03 (1.7)" in found.message
    assert judged(cannot_overfit, fitted(math.nan, other_loss=math.inf), config()).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("same", "verdict"), [(20, "pass"), (16, "pass"), (15, "warn"), (10, "warn"), (9, "fail"), (0, "fail")]
)
def test_answers_have_to_come_back_with_their_ends(same: int, verdict: str) -> None:
    assert judged(cannot_overfit, fitted(0.02, same), config()).verdict == verdict


def test_tokens_that_all_of_the_loss_is_on_are_named_and_their_rows_trained() -> None:
    stuck = [StuckToken("<|im_end|>", 20, 5.3, True), StuckToken("Ċ", 12, 5.0, False)]
    overfit = fitted(0.4, 0, stuck=stuck, other_loss=0.01)
    found = judged(cannot_overfit, overfit, config(AdapterSection(r=8, tokens=["x"])))
    assert found.verdict is Verdict.FAIL and "ends the answers" in found.message
    assert found.fix == {"model.adapter": {"type": "lora", "r": 8, "tokens": ["<|im_end|>", "x", "Ċ"]}}
    assert "frozen" not in judged(cannot_overfit, overfit, config()).message, "without an adapter no row is"
    other = fitted(0.4, 0, stuck=stuck[1:], other_loss=0.01)
    assert judged(cannot_overfit, other, config(AdapterSection())).verdict is Verdict.WARN


def shortened(losses: list[float], steps: int, same: int | None = None, **more: Any) -> Overfit:
    """An overfit test of ``steps`` steps, whose losses in nats end so."""
    made = OverfitAttempt(1e-3, losses)
    overfit = fitted(losses[-1], same or 0, **more)
    replies = overfit.replies if same is not None else []
    return replace(overfit, examples=4, steps=steps, attempts=[made], at_planned_lr=None, replies=replies)


FALLING = [4.0 * 0.85**step for step in range(21)]
FLAT = [4.0, *[3.5] * 20]


def test_a_loss_that_still_falls_after_few_steps_decides_nothing_and_asks_for_more() -> None:
    stuck = [StuckToken("<|im_end|>", 5, 4.2, True)]
    for overfit in (shortened(FALLING, 20, other_loss=0.1), shortened(FALLING, 20, 0, stuck=stuck, other_loss=0.004)):
        found = judged(cannot_overfit, overfit, config())
        assert found.verdict is Verdict.WARN and not found.fix
        assert "still falling, and 20 steps of at least 50 decide nothing" in found.message
        assert "check.overfit_steps=50" in found.remedy
    nearly = [*FALLING, *[0.155 * 0.85**step for step in range(1, 5)]]
    found = judged(cannot_overfit, shortened(nearly, 24, 3), config())
    assert found.verdict is Verdict.WARN and "24 steps of at least 50" in found.message


def test_few_steps_excuse_neither_a_flat_loss_nor_one_that_is_no_number_nor_one_of_the_whole_protocol() -> None:
    for overfit in (
        shortened(FLAT, 20, other_loss=3.0),
        shortened([4.0, 4.0], 1, other_loss=3.0),
        shortened([4.0, math.nan], 20, other_loss=math.inf),
        shortened([4.0 * 0.93**step for step in range(51)][:40] + FALLING[9:20], 50, other_loss=0.5),
    ):
        assert judged(cannot_overfit, overfit, config()).verdict is Verdict.FAIL
    first = shortened([4.4, 4.3], 1, other_loss=3.0)
    assert judged(cannot_overfit, first, config()).verdict is Verdict.WARN, "one step of warm-up"


def test_answers_are_to_be_read_only_where_some_are_shown_and_no_number_of_examples_is_made_up() -> None:
    whole = Check.of(cannot_overfit)
    high = whole.judge(whole.measured([shortened(FLAT, 50, other_loss=3.0), config()], whole.defaults), whole.defaults)
    low = judged(cannot_overfit, fitted(0.02, 3), config())
    assert "frozen layers" in high.remedy and "nswers" not in high.remedy
    assert "Read the answers shown" in low.remedy
    assert "twenty" not in whole.page.rationale and "shown" not in whole.page.remedy


def rows(loss: float, step: int = 40, noise: float = 0.3) -> Evaluation:
    """Forty rows whose losses go together from look to look, as those of real rows do."""
    chance = random.Random(step)
    own = random.Random(1)
    tokens = [own.randint(10, 60) for _ in range(40)]
    level = [own.gauss(0, noise) for _ in range(40)]
    return Evaluation.of(
        step, [n * (loss + d + chance.gauss(0, 0.02)) for n, d in zip(tokens, level, strict=True)], tokens
    )


def grown(planned: float, losses: dict[float, float], start: float = 4.0) -> LearningRateComparison:
    return LearningRateComparison(
        planned, 40, rows(start, 0), [LearningRateRun(lr, [], rows(loss)) for lr, loss in sorted(losses.items())]
    )


def run(total: int = 200, ends: float = 4.0) -> tuple[Any, Any]:
    """Settings of a run, and a trial at the planned learning rate that ends there."""
    trial = SimpleNamespace(steps=200, curve=Curve(validation=[rows(4.0, 0), rows(ends)]))
    return run_settings(total_steps=total), trial


def test_a_learning_rate_that_a_third_of_it_beats_is_too_high() -> None:
    found = judged(rate_beaten, grown(3e-2, {1e-3: 2.6, 3e-3: 2.5, 1e-2: 2.9, 3e-2: 3.6}), *run())
    assert found.verdict is Verdict.FAIL and found.fix == {"train.learning_rate": 1.8e-3}
    assert "too high by 1.1" in found.message
    slight = judged(rate_beaten, grown(3e-3, {1e-3: 2.45, 3e-3: 2.5, 1e-2: 2.9}), *run())
    assert slight.verdict is Verdict.WARN


def test_the_learning_rate_proposed_is_between_the_compared_learning_rates_and_is_lower_for_a_longer_run() -> None:
    def fix(losses: dict[float, float], steps: int) -> float:
        return float(judged(rate_beaten, grown(0.1, losses | {0.1: 4.0}), *run(steps)).fix["train.learning_rate"])

    even = {1e-4: 2.7, 1e-3: 2.5, 1e-2: 2.7}
    assert fix(even, 100) == pytest.approx(1e-3, rel=0.05)
    assert 1e-3 < fix(even | {1e-2: 2.55}, 100) < 10**-2.5 and 10**-3.5 < fix(even | {1e-4: 2.55}, 100) < 1e-3
    assert fix(even, 800) == pytest.approx(5e-4, rel=0.05) and fix(even, 10**6) == pytest.approx(2.5e-4, rel=0.05)
    assert fix({1e-3: 2.5, 1e-2: 2.7}, 100) == 1e-3, "nothing lower was tried"
    assert fix({1e-3: 2.5, 1e-2: 2.5}, 100) == pytest.approx(10**-2.5, rel=0.05), "neither is better for certain"


def test_a_limit_of_the_users_own_reaches_the_learning_rate_proposed() -> None:
    """Two runs that differ by some standard errors: told apart with the usual limit, not with a stricter one."""
    measured = rate_beaten.measure(grown(0.1, {1e-3: 2.5, 1e-2: 2.52, 0.1: math.nan}), *run(100))
    t = measured.numbers["beside_errors"]
    usual = {name: limit.value for name, limit in rate_beaten.LIMITS.items()}
    fixes = {limit: rate_beaten.judge(measured, usual | {"errors": limit}).fix for limit in (t / 2, 2 * t)}
    assert t > 3 and fixes[t / 2] == {"train.learning_rate": 1e-3}
    assert fixes[2 * t]["train.learning_rate"] == pytest.approx(10**-2.5, rel=0.05)


def test_a_higher_learning_rate_that_is_better_for_forty_steps_proves_nothing_about_a_whole_run() -> None:
    near = grown(3e-4, {1e-4: 3.2, 3e-4: 2.9, 9e-4: 2.6, 2.7e-3: 2.7})
    assert judged(rate_beaten, near, *run(400)).verdict is Verdict.PASS
    far = grown(3e-6, {1e-6: 3.99, 3e-6: 3.98, 9e-6: 3.9, 2.7e-5: 3.7, 8.1e-5: 3.3, 2.4e-4: 2.9, 7.3e-4: 2.6})
    assert judged(rate_beaten, far, *run(400)).verdict is Verdict.FAIL
    assert judged(rate_beaten, far, *run(100_000)).verdict is Verdict.PASS, "so long a run gets there"
    assert judged(rate_beaten, far, *run(400, ends=2.62)).verdict is Verdict.PASS, "the trial has got there"


def test_a_gain_that_may_be_chance_is_none() -> None:
    noisy = Evaluation.of(40, [30.0 * (2.5 + (-1) ** k * 3) for k in range(40)], [30] * 40)
    found = LearningRateComparison(
        1e-3, 40, rows(4.0, 0), [LearningRateRun(3e-4, [], noisy), LearningRateRun(1e-3, [], rows(2.6))]
    )
    assert judged(rate_beaten, found, *run()).verdict is Verdict.PASS


def test_a_learning_rate_that_leaves_the_base_worse_fails_even_where_no_neighbour_is_better() -> None:
    found = judged(rate_beaten, grown(1.0, {0.33: 9.3, 1.0: 9.0, 3.0: 9.5}), *run())
    assert found.verdict is Verdict.FAIL and "above the base's 3.9" in found.message and not found.fix
    gone = LearningRateComparison(
        1.0, 40, rows(4.0, 0), [LearningRateRun(0.1, [], rows(2.6)), LearningRateRun(1.0, [], Evaluation(40, math.nan))]
    )
    diverged = judged(rate_beaten, gone, *run())
    assert diverged.verdict is Verdict.FAIL and diverged.fix == {"train.learning_rate": 0.079}
