"""How right a forecast can be at all: what is left of the error where the law is true, or known.

The law that fits a whole run best stands for the truth. Once runs are simulated on it, with the unrest that their
evaluations have, and forecast as real ones are by the law alone; once the real evaluations are taken, and the law's
shape is known from the whole run, so that only its height is fitted to the beginning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.outcome.table import WholeRun
from sanetune.forecast.beginning import FEWEST
from sanetune.forecast.outcome_signs import law_of
from sanetune.forecast.rectified import fit

Array = NDArray[np.float64]

SIMULATIONS = 4
"""Of each run."""
OF_NORMAL = 0.6745 * math.sqrt(1.5)
"""Median size of a value less the mean of its neighbours, in standard deviations, where all are normal."""


@dataclass(frozen=True, eq=False)
class Truth:
    """A run, and the law that fits the whole of it.

    Attributes:
        run: The run.
        places: Progress of its schedule at each evaluation.
        losses: The evaluations, in nats.
        law: The law's losses at the same places.
        unrest: Standard deviation of an evaluation about its neighbours, as a share of the loss.
    """

    run: WholeRun
    places: list[float]
    losses: Array
    law: Array
    unrest: float

    def known(self, stage: float) -> int:
        """How many evaluations the run has at ``stage``."""
        return len(self.run.first(stage).validation)


def bounds(runs: Sequence[WholeRun], after: Sequence[float]) -> list[dict[str, float]]:
    """For each stage of a run the median errors, as shares of the final loss, and the number of runs."""
    truths = [one for run in runs if (one := truth(run)) is not None]
    return [_errors([one for one in truths if one.run.comes_to(at) and one.known(at) >= FEWEST], at) for at in after]


def truth(run: WholeRun) -> Truth | None:
    """The law of a whole run; None where it broke off."""
    losses = np.array(run.losses)
    if not np.isfinite(losses).all() or not math.isfinite(run.final):
        return None
    sums = np.concatenate([[0.0], np.cumsum(run.lrs)])
    places = [float(sums[one[0]] / sums[-1]) for one in run.row["evaluations"]]
    found = fit(places, losses.tolist())
    k, beta = np.unravel_index(int(found.weight.argmax()), found.weight.shape)
    done = 1 - 1 / (1 + (np.array(places) / found.k[k]) ** found.beta[beta])
    law = np.maximum(found.start - found.fall[k, beta] * done, 1e-3)
    logs = np.log(losses)
    off = logs[2:-1] - (logs[1:-2] + logs[3:]) / 2
    return Truth(run, places, losses, law, float(np.median(np.abs(off))) / OF_NORMAL)


def _errors(truths: Sequence[Truth], stage: float) -> dict[str, float]:
    chance = np.random.default_rng(1)

    def simulated(one: Truth) -> float:
        losses = one.law * np.exp(chance.normal(0, one.unrest, len(one.law)))
        losses[0] = one.law[0]
        return _forecast(one.places, losses, one.known(stage))

    def height(one: Truth) -> float:
        return _height(one, one.known(stage))

    repeated = [one for one in truths for _ in range(SIMULATIONS)]
    return {
        "runs": len(truths),
        "noisy": _median(repeated, simulated),
        "exact": _median(truths, lambda one: _forecast(one.places, one.law, one.known(stage))),
        "real": _median(truths, lambda one: _forecast(one.places, one.losses, one.known(stage))),
        "shape_known": _median(truths, height),
        "misfit": _median(truths, lambda one: abs(float(one.law[-1] / one.losses[-1]) - 1)),
        "unrest": median(one.unrest for one in truths),
    }


def _median(truths: Sequence[Truth], error: Callable[[Truth], float]) -> float:
    return median(error(one) for one in truths)


def _forecast(places: Sequence[float], losses: Array, known: int) -> float:
    """The error of the law that is fitted to the first ``known`` evaluations, as a share of the last one."""
    mean, _ = law_of(places[:known], losses[:known].tolist()).at([1.0])
    return abs(math.exp(float(mean[0])) / float(losses[-1]) - 1)


def _height(one: Truth, known: int) -> float:
    """The error where the shape of the law is known, and its fall is fitted to the first evaluations."""
    whole = float(one.law[-1] - one.law[0]) or 1e-9
    done = (one.law - one.law[0]) / whole
    fallen = one.losses[1:known] - one.losses[0]
    fall = float(done[1:known] @ fallen) / max(float(done[1:known] @ done[1:known]), 1e-9)
    return abs((float(one.losses[0]) + fall) / float(one.losses[-1]) - 1)
