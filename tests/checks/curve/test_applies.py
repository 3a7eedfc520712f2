"""What a log's settings show: how it was measured, its learning rates, its end, and what it is a log of."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sanetune.curves.logs.entries import curve_of
from sanetune.curves.objective import PREFERENCE, REINFORCEMENT, objective_of
from sanetune.curves.series import Curve, Evaluation
from sanetune.finding import Verdict
from tests.checks.curve_material import bad, found, points

FALLING = [1.0 + 2.0 * math.exp(-step / 30) + 0.02 * (-1) ** (step // 3) for step in range(200)]


def log(losses: list[float] = FALLING, evaluations: dict[int, float] | None = None, **more: Any) -> Curve:
    """A finished log of ten steps a record; ``lr`` and ``epochs`` among ``more`` go to its points."""
    lr, epochs = more.pop("lr", 1e-4), more.pop("epochs", 1.0)
    done = [epochs * (i + 1) / len(losses) for i in range(len(losses))]
    made = [Evaluation(step, loss) for step, loss in (evaluations or {}).items()]
    values: dict[str, Any] = {"finished": True, "total_steps": 10 * len(losses), "source": "log", **more}
    return Curve(points(losses, every=10, lr=lr, epoch=done), made, **values)


def test_a_healthy_log_has_no_finding() -> None:
    assert bad(log(evaluations={500: 1.2, 1000: 1.1, 1500: 1.05, 2000: 1.05})) == {}


# ---- unmeasured ----


@pytest.mark.parametrize(("epochs", "verdict"), [(3.0, None), (3.6, "warn"), (20.0, "warn")])
def test_many_epochs_without_an_evaluation_are_unmeasured(epochs: float, verdict: str | None) -> None:
    assert bad(log(epochs=epochs)).get("unmeasured") == verdict


def test_two_evaluations_measure_five_epochs_but_not_twenty() -> None:
    twice = {1000: 1.1, 2000: 1.05}
    assert "unmeasured" not in bad(log(epochs=5.0, evaluations=twice))
    assert bad(log(epochs=20.0, evaluations=twice))["unmeasured"] == "warn"


def test_a_loss_near_zero_without_an_evaluation_is_unmeasured() -> None:
    assert bad(log([loss - 0.95 for loss in FALLING]))["unmeasured"] == "warn"


def test_one_chart_of_several_does_not_show_that_nothing_was_evaluated() -> None:
    finding = found(replace(log([loss - 0.95 for loss in FALLING]), one_of_several=True))["unmeasured"]
    assert finding.verdict is Verdict.SKIP and "another chart" in finding.message


def test_a_trial_is_not_called_unmeasured() -> None:
    assert found(replace(log(epochs=20.0), source="trial"))["unmeasured"].verdict is Verdict.SKIP


# ---- learning rates ----


def test_a_second_warmup_is_a_restart_and_the_first_is_none() -> None:
    once = [min(1.0, (i + 1) / 10) * (1 - i / 200) for i in range(200)]
    twice = [1 - (i % 100) / 100 for i in range(200)]
    assert found(log(lr=once))["rate-restarts"].verdict is Verdict.PASS
    finding = found(log(lr=twice))["rate-restarts"]
    assert finding.verdict is Verdict.WARN
    assert [one["step"] for one in finding.numbers["restarts"]] == [1010]


def test_a_learning_rate_that_wavers_does_not_restart() -> None:
    assert "rate-restarts" not in bad(log(lr=[1e-4 * (1 - i / 250) * (1 + 0.1 * (i % 2)) for i in range(200)]))


def test_a_rising_learning_rate_is_a_warmup_and_no_plateau() -> None:
    flat = [2.0 + 0.01 * (-1) ** (step // 2) for step in range(200)]
    assert bad(log(flat, lr=[1e-6 * (i + 1) for i in range(200)])) == {"warmup-long": "warn"}
    assert bad(log(flat)) == {"plateau": "warn"}


@pytest.mark.parametrize(("share", "verdict"), [(0.1, None), (0.24, None), (0.3, "warn")])
def test_a_warmup_may_last_a_quarter_of_the_run(share: float, verdict: str | None) -> None:
    lr = [1e-4 * min(1.0, (i + 1) / (200 * share)) for i in range(200)]
    assert bad(log(lr=lr)).get("warmup-long") == verdict
    # The log of the first fifth of a run does not show how long it is.
    assert "warmup-long" not in bad(log(lr=[1e-6 * (i + 1) for i in range(200)], total_steps=10_000, finished=False))


@pytest.mark.parametrize(("lr", "verdict"), [([1e-6, 2e-6, 3e-6], "warn"), ([3e-6, 3e-6, 3e-6], None)])
def test_a_short_run_that_never_ends_its_warmup_is_no_test(lr: list[float], verdict: str | None) -> None:
    assert bad(log(FALLING[:3], lr=lr)).get("warmup-long") == verdict
    assert "warmup-long" not in bad(Curve(points(FALLING[:3], every=3, lr=lr), total_steps=9, finished=True))


def test_two_records_show_a_warmup_that_most_of_the_run_is_spent_in() -> None:
    assert bad(Curve(points([2.08, 2.05], every=10, lr=[1e-6, 2e-6]), total_steps=25, finished=True, source="log"))[
        "warmup-long"
    ]
    constant = Curve(points([2.08, 2.05], every=10, lr=[2e-6, 2e-6]), total_steps=25, finished=True, source="log")
    assert "warmup-long" not in bad(constant)


@pytest.mark.parametrize(("lasts", "verdict"), [(30, None), (60, None), (75, "warn"), (120, "warn")])
def test_few_records_on_one_straight_line_show_how_long_a_warmup_lasts(lasts: int, verdict: str | None) -> None:
    lr = [1e-4 * min(1.0, (10 * i + 10) / lasts) for i in range(24)]
    assert bad(log(FALLING[:24], lr=lr)).get("warmup-long") == verdict
    assert bad(log(FALLING[:4], lr=[1e-6, 2e-6, 3e-6, 4e-6], total_steps=100, finished=False)) == {
        "warmup-long": "warn"
    }


# ---- how it ended ----


def test_a_run_that_returned_early_is_told_from_a_checkpoint() -> None:
    half = log(total_steps=4000, finished=False, ended=False)
    assert found(half)["stopped-early"].verdict is Verdict.PASS
    assert bad(replace(half, ended=True)) == {"stopped-early": "warn"}
    assert "stopped-early" not in bad(log(ended=True))


def test_the_total_time_in_a_log_shows_that_training_returned() -> None:
    entries = [{"step": i + 1, "loss": 2.0 - i / 100} for i in range(20)]
    assert not curve_of(entries).ended
    assert curve_of([*entries, {"step": 20, "train_runtime": 12.5}]).ended


def test_the_seconds_so_far_beside_every_loss_do_not_show_that_training_returned() -> None:
    entries = [{"step": i + 1, "loss": 2.0 - i / 100, "train_runtime": 5.0 * i} for i in range(20)]
    assert not curve_of(entries).ended
    assert curve_of([*entries, {"step": 20, "train_runtime": 120.0, "train_loss": 1.9}]).ended
    joined = [{"step": i + 1, "loss": 2.0 - i / 100} for i in range(19)] + [entries[-1]]
    assert curve_of(joined).ended


def test_a_best_evaluation_long_before_the_end_names_its_step() -> None:
    rising = [*FALLING[:80], *(FALLING[79] * (1 + 0.2 * i / 120) for i in range(120))]
    turned = {200 * (i + 1): loss for i, loss in enumerate([1.9, 1.5, 1.3, 1.2, 1.22, 1.24, 1.26, 1.28, 1.3, 1.32])}
    finding = found(log(rising, turned))["best-earlier"]
    assert finding.verdict is Verdict.WARN
    assert finding.remedy == "Use the checkpoint nearest to step 800."
    # Where training falls on, it is overfitting, and said once.
    assert set(bad(log(evaluations=turned))) == {"overfit"}


def test_a_loss_that_stays_for_most_of_the_run_has_stalled() -> None:
    steep = [1.0 + 2.0 * math.exp(-step / 5) + 0.005 * (-1) ** (step // 3) for step in range(400)]
    assert bad(log(steep)) == {"stalled": "warn"}
    assert "stalled" not in bad(log(steep, {1000: 1.5, 2000: 1.4, 4000: 1.3}))
    assert "stalled" not in bad(log([loss * (1 - 0.0002 * i) for i, loss in enumerate(steep)]))
    assert "stalled" not in bad(log([loss * (1 + 0.0002 * i) for i, loss in enumerate(steep)]))


def test_noise_above_what_is_learned_leaves_a_stalled_course_open() -> None:
    noise = np.random.default_rng(4).standard_normal(400)
    for scatter, verdict in ((0.03, "warn"), (0.2, None)):
        losses = [(1.0 + 2.0 * math.exp(-i / 5)) * math.exp(scatter * noise[i]) for i in range(400)]
        assert bad(log(losses)).get("stalled") == verdict


# ---- what it is a log of ----


def test_a_summed_training_loss_is_said_and_begins_no_higher_for_it() -> None:
    evaluations = {500: 1.2, 1000: 1.1, 1500: 1.05, 2000: 1.05}
    summed = log([16 * loss for loss in FALLING], evaluations)
    assert bad(summed) == {"loss-summed": "warn"}
    assert found(summed)["loss-summed"].numbers["times"] == pytest.approx(16, rel=0.1)
    assert bad(replace(summed, validation=[])) == {"start-high": "fail"}


@pytest.mark.parametrize(
    ("names", "objective"),
    [
        (["loss", "reward", "reward_std", "completions/mean_length"], REINFORCEMENT),
        (["loss", "objective/kl", "policy/entropy"], REINFORCEMENT),
        (["loss", "rewards/chosen", "rewards/margins"], PREFERENCE),
        (["loss", "eval_logps/rejected"], PREFERENCE),
        (["loss", "kl"], PREFERENCE),
        (["loss", "grad_norm", "eval_loss", "eval_yahma/alpaca_loss", "num_tokens", "entropy"], ""),
    ],
)
def test_other_kinds_of_training_are_named_by_their_figures(names: list[str], objective: str) -> None:
    assert objective_of(names) == objective


def test_preference_and_reinforcement_logs_are_left_alone() -> None:
    entries = [{"step": i + 1, "loss": 0.69 + i, "logps/chosen": -1.0, "learning_rate": 1e-4} for i in range(100)]
    every = found(curve_of(entries))
    assert {one.verdict for one in every.values()} <= {Verdict.SKIP, Verdict.PASS}
    assert "preference training" in every["diverged"].message
    assert bad(curve_of([*entries, {"step": 101, "loss": math.nan}]))["nan"] == "fail"


# ---- NaN gradient norms ----


def fp16(bad_steps: set[int], *, moves: bool) -> Curve:
    """A log of every step, with NaN norms at ``bad_steps``, at which the learning rate moves or does not."""
    done, lrs, norms = 0, [], []
    for step in range(200):
        done += moves or step not in bad_steps
        lrs.append(1e-4 * (1 - done / 250))
        norms.append(math.nan if step in bad_steps else 1.0)
    return Curve(points(FALLING, lr=lrs, grad_norm=norms), source="log")


def test_steps_that_fp16_skips_do_not_move_the_learning_rate() -> None:
    steps = {20, 50, 51, 90, 140}
    skipped = found(fp16(steps, moves=False))["nan"]
    assert skipped.verdict is Verdict.PASS
    assert skipped.numbers["skipped_steps"] == 5
    assert bad(fp16(steps, moves=True)) == {"nan": "warn"}


def test_nan_norms_up_to_the_end_are_no_skipped_steps() -> None:
    assert bad(fp16(set(range(100, 200)), moves=False)) == {"nan": "fail"}
