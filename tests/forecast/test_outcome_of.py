"""The end of a run is forecast from its beginning: what is told, what is refused, and what would decide it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sanetune.curves.series import Curve, Evaluation
from sanetune.forecast.beginning import Beginning, TooEarlyError, reachable
from sanetune.forecast.outcome import OutcomeForecast
from sanetune.forecast.outcome_calibration import Calibration, Calibrations, Linear, Stage, calibrations, failing_signs
from sanetune.forecast.outcome_of import forecast_outcome
from sanetune.forecast.outcome_signs import signs_of
from sanetune.probes.results import LearningRateComparison, LearningRateRun
from sanetune.typed_json import from_json, to_json
from tests.forecast.outcomes_made import law, run

NOTHING = Linear((), (), (), (), 0.0)


def known(**changed: object) -> Calibration:
    """A calibration that believes the law, give or take 1 %, and calls a run failing by its distance from the limit."""
    fall = Linear(("fall_per_left",), (0.0,), (1.0,), (1.0,), 0.0)
    spread = replace(NOTHING, constant=math.log(0.01))
    failing = Linear(("from_there",), (0.0,), (1.0,), (3.0,), 0.0)
    stages = (Stage(0.0, (-1.28, 0.0, 1.28), 0.05, 0.95),)
    return replace(Calibration(1, 0.0, fall, spread, failing, stages), **changed)  # type: ignore[arg-type]


def both(used: Calibration | None = None, **changed: object) -> Calibrations:
    """The same for tiny and for usual models."""
    one = used or known(**changed)
    return Calibrations(one, one)


def test_a_run_that_follows_the_law_is_on_track_and_its_end_inside_the_interval() -> None:
    found = forecast_outcome(run(0.5), using=both())
    true = law(1.0, 2.0, 1.4, 0.1)
    assert found.verdict == "on track" and not found.decides
    assert found.low < found.median < found.high
    assert found.median == pytest.approx(true, rel=0.03)
    assert found.there == pytest.approx(0.98 * 2.0)


def test_a_run_that_hardly_moves_will_not_get_there() -> None:
    assert forecast_outcome(run(0.5, end=1.999), using=both()).verdict == "will not get there"


def test_the_calibration_of_the_package_tells_a_sound_run_from_one_that_climbs() -> None:
    sound, climbing = forecast_outcome(run(0.5)), forecast_outcome(run(0.5, end=3.0))
    assert sound.failing < 0.5 < climbing.failing
    assert sound.median < 1.7 and climbing.median > 2.2


def test_what_another_learning_rate_has_reached_is_asked_of_the_run() -> None:
    found = forecast_outcome(run(0.5), reachable=1.0, using=both())
    assert found.there == pytest.approx(1.02)
    assert found.verdict == "will not get there"
    assert "another learning rate" in found.there_is


def test_an_undecided_run_says_after_how_many_steps_it_will_be() -> None:
    # Wide at the beginning, narrow at the end.
    spread = Linear(("left",), (0.0,), (1.0,), (5.0,), math.log(0.002))
    found = forecast_outcome(run(0.2, end=1.85), using=both(spread=spread))
    assert found.verdict == "not decidable by this trial"
    assert found.further_steps is not None and 0 < found.further_steps < 320
    by = f"by step {found.step + found.further_steps:,} of 400 at the latest, if the loss goes as forecast"
    assert found.decides == f"about {found.further_steps:,} further steps ({by})"
    later = forecast_outcome(run(0.2 + found.further_steps / 400, end=1.85), using=both(spread=spread))
    assert later.verdict == "on track"


def test_where_no_step_decides_it_rows_or_the_end_do() -> None:
    middle = known(failing=NOTHING)  # always as likely as not
    assert forecast_outcome(run(0.25, end=1.9), using=both(middle)).decides == "the rest of the run alone"
    # One row falls and one does not: their difference is hardly known.
    noisy = run(0.25, end=1.8)
    last = noisy.validation[-1]
    noisy.validation[-1] = Evaluation.of(last.step, [last.sums[0] + 2, last.sums[1] - 2], [10, 10])
    found = forecast_outcome(noisy, using=both(middle))
    assert "validation rows instead of 2" in found.decides and found.further_steps is None


def test_a_whole_run_that_ended_above_its_own_lowest_says_so() -> None:
    curve = run(1.0)
    rest = [replace(one, step=one.step) for one in curve.validation]
    rest[-1] = replace(rest[-1], loss=1.1 * rest[-2].loss)
    found = forecast_outcome(replace(curve, validation=rest), using=both())
    assert found.verdict == "will not get there" and found.median < found.there
    assert found.lowest == rest[-2].loss and found.notes == ("It ended 10 % above its lowest evaluation.",)


def test_a_whole_run_has_its_own_end_as_forecast() -> None:
    found = forecast_outcome(run(1.0))
    assert found.low == found.median == found.high == pytest.approx(law(1.0, 2.0, 1.4, 0.1))
    assert (found.verdict, found.failing) == ("on track", 0.0)
    turned = run(1.0)
    turned.validation[-1] = Evaluation(400, 1.6 * turned.validation[-1].loss)
    assert forecast_outcome(turned).verdict == "will not get there"


def test_the_path_leads_from_the_last_evaluation_to_the_interval() -> None:
    found = forecast_outcome(run(0.25))
    first, last = found.path[0], found.path[-1]
    assert (first.step, last.step) == (100, 400)
    assert first.low == first.median == first.high == pytest.approx(law(0.25, 2.0, 1.4, 0.1))
    assert (last.low, last.median, last.high) == pytest.approx((found.low, found.median, found.high))
    assert [one.step for one in found.path] == sorted({one.step for one in found.path})


def test_earlier_forecasts_are_those_that_were_made_then() -> None:
    found = forecast_outcome(run(0.5))
    earlier = next(one for one in found.earlier if one.step == 100)
    then = forecast_outcome(run(0.25))
    assert (earlier.low, earlier.median, earlier.high) == pytest.approx((then.low, then.median, then.high))


def test_a_schedule_that_decays_leaves_less_to_come() -> None:
    decaying = [400.0 - step for step in range(400)]
    curve = run(0.5)
    curve = replace(curve, points=[replace(one, lr=decaying[one.step - 1]) for one in curve.points])
    assert signs_of(Beginning.of(curve, decaying)).values["left"] == pytest.approx(0.25, abs=0.01)
    assert signs_of(Beginning.of(run(0.5))).values["left"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("curve", "why"),
    [
        (replace(run(), total_steps=None), "length of the run"),
        (replace(run(), validation=run().validation[1:]), "base was not evaluated"),
        (replace(run(), validation=run().validation[:2]), "2 of the 3 evaluations"),
        (Curve(total_steps=10), "no validation rows"),
    ],
)
def test_a_curve_that_shows_too_little_is_refused_with_what_it_lacks(curve: Curve, why: str) -> None:
    with pytest.raises(TooEarlyError, match=why):
        forecast_outcome(curve)


def test_losses_that_are_no_numbers_are_left_out() -> None:
    curve = run(0.5)
    curve.validation.insert(3, Evaluation(60, math.nan))
    curve.points[10] = replace(curve.points[10], loss=math.inf)
    assert math.isfinite(forecast_outcome(curve).median)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_run_that_comes_to_a_loss_of_zero_has_a_forecast(share: float) -> None:
    curve = run(share)
    curve.validation[-2:] = [
        replace(one, loss=loss) for one, loss in zip(curve.validation[-2:], (1e-9, 0.0), strict=True)
    ]
    curve.points[:] = [replace(one, loss=0.0) for one in curve.points]
    found = forecast_outcome(curve, using=both(known(failing=NOTHING)))
    assert all(math.isfinite(one) for one in (found.low, found.median, found.high, found.failing))
    assert 0 < found.median < 1e-3


def test_a_comparison_on_other_rows_is_taken_in_proportion_to_the_base() -> None:
    comparison = compared([3.0] * 8, [3.5 + 0.01 * row for row in range(8)])
    assert reachable(comparison, run()) == pytest.approx(1.5)
    assert reachable(comparison, Curve()) is None


def test_what_is_ahead_by_chance_is_nothing_to_reach() -> None:
    by_chance = [3.0 + 0.6 * (-1) ** row for row in range(8)]
    assert reachable(compared(by_chance, [3.1] * 8), run()) is None
    assert reachable(compared([3.0] * 8, [2.9] * 8), run()) is None


def compared(best: list[float], planned: list[float]) -> LearningRateComparison:
    """A comparison whose run at the planned learning rate, and one at another, end at these losses of rows."""

    def evaluation(losses: list[float]) -> Evaluation:
        return Evaluation.of(40, [10 * loss for loss in losses], [10] * len(losses))

    runs = [LearningRateRun(1e-4, [], evaluation(planned)), LearningRateRun(3e-4, [], evaluation(best))]
    return LearningRateComparison(1e-4, 40, Evaluation(0, 4.0), runs)


def test_the_forecast_goes_to_json_and_back() -> None:
    found = forecast_outcome(run())
    assert from_json(OutcomeForecast, to_json(found)) == found


def test_the_signs_that_the_calibration_weighs_are_read() -> None:
    signs = signs_of(Beginning.of(run()))
    for used in (calibrations().tiny, calibrations().usual):
        expected = used.expected(signs)
        assert {*used.centre.names, *used.spread.names} <= signs.values.keys()
        assert set(used.failing.names) <= failing_signs(signs, expected, 1.0).keys()
        for one in used.stages:
            assert one.quantiles[0] < one.quantiles[1] < one.quantiles[2]
            assert 0 < one.on_track < one.fails <= 1


def test_a_model_of_few_tokens_is_judged_as_a_tiny_one_and_one_of_unknown_size_as_usual() -> None:
    rising = replace(known(), centre=replace(NOTHING, constant=1.0))
    used = Calibrations(tiny=rising, usual=known())
    tiny, usual, unknown = (
        forecast_outcome(replace(run(0.3), vocab_size=size), using=used) for size in (2048, 32_000, None)
    )
    assert usual.median == unknown.median < 2.0 < tiny.median
    assert usual.earlier == unknown.earlier != tiny.earlier


def test_the_law_alone_forecasts_where_nothing_corrects_it() -> None:
    alone = replace(known(), law=1.0, centre=NOTHING)
    found = forecast_outcome(run(0.5), using=both(alone))
    signs = signs_of(Beginning.of(run(0.5)))
    assert math.log(found.median / signs.last) == pytest.approx(signs.values["fall"])


def test_a_run_is_judged_by_the_latest_stage_that_it_has_come_to() -> None:
    early, late = Stage(0.2, (-2.0, 0.0, 2.0), 0.1, 0.9), Stage(0.6, (-1.0, 0.0, 1.0), 0.2, 0.8)
    used = known(stages=(early, late))
    assert [used.stage(share) for share in (0.1, 0.2, 0.59, 0.6, 1.0)] == [early, early, early, late, late]
    before, after = (forecast_outcome(run(share), using=both(used)) for share in (0.5, 0.625))
    assert math.log(before.high / before.low) == pytest.approx(2 * math.log(after.high / after.low))


def test_nothing_is_decided_earlier_than_in_any_run_that_taught_the_limits() -> None:
    late = known(stages=(Stage(0.3, (-1.28, 0.0, 1.28), 0.05, 0.95),))
    assert forecast_outcome(run(0.25), using=both(late)).verdict == "not decidable by this trial"
    assert forecast_outcome(run(0.3), using=both(late)).verdict == "on track"


def test_what_is_still_to_come_fades_to_nothing_at_the_end_of_a_run() -> None:
    rising = replace(known(), centre=replace(NOTHING, constant=1.0))
    last = {share: forecast_outcome(run(share), using=both(rising)) for share in (0.25, 0.5, 0.9375)}
    above = [math.log(one.median / law(share, 2.0, 1.4, 0.1)) for share, one in last.items()]
    assert above == pytest.approx([(1 - share) ** 0.7 for share in last], rel=1e-6)
