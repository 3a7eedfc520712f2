"""How a run is forecast to end: its final validation loss with an interval, and whether it gets where it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sanetune import units

OWN = 1.05
"""A run that ends above its lowest evaluation times this has failed: as curve-overfit fails (logs/wild)."""
OWN_LEAST = 0.01
"""Nats by which it has to be above it at least: of a few hundredths a twentieth is what evaluations scatter by."""
OutcomeVerdict = Literal["on track", "will not get there", "not decidable by this trial"]


@dataclass(frozen=True, slots=True)
class LossRange:
    """A forecast loss at one step, in nats per token in the loss.

    Attributes:
        step: Optimizer steps done.
        low: The loss is below it with a chance of 10 %.
        median: The middle of the forecast.
        high: The loss is above it with a chance of 10 %.
    """

    step: int
    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class EarlierForecast:
    """What was forecast of the end when the run was at an earlier step.

    Attributes:
        step: Optimizer steps done at that time.
        low: Lower end of the 80 % interval of the final loss, in nats.
        median: Median of the final loss.
        high: Upper end of the interval.
        failing: Chance that the run does not get there.
    """

    step: int
    low: float
    median: float
    high: float
    failing: float


@dataclass(frozen=True, slots=True)
class OutcomeForecast:
    """The forecast end of a run. Losses are those of the validation rows, in nats per token in the loss.

    A run gets there if it ends below ``there`` and not clearly above its own lowest evaluation.

    Attributes:
        step: Optimizer steps that are known.
        total_steps: Steps of the whole run.
        start: Loss of the base.
        there: The loss below which the run has to end.
        there_is: What that loss is, in words.
        low: Lower end of the 80 % interval of the final loss.
        median: Its median.
        high: Upper end of the interval.
        failing: Chance that the run does not get there, from 0 to 1.
        verdict: What follows.
        decides: What would decide it, in words; "": it is decided.
        further_steps: Steps after which it can be expected to be decided; None: it is, or no number of steps does it.
        path: Forecast losses from now to the end.
        earlier: Forecasts of the end from the evaluations before, the first one first.
        notes: What the forecast leaves out, or what else is wrong with an end that is known, one sentence each.
        lowest: Lowest evaluation so far, the base's among them; None: not known.
    """

    step: int
    total_steps: int
    start: float
    there: float
    there_is: str
    low: float
    median: float
    high: float
    failing: float
    verdict: OutcomeVerdict
    decides: str = ""
    further_steps: int | None = None
    path: tuple[LossRange, ...] = ()
    earlier: tuple[EarlierForecast, ...] = ()
    notes: tuple[str, ...] = ()
    lowest: float | None = None


def aim(there: float, there_is: str, lowest: float | None) -> str:
    """Return what a run has to come to, in words; the arguments, losses in nats, are those of :class:`OutcomeForecast`.

    >>> aim(1.9, "2 % below the base's 1.939", 1.5)
    "below 1.900 (2 % below the base's 1.939), and not 5 % above its lowest evaluation (1.500 so far)"
    """
    below = f"below {units.nats(there)} ({there_is})"
    if lowest is None:
        return below
    by = units.share(OWN - 1) if own_limit(lowest) > lowest + OWN_LEAST else units.nats(OWN_LEAST)
    return f"{below}, and not {by} above its lowest evaluation ({units.nats(lowest)} so far)"


def own_limit(lowest: float) -> float:
    """Return the loss from which on a run has ended above its ``lowest`` evaluation, both in nats.

    >>> own_limit(2.0), own_limit(0.04)
    (2.1, 0.05)
    """
    return max(OWN * lowest, lowest + OWN_LEAST)
