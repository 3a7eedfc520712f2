"""Forecasts how a run will end, from its first steps: a pure function of the curve so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.curves.paired import paired_difference
from sanetune.curves.robust import middle
from sanetune.curves.series import Evaluation
from sanetune.forecast.beginning import FEWEST, Beginning
from sanetune.forecast.outcome import EarlierForecast, LossRange, OutcomeForecast, OutcomeVerdict, own_limit
from sanetune.forecast.outcome_calibration import Calibration, Calibrations, Expected, Stage, calibrations
from sanetune.forecast.outcome_signs import RECENT, Signs, signs_of

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

BETTER = 0.02
"""Share of the base's loss by which a run has to end below it: half of what the least useful of the published
fine-tunes gain, and twice the to and fro of a validation loss."""
REACHED = 0.02
"""Share by which a run may end above what a short run at another learning rate has reached."""
PLACES = 12
"""Points of the drawn path."""
LATER = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the run after which a decision is looked for."""
SURE, MOST_ROWS = 3.0, 100
"""Standard errors by which a difference counts as certain; times as many validation rows as are proposed, at most."""
UNDECIDED: OutcomeVerdict = "not decidable by this trial"


def forecast_outcome(
    curve: Curve,
    lrs: Sequence[float] = (),
    reachable: float | None = None,
    *,
    using: Calibrations | None = None,
) -> OutcomeForecast:
    """Forecast the final validation loss of the run whose beginning is ``curve``.

    Args:
        curve: A trial, or a run so far. A whole run gets its own end as the forecast.
        lrs: Learning rate of each step of the whole run; see :func:`sanetune.forecast.beginning.planned_lrs`. Empty: it
            is taken to stay as it is.
        reachable: The lowest loss on the same rows that a short run at another learning rate has reached, in nats.
        using: The calibrations; None: those of the package.

    Raises:
        TooEarlyError: The curve does not show enough.
    """
    beginning = Beginning.of(curve, lrs)
    known = (using or calibrations()).of(curve.vocab_size)
    there, reason = loss_to_reach(beginning.evaluations[0].loss, reachable)
    now = _forecast(beginning, there, reason, known)
    return replace(now, earlier=tuple(_earlier(beginning, there, known)))


def loss_to_reach(start: float, reachable: float | None) -> tuple[float, str]:
    """Return the loss below which a run has to end, in nats, and what that is in words.

    Args:
        start: Loss of the base.
        reachable: Lowest loss that a short run at another learning rate has reached; None: not known.
    """
    limit = (1 - BETTER) * start
    if reachable is not None and math.isfinite(reachable) and (1 + REACHED) * reachable < limit:
        return (1 + REACHED) * reachable, "what a short run at another learning rate reaches, and 2 % more"
    return limit, f"{units.share(BETTER)} below the base's {units.nats(start)}"


def _forecast(beginning: Beginning, there: float, reason: str, known: Calibration) -> OutcomeForecast:
    signs = signs_of(beginning)
    if beginning.step >= beginning.total_steps:
        return _ended(beginning, signs, there, reason)
    expected = known.expected(signs)
    low, median, high = _stage(beginning, known).interval(expected)
    failing = known.chance_of_failing(signs, expected, there)
    verdict = _verdict(failing, beginning, known)
    decides, steps = ("", None) if verdict != UNDECIDED else _what_decides(beginning, signs, expected, there, known)
    return OutcomeForecast(
        beginning.step,
        beginning.total_steps,
        signs.start,
        there,
        reason,
        low,
        median,
        high,
        failing,
        verdict,
        decides,
        steps,
        tuple(_path(beginning, signs, (low, median, high))),
        lowest=signs.lowest,
    )


def _verdict(failing: float, beginning: Beginning, known: Calibration) -> OutcomeVerdict:
    if beginning.step < known.stages[0].share * beginning.total_steps:
        return UNDECIDED  # earlier than any run that taught the limits
    stage = _stage(beginning, known)
    if failing >= stage.fails:
        return "will not get there"
    return "on track" if failing <= stage.on_track else UNDECIDED


def _stage(beginning: Beginning, known: Calibration) -> Stage:
    return known.stage(beginning.step / beginning.total_steps)


def _ended(beginning: Beginning, signs: Signs, there: float, reason: str) -> OutcomeForecast:
    """A run that has come to its end: nothing is left to forecast."""
    rose = signs.last > own_limit(signs.lowest)
    failed = signs.last > there or rose
    above = f"It ended {units.share(signs.last / signs.lowest - 1)} above its lowest evaluation."
    return OutcomeForecast(
        beginning.step,
        beginning.total_steps,
        signs.start,
        there,
        reason,
        signs.last,
        signs.last,
        signs.last,
        float(failed),
        "will not get there" if failed else "on track",
        notes=(above,) if rose else (),
        lowest=signs.lowest,
    )


def _path(beginning: Beginning, signs: Signs, end: tuple[float, float, float]) -> list[LossRange]:
    """Forecast losses from now to the end: the law's way there, bent so that it ends where the forecast does."""
    progress = beginning.progress
    steps = sorted(
        {round(_between(beginning.step, beginning.total_steps, number / PLACES)) for number in range(PLACES + 1)}
    )
    places = [progress[step] for step in steps]
    mean, _ = signs.law.at(places)
    whole, left = float(mean[-1] - mean[0]), places[-1] - places[0]
    low, median, high = (math.log(one / signs.last) for one in end)
    path = []
    for step, place, law in zip(steps, places, mean, strict=True):
        gone = (place - places[0]) / left if left > 0 else 1.0
        # Where the law hardly moves, its way is that of the schedule.
        way = float(law - mean[0]) / whole if abs(whole) > 1e-3 else gone
        bent, wide = median * way, math.sqrt(gone)
        losses = [signs.last * math.exp(bent + (one - median) * wide) for one in (low, median, high)]
        path.append(LossRange(step, *losses))
    return path


def _between(first: float, last: float, share: float) -> float:
    return first + share * (last - first)


def _earlier(beginning: Beginning, there: float, known: Calibration) -> list[EarlierForecast]:
    """The forecasts of the end from earlier evaluations, at most :data:`PLACES` of them."""
    steps = [one.step for one in beginning.evaluations[FEWEST - 1 : -1]]
    every = -(-len(steps) // PLACES) or 1
    found = []
    for step in steps[::every]:
        then = beginning.until(step)
        signs = signs_of(then)
        expected = known.expected(signs)
        failing = known.chance_of_failing(signs, expected, there)
        found.append(EarlierForecast(step, *_stage(then, known).interval(expected), failing))
    return found


def _what_decides(
    beginning: Beginning, signs: Signs, expected: Expected, there: float, known: Calibration
) -> tuple[str, int | None]:
    """What would decide it, in words, and the further steps that would; None: no number of them short of the end."""
    low, median, high = _stage(beginning, known).interval(expected)
    path = _path(beginning, signs, (low, median, high))
    for share in LATER:
        step = round(share * beginning.total_steps)
        if step <= beginning.step or step >= beginning.total_steps:
            continue
        later = _continued(beginning, signs.last, path, step)
        again = signs_of(later)
        if _verdict(known.chance_of_failing(again, known.expected(again), there), later, known) != UNDECIDED:
            further = step - beginning.step
            by = f"by step {step:,} of {beginning.total_steps:,} at the latest, if the loss goes as forecast"
            return f"about {units.many(further, 'further step')} ({by})", further
    return _rows_that_decide(beginning, median, there), None


def _continued(beginning: Beginning, last: float, path: list[LossRange], step: int) -> Beginning:
    """The beginning as it will be at ``step`` if its losses go from ``last`` on along the median of ``path``."""
    every = max(1, beginning.evaluations[-1].step - beginning.evaluations[-2].step)
    steps = [*range(beginning.step + every, step, every), step]
    at = {one: _on(path, one) for one in steps}
    trained = middle(beginning.losses[-RECENT:])
    return replace(
        beginning,
        step=step,
        evaluations=(*beginning.evaluations, *(Evaluation(one, loss) for one, loss in at.items())),
        steps=(*beginning.steps, *steps),
        losses=(*beginning.losses, *(trained * loss / last for loss in at.values())),
    )


def _on(path: list[LossRange], step: int) -> float:
    """The median of ``path`` at ``step``, in between by a straight line."""
    for before, after in pairwise(path):
        if step <= after.step:
            share = (step - before.step) / max(1, after.step - before.step)
            return _between(before.median, after.median, share)
    return path[-1].median


def _rows_that_decide(beginning: Beginning, median: float, there: float) -> str:
    """How many validation rows would tell the forecast from ``there``, where more would."""
    first, last = beginning.evaluations[0], beginning.evaluations[-1]
    change = paired_difference(first, last)
    if change is None or median == there:
        return "the rest of the run alone"
    rows = math.ceil(change.n * (SURE * change.std_error / (median - there)) ** 2)
    if not change.n < rows <= MOST_ROWS * change.n:
        return "the rest of the run alone"
    return f"{units.many(rows, 'validation row')} instead of {change.n:,}, and the rest of the run"
