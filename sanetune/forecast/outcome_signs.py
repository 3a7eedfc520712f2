"""What the beginning of a run says about its end, as numbers: the law's forecast, and what the law does not know."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from sanetune.curves.robust import middle
from sanetune.forecast.beginning import FEWEST
from sanetune.forecast.rectified import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanetune.forecast.beginning import Beginning
    from sanetune.forecast.rectified import Fitted

RECENT = 5
"""Training losses whose median is the present one, at least; a quarter of them all where that is more."""
THINNED = 200
"""Training losses that the law is fitted to, at most."""
LOWEST = 1e-6
"""Loss in nats that one of 0 or less counts as, which is what memorised rows are logged with."""
LEAST = 0.005
"""Added to changes of the logarithm of a loss before their own logarithm is taken."""
SHORTEST = 0.02
"""Share of the summed learning rate that is counted as still to come, at least, where it divides."""
FADING = ("fall", "doubt", "slope", "unseen", "repeats", "changed", "changed_before")
"""Signs that are also read per what is left (``..._per_left``)."""
MOST = 6.0
"""Largest size of a sign: beyond it a curve is unlike those that the calibration knows."""


@dataclass(frozen=True, slots=True)
class Signs:
    """A fitted law, and the signs by name.

    Attributes:
        law: The law.
        start: First evaluation, in nats.
        last: Last evaluation, in nats.
        lowest: Lowest evaluation, in nats.
        values: The signs; see :func:`signs_of`.
    """

    law: Fitted
    start: float
    last: float
    lowest: float
    values: dict[str, float]


def signs_of(beginning: Beginning) -> Signs:
    """Fit the law to a beginning and read its signs.

    ``fall`` is the logarithm of the law's final loss over the last evaluation, ``doubt`` its standard deviation;
    ``left`` the share of the summed learning rate that is still to come; ``slope`` the present slope of the evaluations
    carried on over what is left; ``done`` the logarithm of last over first evaluation; ``gap`` that of present
    training loss over last evaluation, where it is negative: rows are memorised; ``unseen`` and ``repeats`` the
    logarithms of the epochs to come after the present one, alone and times what is memorised; ``above`` that of the
    last evaluation over the lowest; ``changed`` and ``changed_before`` those of the last two evaluations over the ones
    before them, without the start where there are others; ``misfit``, ``moved`` and ``moves`` the logarithms of how far
    evaluations are from the law, and of how much they change from one to the next, in the middle and now.
    """
    progress = beginning.progress
    evaluations = beginning.evaluations
    places = [progress[min(one.step, beginning.total_steps)] for one in evaluations]
    losses = [max(one.loss, LOWEST) for one in evaluations]
    law = law_of(places, losses, *_thinned(beginning, progress))
    mean, deviation = law.at([1.0])
    start, last, left = losses[0], losses[-1], 1 - places[-1]
    gap = _gap(beginning, last)
    seen = beginning.epochs * beginning.step / beginning.total_steps
    unseen = math.log1p(max(0.0, beginning.epochs - max(1.0, seen)))
    values = {
        "fall": float(mean[0]) - math.log(last),
        "doubt": float(deviation[0]),
        "left": left,
        "slope": _slope(places, losses) * left,
        "done": math.log(last / start),
        "gap": gap,
        "unseen": unseen * left,
        "repeats": -gap * math.log1p(max(0.0, beginning.epochs - seen)),
        "above": math.log(last / min(losses)),
        "log_left": math.log(max(left, SHORTEST)),
        **_changes(losses),
    } | _unrest(law, places, losses)
    values |= {f"{name}_per_left": values[name] / max(left, SHORTEST) for name in FADING}
    bounded = {name: max(-MOST, min(MOST, value)) for name, value in values.items()}
    return Signs(law, start, last, min(losses), bounded)


def law_of(
    places: Sequence[float],
    losses: Sequence[float],
    training_places: Sequence[float] = (),
    training: Sequence[float] = (),
) -> Fitted:
    """Fit the law to evaluations, with the training losses after its start.

    The base is far above what a few steps make of it, and no law bends so sharply and then as a fine-tune does: where
    enough other evaluations are there, the law begins at the first of them.
    """
    first = 1 if len(places) > FEWEST else 0
    trained = [(place, loss) for place, loss in zip(training_places, training, strict=True) if place >= places[first]]
    return fit(places[first:], losses[first:], [place for place, _ in trained], [loss for _, loss in trained])


def _thinned(beginning: Beginning, progress: list[float]) -> tuple[list[float], list[float]]:
    """The progress in the middle of what each training loss is of, and the losses; where there are too many, means."""
    ends = [progress[step] for step in beginning.steps]
    # A logged loss is the mean since the one before it.
    places = (
        [(before + end) / 2 for before, end in pairwise([progress[max(0, beginning.steps[0] - 1)], *ends])]
        if ends
        else []
    )
    every = -(-len(places) // THINNED) or 1
    starts = range(0, len(places) - every + 1, every)
    return (
        [fmean(places[at : at + every]) for at in starts],
        [fmean(beginning.losses[at : at + every]) for at in starts],
    )


def _unrest(law: Fitted, places: list[float], losses: list[float]) -> dict[str, float]:
    """How unsteady the evaluations after the first are: the more they are, the less is known of the end."""
    mean, _ = law.at(places[1:])
    logs = [math.log(loss) for loss in losses]
    off = [(value - float(expected)) ** 2 for value, expected in zip(logs[1:], mean, strict=True)]
    changes = [abs(after - before) for before, after in pairwise(logs[1:])]
    return {
        "misfit": math.log(LEAST + math.sqrt(fmean(off))),
        "moved": math.log(LEAST + middle(changes)),
        "moves": math.log(LEAST + changes[-1]),
    }


def _changes(losses: list[float]) -> dict[str, float]:
    """The logarithms of the last two evaluations over the ones before them."""
    after_start = losses[1:] if len(losses) > FEWEST else losses
    changes = [math.log(after / before) for before, after in pairwise(after_start)]
    return {"changed": changes[-1], "changed_before": changes[-2]}


def _gap(beginning: Beginning, last: float) -> float:
    """The logarithm of the present training loss over the last evaluation, at most 0."""
    count = max(RECENT, len(beginning.losses) // 4)
    recent = middle(beginning.losses[-count:])
    return min(0.0, math.log(max(recent, LOWEST) / last)) if math.isfinite(recent) else 0.0


def _slope(places: list[float], losses: list[float]) -> float:
    """The change of the logarithm of the loss per progress over the last two intervals; only falls and rises that go
    on count, so that it is the smaller of both where they agree in sign, and else 0."""
    slopes = []
    for number in (-2, -1):
        way = places[number] - places[number - 1]
        slopes.append(math.log(losses[number] / losses[number - 1]) / way if way > 0 else 0.0)
    if slopes[0] * slopes[1] <= 0:
        return 0.0
    return min(slopes, key=abs)
