"""From the signs of a beginning to the final loss and the chance of failing, as whole runs have shown.

`python -m bench.outcome --fit` makes the numbers in ``outcome_calibration.json``, once from runs of tiny models by this
project's engine and once from logs of public runs:
a linear correction of the law's forecast, which fades as the run comes to its end, a linear model of how far that is
off, and a logistic regression of failing; for each stage of a run the quantiles of what is left (conformal prediction,
`arXiv:2107.07511 <https://arxiv.org/abs/2107.07511>`_), and the chances that decide.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sanetune.forecast.outcome import own_limit
from sanetune.forecast.outcome_signs import SHORTEST, Signs
from sanetune.typed_json import from_json

FILE = Path(__file__).with_suffix(".json")
NARROW, WIDE = 0.005, 2.0
"""Least and largest standard deviation of the logarithm of the final loss."""
FADES = 0.7
"""Power of what is left by which a run's further change fades: of 0.5, 0.7, 0.85 and 1 the best in bench.outcome over
all stages of a run."""
FAR = 4.0
"""Largest distance of a loss from the forecast in the logistic regression, in standard deviations."""
USUAL = 4_096
"""Tokens of a vocabulary from which on a model is a usual one; those of the tiny models are smaller. Tiny models go on
falling where usual ones, which know the language, have arrived. Models of single bytes (ByT5: 384) count as tiny."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear model of standardised signs.

    Attributes:
        names: The signs, by name.
        mean: Of each.
        scale: Standard deviation of each.
        weights: Of each.
        constant: The value where all signs are at their mean.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    constant: float

    def __call__(self, values: Mapping[str, float]) -> float:
        """The value at these signs.

        >>> Linear(("a",), (1.0,), (2.0,), (3.0,), 0.5)({"a": 3.0})
        3.5
        """
        terms = zip(self.names, self.mean, self.scale, self.weights, strict=True)
        return self.constant + sum(weight * (values[name] - mean) / scale for name, mean, scale, weight in terms)


@dataclass(frozen=True, slots=True)
class Expected:
    """The final loss as the signs have it: its logarithm is ``centre``, give or take ``spread``."""

    centre: float
    spread: float


@dataclass(frozen=True, slots=True)
class Stage:
    """How sure forecasts are from a share of a run on.

    Attributes:
        share: The share of the run's steps.
        quantiles: Of how far the end is from the forecast over the spread, at 10, 50 and 90 %.
        on_track: Chance of failing up to which a run is on track.
        fails: Chance of failing from which on a run will not get there.
    """

    share: float
    quantiles: tuple[float, float, float]
    on_track: float
    fails: float

    def interval(self, expected: Expected) -> tuple[float, float, float]:
        """The 10 % quantile, the median and the 90 % quantile of the final loss, in nats."""
        low, median, high = (math.exp(expected.centre + one * expected.spread) for one in self.quantiles)
        return low, median, high


@dataclass(frozen=True, slots=True)
class Calibration:
    """What whole runs have taught.

    Attributes:
        runs: How many they were.
        law: Share of the law's own forecast that is added to the correction: 1, or 0 where that has it among its signs.
        centre: Logarithm of final loss over last evaluation, over what is left to the power :data:`FADES`.
        spread: Logarithm of the size of what is left of it.
        failing: Log odds of failing.
        stages: Of a run, by rising share.
    """

    runs: int
    law: float
    centre: Linear
    spread: Linear
    failing: Linear
    stages: tuple[Stage, ...]

    def expected(self, signs: Signs) -> Expected:
        """The final loss of a run with these signs."""
        spread = math.exp(self.spread(signs.values))
        to_come = self.law * signs.values["fall"] + fading(signs) * self.centre(signs.values)
        return Expected(math.log(signs.last) + to_come, min(WIDE, max(NARROW, spread)))

    def stage(self, share: float) -> Stage:
        """The stage that a run is in after ``share`` of its steps; before the first one, the first."""
        return max((one for one in self.stages if one.share <= share), key=_share, default=self.stages[0])

    def chance_of_failing(self, signs: Signs, expected: Expected, there: float) -> float:
        """The chance that the run ends above ``there`` (nats), or clearly above its own lowest evaluation."""
        odds = self.failing(failing_signs(signs, expected, there))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


@dataclass(frozen=True, slots=True)
class Calibrations:
    """What runs of two kinds of models have taught.

    Attributes:
        tiny: Of models with less than :data:`USUAL` tokens.
        usual: Of the others.
    """

    tiny: Calibration
    usual: Calibration

    def of(self, vocab_size: int | None) -> Calibration:
        """The one for a model of so many tokens; None: not known, and as usual."""
        return self.tiny if vocab_size is not None and vocab_size < USUAL else self.usual


def failing_signs(signs: Signs, expected: Expected, there: float) -> dict[str, float]:
    """The signs, and how far the forecast is from the losses (nats) ``there`` and lowest so far, in deviations."""

    def distance(loss: float) -> float:
        return max(-FAR, min(FAR, (expected.centre - math.log(max(loss, 1e-6))) / expected.spread))

    limits = {"from_there": distance(there), "from_own": distance(own_limit(signs.lowest))}
    return signs.values | limits | {"from_nearest": max(limits.values())}


def fading(signs: Signs) -> float:
    """What is left of the run to the power :data:`FADES`: the less is to come, the less the loss will change.

    It is 1 at the start of a run, and nothing at its end.
    """
    return math.pow(max(SHORTEST, signs.values["left"]), FADES)


def _share(one: Stage) -> float:
    return one.share


@functools.cache
def calibrations() -> Calibrations:
    """The calibrations that come with the package."""
    return from_json(Calibrations, json.loads(FILE.read_text(encoding="utf-8")))


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile of ``values`` that covers ``share`` of further ones (conformal: of n + 1).

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.8)
    4.0
    """
    ordered = sorted(values)
    place = math.ceil(share * (len(ordered) + 1)) if share > 0.5 else math.floor(share * (len(ordered) + 1))
    return ordered[max(0, min(len(ordered) - 1, place - 1))]
