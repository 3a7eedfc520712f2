"""Fits the calibration of forecasts of the outcome to whole runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.outcome.table import WholeRun, failure, reachable
from sanetune.forecast.beginning import Beginning, TooEarlyError
from sanetune.forecast.outcome_calibration import (
    Calibration,
    Linear,
    Stage,
    fading,
    failing_signs,
    quantile,
)
from sanetune.forecast.outcome_of import loss_to_reach
from sanetune.forecast.outcome_signs import FADING, Signs, signs_of

Array = NDArray[np.float64]

AFTER = (0.17, 0.25, 0.34, 0.5, 0.67, 0.84)
"""Shares of a brief run after which its end is forecast."""
AFTER_TRIAL = (0.0, *AFTER[3:])
"""The same of a long one; 0: after its trial."""


class Kind(NamedTuple):
    """How runs of one kind are fitted.

    Attributes:
        law: How much of the law's own forecast counts, beside what the signs say.
        centre: Signs of what is to come.
        spread: Signs of how far off that is.
        failing: Signs of failing.
    """

    law: float
    centre: tuple[str, ...]
    spread: tuple[str, ...]
    failing: tuple[str, ...]


CENTRE = ("fall", "left", "done", "gap", "above", "moves", *(f"{name}_per_left" for name in FADING))
SPREAD = ("doubt", "unseen", "repeats", "misfit", "moves", "moved", "log_left")
FAILING = ("from_there", "from_own", "from_nearest", "left", "gap", "unseen", "repeats", "above", "done")
TINY = Kind(0.0, CENTRE, SPREAD, FAILING)
USUAL = Kind(1.0, (), ("doubt", "misfit", "moved", "moves", "repeats", "log_left"), ("from_nearest", "above", "gap"))
"""Public runs with as many evaluations are few: no sign that was tried lowers the law's error on those left out."""
LIKELY = 0.25
"""Largest chance of failing of a run that is on track."""
RIDGE, ROUNDS = 3.0, 30
CONDEMNED, MISSED = 0.02, 0.03
"""Share of good runs that may be called failing and of failing ones on track, among runs that were not fitted."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A run after a share of its steps.

    Attributes:
        run: The run.
        stage: The share; 0: its trial.
        signs: What its beginning says.
        there: The loss that it has to get below.
        failure: Why it failed in the end; "": it did not.
    """

    run: WholeRun
    stage: float
    signs: Signs
    there: float
    failure: str

    @property
    def share(self) -> float:
        """The last of :data:`AFTER` that the run has come to."""
        return max((one for one in AFTER if one <= self.run.share(self.stage)), default=AFTER[0])


class LeftOut(NamedTuple):
    """A run after a share of its steps, judged by a fit without its data set.

    Attributes:
        share: The share.
        failing: Chance of failing that it was given.
        failed: Whether it failed.
        off: How far its end is from the forecast, in spreads; NaN where it broke off.
    """

    share: float
    failing: float
    failed: bool
    off: float


def seen(runs: Sequence[WholeRun], after: Sequence[float] = AFTER) -> list[Seen]:
    """The runs after each of these shares of their steps; those that nothing can be told of are left out, and long ones
    whose trial was longer."""
    found = []
    for stage in after:
        then = [run for run in runs if run.comes_to(stage)]
        reached = reachable(then, stage)
        for run in then:
            best = reached.get(run.family)
            try:
                signs = signs_of(Beginning.of(run.first(stage), run.lrs))
            except TooEarlyError:
                continue
            there, _ = loss_to_reach(run.losses[0], best)
            found.append(Seen(run, stage, signs, there, failure(run, best)))
    return found


def parts(runs: Sequence[WholeRun]) -> tuple[list[WholeRun], list[WholeRun]]:
    """The brief and the long ones."""
    return [run for run in runs if not run.is_long], [run for run in runs if run.is_long]


def seen_of_all(runs: Sequence[WholeRun]) -> list[Seen]:
    """What is seen of brief runs and of long ones."""
    brief, long = parts(runs)
    return [*seen(brief), *seen(long, AFTER_TRIAL)]


def fitted(some: Sequence[Seen], kind: Kind = TINY, stages: bool = True) -> Calibration:
    """The calibration from these; ``stages``: with what parts that are left out in turn show of its errors."""
    ended = [one for one in some if math.isfinite(one.run.final)]
    values = [one.signs.values for one in ended]
    law = kind.law * np.array([one["fall"] for one in values])
    target = np.array([math.log(one.run.final / one.signs.last) for one in ended]) - law
    fades = np.array([fading(one.signs) for one in ended])
    nothing = Linear((), (), (), (), 0.0)
    centre = _least_absolute(values, kind.centre, target, fades) if kind.centre else nothing
    off = target - fades * np.array([centre(one) for one in values])
    spread = _ridge(values, kind.spread, np.log(np.abs(off) + 0.003))
    known = Calibration(len({one.run for one in some}), kind.law, centre, spread, nothing, ())
    signs = [failing_signs(one.signs, known.expected(one.signs), one.there) for one in some]
    failing = _logistic(signs, kind.failing, np.array([float(bool(one.failure)) for one in some]))
    return replace(known, failing=failing, stages=tuple(_stages(some, kind)) if stages else ())


def without(some: Iterable[Seen], data: str) -> list[Seen]:
    """Those of other data sets."""
    return [one for one in some if one.run.setup[1] != data]


def _left_out(some: Sequence[Seen], kind: Kind) -> Iterator[LeftOut]:
    """Each run as it is judged by a fit without its data set."""
    for data in sorted({one.run.setup[1] for one in some}):
        known = fitted(without(some, data), kind, stages=False)
        for one in some:
            if one.run.setup[1] != data:
                continue
            expected = known.expected(one.signs)
            failing = known.chance_of_failing(one.signs, expected, one.there)
            off = (math.log(one.run.final) - expected.centre) / expected.spread
            yield LeftOut(one.share, failing, bool(one.failure), off)


def _stages(some: Sequence[Seen], kind: Kind) -> Iterator[Stage]:
    """What decides and how wide intervals are at each share of a run, from data sets left out in turn."""
    judged = list(_left_out(some, kind))
    for share in sorted({one.share for one in judged}):
        then = [one for one in judged if one.share == share]
        off = np.array([one.off for one in then if math.isfinite(one.off)])
        low, middle, high = _quantiles(off)
        # Where no sign corrects the law, neither does the median of a few dozen runs.
        yield Stage(share, (low, middle if kind.centre else 0.0, high), *_limits(then))


def _quantiles(off: Array) -> tuple[float, float, float]:
    values = [float(one) for one in off]
    return quantile(values, 0.1), float(np.median(off)), quantile(values, 0.9)


def _limits(judged: Sequence[LeftOut]) -> tuple[float, float]:
    good = sorted(one.failing for one in judged if not one.failed)
    bad = sorted(one.failing for one in judged if one.failed)
    fails = max(0.5, good[min(len(good) - 1, math.ceil((1 - CONDEMNED) * len(good)))])
    on_track = min(LIKELY, bad[int(MISSED * len(bad))])
    return on_track, fails


def _standard(values: Sequence[dict[str, float]], names: tuple[str, ...]) -> tuple[Array, Array, Array]:
    raw = np.array([[one[name] for name in names] for one in values])
    mean, scale = raw.mean(0), raw.std(0) + 1e-6
    return (raw - mean) / scale, mean, scale


def _linear(names: tuple[str, ...], mean: Array, scale: Array, weights: Array) -> Linear:
    def plain(some: Array) -> tuple[float, ...]:
        return tuple(float(f"{one:.6g}") for one in some)

    return Linear(names, plain(mean), plain(scale), plain(weights[1:]), float(f"{weights[0]:.6g}"))


def _solved(signs: Array, target: Array, weight: Array) -> Array:
    columns = np.column_stack([np.ones(len(signs)), signs])
    penalty = RIDGE * np.eye(columns.shape[1])
    penalty[0, 0] = 0.0
    solution: Array = np.linalg.solve(columns.T @ (weight[:, None] * columns) + penalty, columns.T @ (weight * target))
    return solution


def _ridge(values: Sequence[dict[str, float]], names: tuple[str, ...], target: Array) -> Linear:
    signs, mean, scale = _standard(values, names)
    return _linear(names, mean, scale, _solved(signs, target, np.ones(len(target))))


def _least_absolute(values: Sequence[dict[str, float]], names: tuple[str, ...], target: Array, fades: Array) -> Linear:
    """Least absolute errors, by reweighting: a few runs that go elsewhere do not move the median.

    Args:
        values: Signs by name.
        names: Those that are used.
        target: What the linear model times ``fades`` is to be.
        fades: Of each.
    """
    signs, mean, scale = _standard(values, names)
    weight = np.ones(len(target))
    for _ in range(ROUNDS):
        weights = _solved(signs, target / fades, weight * fades**2)
        off = np.abs(target - fades * (weights[0] + signs @ weights[1:]))
        weight = 1 / np.maximum(off, 0.01)
        weight *= len(weight) / weight.sum()
    return _linear(names, mean, scale, weights)


def _logistic(values: Sequence[dict[str, float]], names: tuple[str, ...], target: Array) -> Linear:
    """Logistic regression, by Newton's steps."""
    signs, mean, scale = _standard(values, names)
    weights = np.zeros(signs.shape[1] + 1)
    for _ in range(ROUNDS):
        odds = np.clip(weights[0] + signs @ weights[1:], -30, 30)
        chance = 1 / (1 + np.exp(-odds))
        weight = np.maximum(chance * (1 - chance), 1e-6)
        weights = _solved(signs, odds + (target - chance) / weight, weight)
    return _linear(names, mean, scale, weights)
