"""Where good learning rates are, seen from the critical one, and which to try next.

The critical learning rate is where one step of the optimizer no longer lowers the loss of its batch
(:mod:`sanetune.probes.lr_search`). The best learning rate of a short run is a fraction of it; how large a fraction, and
how far single set-ups lie from it, was measured (``bench/sweep.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

NEAR = 1.12
"""Learning rates within this factor of one that was tried are not tried again."""
STEEPEST = 2.0
"""Nats above the best loss that count, at most: a loss that exploded says on which side, not how far, the best is."""


@dataclass(frozen=True, slots=True)
class LearningRatePrior:
    """A log-normal distribution of the best learning rate.

    Attributes:
        middle: Its median.
        spread: Standard deviation of its logarithm to base 10.
        low: Lowest learning rate that may be tried.
        high: Highest learning rate that may be tried.
    """

    middle: float
    spread: float
    low: float
    high: float

    @property
    def factor(self) -> float:
        """Factor between the first learning rates that are tried."""
        return 10**self.spread

    def clipped(self, lr: float) -> float:
        """Return ``lr``, or the end of the range that is nearest to it, with three digits."""
        return min(max(float(f"{lr:.2e}"), self.low), self.high)


FULL_SHARE, FULL_SPREAD = 0.25, 0.4
LORA_SHARE, LORA_SPREAD = 0.25, 0.4
"""Best learning rate by the critical one, and standard deviation of its logarithm to base 10. Ours: of four set-ups in
``bench/sweep.py`` the best is 0.08, 0.2, 0.3 and 2.5 times the critical one after 30 steps. A wrong start costs trials,
since the search walks; it does not decide where it ends."""


def prior_of(critical: float, adapter: bool, low: float | None = None, high: float | None = None) -> LearningRatePrior:
    """Return where the best learning rate of a short run is expected.

    Args:
        critical: The critical learning rate.
        adapter: Whether a LoRA adapter is trained instead of the weights.
        low: Lowest learning rate that may be tried; None: a thousandth of the critical one.
        high: Highest learning rate that may be tried; None: ten times the critical one.
    """
    share, spread = (LORA_SHARE, LORA_SPREAD) if adapter else (FULL_SHARE, FULL_SPREAD)
    low, high = low or critical / 1000, high or critical * 10
    middle = min(max(share * critical, low), high)
    return LearningRatePrior(middle, spread, low, high)


def next_lr(prior: LearningRatePrior, losses: Mapping[float, float]) -> float | None:
    """Return the learning rate to try next, as far as the losses of those that were tried say.

    First the prior's middle and its neighbours, then beyond the best one as long as it is the last on its side, then
    the lowest point of a parabola through the best one and its neighbours.

    Args:
        prior: Where the best is expected.
        losses: Learning rate -> loss of its trial in nats per token; NaN or infinite where it diverged.

    Returns:
        None where nothing between those that were tried is left to try.

    >>> prior = LearningRatePrior(1e-3, 0.5, 1e-6, 1.0)
    >>> next_lr(prior, {}), next_lr(prior, {1e-3: 2.0})
    (0.001, 0.00316)
    >>> next_lr(prior, {1e-3: 2.0, 3e-3: 2.5})
    0.000316
    >>> round(next_lr(prior, {1e-4: 2.0, 1e-3: 1.0, 1e-2: 3.0}), 6)
    0.000681
    """
    tried = sorted(losses)
    if not tried:
        return prior.clipped(prior.middle)
    known = {lr: losses[lr] if math.isfinite(losses[lr]) else math.inf for lr in tried}
    best = min(tried, key=lambda lr: known[lr])
    at = tried.index(best)
    if not math.isfinite(known[best]):
        return _fresh(prior, best / prior.factor**2, tried)
    if len(tried) == 1:
        return _fresh(prior, best * prior.factor, tried) or _fresh(prior, best / prior.factor, tried)
    if at == len(tried) - 1 and (found := _fresh(prior, best * prior.factor, tried)):
        return found
    if at == 0 and (found := _fresh(prior, best / prior.factor, tried)):
        return found
    if 0 < at < len(tried) - 1:
        low, high = tried[at - 1], tried[at + 1]
        vertex = _vertex([(lr, known[lr]) for lr in (low, best, high)])
        wider = (low, best) if best / low > high / best else (best, high)
        return _fresh(prior, vertex, tried) or _fresh(prior, math.sqrt(wider[0] * wider[1]), tried)
    other = tried[1] if at == 0 else tried[at - 1]
    return _fresh(prior, math.sqrt(best * other), tried)


def _fresh(prior: LearningRatePrior, lr: float, tried: list[float]) -> float | None:
    """``lr`` within the range, unless it is next to one that was tried."""
    lr = prior.clipped(lr)
    return None if any(1 / NEAR < lr / one < NEAR for one in tried) else lr


def _vertex(points: list[tuple[float, float]]) -> float:
    """The lowest point of the parabola through three points, by the logarithm of the learning rate."""
    (a, fa), (b, fb), (c, fc) = [(math.log(lr), loss) for lr, loss in points]
    fa, fc = min(fa, fb + STEEPEST), min(fc, fb + STEEPEST)
    left, right = (b - a) * (fb - fc), (b - c) * (fb - fa)
    if left == right:
        return math.exp(b)
    return math.exp(b - ((b - a) * left - (b - c) * right) / (2 * (left - right)))
