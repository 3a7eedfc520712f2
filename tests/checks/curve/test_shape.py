"""What a curve does on its way: not a number, zero, swings, spikes, steps, growth, an end that comes too early."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.finding import Verdict
from tests.checks.curve_material import bad, evaluations, found, points

FALLING = [3 - 1.5 * (1 - math.exp(-i / 40)) + 0.2 * (-1) ** (i // 2) for i in range(200)]


def changed(values: list[Any], **at: Any) -> list[Any]:
    """``values`` with others at ``_PLACE``."""
    places = {int(name[1:]): value for name, value in at.items()}
    return [places.get(i, value) for i, value in enumerate(values)]


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (Curve(points(changed(FALLING, _70=math.nan))), "warn"),
        (Curve(points(changed(FALLING, _199=math.nan))), "fail"),
        (Curve(points([*FALLING[:150], *[math.inf] * 50])), "fail"),
        (Curve(points(FALLING), evaluations([3, 2.5, math.nan])), "fail"),
        (Curve(points(FALLING, grad_norm=changed([1.0] * 200, _60=math.nan))), None),
        (Curve(points(FALLING, grad_norm=[1.0] * 190 + [math.inf] * 10)), "warn"),
        (Curve(points(FALLING, grad_norm=[1.0] * 90 + [math.nan] * 110)), "fail"),
    ],
)
def test_what_is_not_a_number_is_seen(curve: Curve, verdict: str | None) -> None:
    assert bad(curve).get("nan") == verdict


def test_the_first_step_that_is_not_a_number_is_named() -> None:
    finding = found(Curve(points([*FALLING[:150], *[math.inf] * 50])))["nan"]
    assert "50 of 200" in finding.message
    assert "step 151" in finding.message


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        (Curve(points(changed(FALLING, _70=0.0))), "warn"),
        (Curve(points(changed(FALLING, _70=0.0, _71=0.0, _90=0.0, _120=0.0, _160=0.0))), "fail"),
        (Curve(points([0.0] * 20)), "fail"),
        (Curve(points(FALLING), evaluations([3, 2, 0, 2, 2])), "fail"),
        (Curve(points([math.exp(-i / 10) if i < 100 else 0.0 for i in range(200)])), None),
        (Curve(points(FALLING, grad_norm=[1.0] * 150 + [0.0] * 50)), "fail"),
        (Curve(points(FALLING, grad_norm=0.0)), None),
        (Curve(points([2.0, 2.1] * 100, grad_norm=0.0)), "fail"),
    ],
)
def test_zeros_out_of_nowhere_are_seen(curve: Curve, verdict: str | None) -> None:
    assert bad(curve).get("zero-loss") == verdict


@pytest.mark.parametrize(
    ("lrs", "finished", "verdict"),
    [
        ([0.0] * 200, True, "fail"),
        ([0.0, *[1e-4] * 198, 0.0], True, None),
        ([1e-4] * 170 + [0.0] * 30, True, "warn"),
        ([1e-4] * 40 + [0.0] * 160, True, "fail"),
        ([0.0] * 60 + [1e-4] * 140, False, "warn"),
        ([0.0] * 4 + [1e-4] * 196, False, None),
    ],
)
def test_a_learning_rate_of_zero_is_seen_where_it_should_not_be(
    lrs: list[float], finished: bool, verdict: str | None
) -> None:
    assert bad(Curve(points(FALLING, lr=lrs), finished=finished)).get("rate-zero") == verdict


@pytest.mark.parametrize(("zeros", "steps", "fails"), [(25, 200, True), (15, 200, False), (25, 90, False)])
def test_a_run_that_goes_on_at_a_learning_rate_of_zero_fails_at_once(zeros: int, steps: int, fails: bool) -> None:
    lrs = [1e-4] * (85 - zeros) + [0.0] * zeros
    curve = Curve(points([3 - i / 100 for i in range(85)], lr=lrs), total_steps=steps, growing=True)
    assert (found(curve)["rate-zero"].verdict is Verdict.FAIL) is fails


def test_a_learning_rate_that_is_planned_as_zero_fails_before_anything_is_logged() -> None:
    assert found(Curve(points(FALLING), planned_lr=0.0))["rate-zero"].verdict is Verdict.FAIL
    assert found(Curve(points(FALLING)))["rate-zero"].verdict is Verdict.SKIP


def probed(losses: list[float]) -> Curve:
    return Curve(points(FALLING), [], evaluations(losses, every=5, rows=16), planned_lr=1e-2, warmup_steps=10)


@pytest.mark.parametrize(("swing", "verdict"), [(0.05, None), (0.15, "fail")])
def test_swings_of_a_fixed_batch_are_counted(swing: float, verdict: str | None) -> None:
    curve = probed([3 - 0.02 * i + 2 * swing * (i // 3 % 2) for i in range(41)])
    assert bad(curve).get("oscillating") == verdict
    if verdict:
        finding = found(curve)["oscillating"]
        assert finding.numbers["swings"] >= 6
        assert finding.fix == {"train.learning_rate": 1e-3}


def test_a_loss_that_rises_once_does_not_swing() -> None:
    assert "oscillating" not in bad(probed([3 - 0.1 * i for i in range(11)] + [2 + 0.1 * i for i in range(30)]))


def test_noisy_batches_do_not_swing() -> None:
    noisy = [2 + 0.5 * math.sin(1.7 * i) for i in range(200)]
    assert "oscillating" not in bad(Curve(points(noisy)))


def test_a_spike_over_several_steps_is_found_with_its_place() -> None:
    curve = Curve(points(changed(FALLING, _100=7.0, _101=9.0, _102=6.0)), planned_lr=3e-4, max_grad_norm=0.0)
    finding = found(curve)["spike"]
    assert finding.verdict is Verdict.WARN
    assert "step 102: 9.00" in finding.message
    assert finding.fix == {"train.max_grad_norm": 1.0}
    clipped = found(replace(curve, max_grad_norm=1.0))["spike"]
    assert clipped.fix == {"train.learning_rate": 1e-4} and clipped.remedy.endswith("are clipped at 1 already.")
    assert finding.remedy.startswith("Clip the gradients")


def test_an_early_spike_asks_for_a_longer_warm_up() -> None:
    curve = Curve(points(changed(FALLING, _20=9.0, _21=9.0)), max_grad_norm=1.0, warmup_steps=2, planned_lr=1e-4)
    assert found(curve)["spike"].fix == {"train.warmup_steps": 0.1}


def test_one_odd_batch_is_mentioned_and_no_alarm() -> None:
    finding = found(Curve(points(changed(FALLING, _100=4.5))))["spike"]
    assert finding.verdict is Verdict.PASS
    assert "1 odd batch" in finding.message


def test_one_batch_far_above_the_first_losses_is_a_spike_without_any_gradient_norm() -> None:
    finding = found(Curve(points(changed(FALLING, _100=5.0))))["spike"]
    assert finding.verdict is Verdict.WARN and "step 101: 5.00" in finding.message
    # One of the first losses was as high: such rows are among the data.
    assert "spike" not in bad(Curve(points(changed(FALLING, _2=4.0, _100=5.0))))


def test_one_batch_and_its_gradient_are_a_spike() -> None:
    norms = changed([1.0 + 0.1 * (i % 3) for i in range(200)], _100=30.0)
    assert bad(Curve(points(changed(FALLING, _100=4.5), grad_norm=norms))) == {"spike": "warn"}
    assert bad(Curve(points(FALLING, grad_norm=norms))) == {}


def test_one_hard_batch_is_no_spike_where_a_fixed_batch_does_not_feel_it() -> None:
    norms = changed([1.0 + 0.1 * (i % 3) for i in range(200)], _100=30.0)
    curve = Curve(points(changed(FALLING, _100=9.0), grad_norm=norms))
    calm = evaluations([3 - 1.5 * (1 - math.exp(-i / 40)) for i in range(0, 200, 5)], every=5)
    finding = found(replace(curve, fixed_batch=calm))["spike"]
    assert finding.verdict is Verdict.PASS and "1 odd batch" in finding.message
    felt = [replace(one, loss=1.3 * one.loss) if one.step == 105 else one for one in calm]
    assert bad(replace(curve, fixed_batch=felt)) == {"spike": "warn"}
    two = Curve(points(changed(FALLING, _100=9.0, _101=8.0), grad_norm=norms), fixed_batch=calm)
    assert bad(two) == {"spike": "warn"}, "two batches in a row are not one"


def test_a_hump_above_the_start_in_the_first_steps_is_reported() -> None:
    finding = found(probed([3.0, 4.0, 5.0, 4.0, 3.0, *[2.8 - 0.01 * i for i in range(36)]]))["spike"]
    assert finding.verdict is Verdict.WARN
    assert "from 3.00 to 5.00" in finding.message


def test_gradients_of_warm_up_are_no_spikes() -> None:
    norms = [50 * math.exp(-i / 3) + 1 for i in range(200)]
    assert bad(Curve(points(FALLING, grad_norm=norms))) == {}


def epochs(levels: list[float], count: int = 40, inside: float = 0.0) -> Curve:
    losses = [one - inside * i / count + 0.03 * (-1) ** (i // 2) for one in levels for i in range(count)]
    return Curve(points(losses, epoch=[(i + 1) / count for i in range(len(losses))]))


@pytest.mark.parametrize(
    ("levels", "inside", "verdict"),
    [
        ([1.1, 0.7, 0.4], 0.0, "warn"),
        ([1.1, 1.0, 0.95], 0.0, None),
        ([1.1, 0.7, 0.7], 0.0, None),
        ([1.5, 1.1, 0.7], 0.38, None),
    ],
)
def test_steps_at_the_boundaries_of_epochs(levels: list[float], inside: float, verdict: str | None) -> None:
    assert bad(epochs(levels, inside=inside)).get("staircase") == verdict


def test_validation_rows_that_hold_overrule_a_staircase() -> None:
    curve = epochs([1.1, 0.7, 0.4])
    assert "staircase" not in bad(replace(curve, validation=evaluations([1.2, 1.1, 1.05], every=40)))
    assert "staircase" in bad(replace(curve, validation=evaluations([1.2, 1.1, 1.3], every=40)))


@pytest.mark.parametrize(("end", "verdict"), [(92, None), (260, None), (280, "warn"), (920, "fail")])
def test_weights_that_grow(end: float, verdict: str | None) -> None:
    norms = [(step, 91 + (end - 91) * step / 200) for step in range(0, 201, 50)]
    assert bad(Curve(points(FALLING), weight_norms=norms)).get("norm-growth") == verdict


def test_weights_that_have_stopped_growing_are_bounded() -> None:
    norms = [(0, 9.0), (50, 29.0), (100, 30.0), (150, 30.1), (200, 30.1)]
    assert "norm-growth" not in bad(Curve(points(FALLING), weight_norms=norms))


@pytest.mark.parametrize(("times", "verdict"), [(3, None), (30, "warn")])
def test_gradients_that_grow(times: float, verdict: str | None) -> None:
    norms = [times ** (i / 200) * (1 + 0.2 * (i % 3)) for i in range(200)]
    assert bad(Curve(points(FALLING, grad_norm=norms))).get("norm-growth") == verdict


def test_a_run_that_ends_while_it_falls_is_unfinished_and_a_trial_is_not() -> None:
    steep = points([3 - 0.012 * i + 0.05 * (-1) ** i for i in range(200)])
    assert bad(Curve(steep, finished=True)) == {"unfinished": "warn"}
    assert found(Curve(steep, total_steps=2000))["unfinished"].verdict is Verdict.SKIP


def test_validation_rows_that_have_stopped_falling_overrule_the_batches() -> None:
    steep = points([3 - 0.012 * i + 0.05 * (-1) ** i for i in range(200)])
    validation = evaluations([3, 2.5, 2.2, 2.1, 2.099])
    assert "unfinished" not in bad(Curve(steep, validation, finished=True))
    assert "unfinished" in bad(Curve(steep, evaluations([3, 2.7, 2.4, 2.1, 1.8]), finished=True))


NUMBERS = st.floats() | st.floats(0, 10)
SOME = st.none() | NUMBERS


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, SOME, SOME, SOME), max_size=40),
    st.lists(st.tuples(NUMBERS, st.lists(NUMBERS, max_size=3)), max_size=12),
    st.lists(st.tuples(NUMBERS, st.lists(NUMBERS, max_size=3)), max_size=12),
    st.lists(NUMBERS, max_size=6),
    st.sampled_from([None, 0, 3, 1000]),
    SOME,
    st.booleans(),
)
def test_no_curve_whatever_breaks_a_check(
    some: list[Any],
    validation: list[Any],
    probe: list[Any],
    norms: list[float],
    steps: int | None,
    size: Any,
    done: bool,
) -> None:
    def seen(rows: list[Any]) -> list[Evaluation]:
        return [Evaluation(3 * i, loss, tuple(sums), tuple([5] * len(sums))) for i, (loss, sums) in enumerate(rows)]

    curve = Curve(
        [Point(i, *one) for i, one in enumerate(some)], seen(validation), seen(probe), list(enumerate(norms)),
        steps, size, steps, steps or None, size, size, done,
    )  # fmt: skip
    assert all(one.message for one in found(curve).values())


LOSSES = st.lists(st.one_of(st.floats(), st.floats(0, 20), st.just(0.0)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(LOSSES, LOSSES, st.lists(st.one_of(st.none(), st.floats(0, 1e-3)), min_size=60, max_size=60), st.floats(0, 50))
def test_no_log_is_so_odd_that_a_check_breaks(
    losses: list[float], validated: list[float], lrs: list[float | None], epochs: float
) -> None:
    done = [epochs * (i + 1) / 60 for i in range(len(losses))]
    logged = points(losses, every=5, lr=lrs[: len(losses)], epoch=done, grad_norm=losses[::-1])
    curve = Curve(logged, evaluations(validated, every=7, rows=0), total_steps=300, ended=True, source="log")
    found(curve)
    found(replace(curve, validation=[], fixed_batch=evaluations(validated, every=7, rows=2), source="trial"))


# ---- what must not be said ----


def test_a_recovery_that_goes_by_epochs_is_no_staircase() -> None:
    """Above its start a model memorises nothing, whatever its losses do between epochs."""
    levels = [4.2, 9.0, *[28.0] * 3, *[9.6] * 13, *[7.0] * 16, *[5.7] * 16, *[4.6] * 16]
    noisy = [level * (1 + 0.02 * (-1) ** i) for i, level in enumerate(levels)]
    log = Curve(points(noisy, epoch=[(i + 1) / 16 for i in range(len(noisy))]), source="log")
    assert "staircase" not in bad(log)
    learned = Curve(points([level if i > 1 else 30.0 for i, level in enumerate(noisy)],
                           epoch=[(i + 1) / 16 for i in range(len(noisy))]), source="log")  # fmt: skip
    assert "staircase" in bad(learned), "the same steps below a start of 30"


def test_a_steady_quick_fall_over_short_epochs_is_no_staircase() -> None:
    noise = np.random.default_rng(3).normal(0, 0.5, (60, 66))
    found_in = 0
    for row in noise:
        losses = [float(3 * math.exp(-i / 15 + one)) + 0.02 for i, one in enumerate(row)]
        found_in += "staircase" in bad(Curve(points(losses, epoch=[(i + 1) / 22 for i in range(66)]), source="log"))
    assert found_in <= 2


def test_a_fall_by_the_decay_of_the_learning_rate_is_not_unfinished() -> None:
    losses = [3.0 if i < 160 else 3.0 - (i - 160) / 40 for i in range(200)]
    constant, decayed = [1e-4] * 200, [1e-4 if i < 160 else 1e-4 * (201 - i) / 41 for i in range(200)]
    found_with = {
        name: bad(Curve(points(losses, lr=lr), total_steps=200, finished=True, source="log"))
        for name, lr in (("constant", constant), ("decayed", decayed))
    }
    assert "unfinished" in found_with["constant"] and "unfinished" not in found_with["decayed"]


def test_batches_that_scatter_far_swing_only_where_a_validation_loss_is_known_not_to_fall() -> None:
    noise = np.random.default_rng(0).normal(0, 1.2, 100)
    losses = [float(math.exp(one)) for one in noise]
    held_out = [Evaluation(30, 1.3), Evaluation(60, 1.1), Evaluation(100, 0.9)]
    flat = [replace(one, loss=1.3) for one in held_out]
    assert "oscillating" in bad(Curve(points(losses), flat, source="log"))
    assert "oscillating" not in bad(Curve(points(losses), held_out, source="log"))
    assert "oscillating" not in bad(Curve(points(losses), source="log"))


def test_one_batch_above_guessing_is_a_spike_and_a_hard_one_is_not() -> None:
    def with_one(loss: float) -> Curve:
        usual = [2.5 + 0.3 * (-1) ** (i // 2) for i in range(100)]
        return Curve(points([*usual[:50], loss, *usual[51:]]), vocab_size=512, source="log")

    assert "spike" in bad(with_one(9.0)) and "spike" not in bad(with_one(6.0))


def test_few_records_of_many_epochs_show_stairs_together() -> None:
    """Four records an epoch that scatter by 6 %: a steady fall by as much is none, stairs of 20 % are."""
    alarms, stairs = 0, 0
    for seed in range(10):
        noise = np.exp(0.06 * np.random.default_rng(seed).standard_normal(40))
        epochs = [(i + 1) / 4 for i in range(40)]
        for falls in (False, True):
            steps = [(i + 0.5) / 4 - 0.5 if falls else i // 4 for i in range(40)]
            losses = [2 * 0.8**step * one for step, one in zip(steps, noise, strict=True)]
            named = "staircase" in bad(Curve(points(losses, epoch=epochs), source="log"))
            alarms, stairs = alarms + (named and falls), stairs + (named and not falls)
    assert alarms == 0 and stairs >= 9
