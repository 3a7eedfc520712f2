"""The rectified scaling law, fitted to the beginning of a run.

.. math:: L(p) = E + \\frac{L_0 - E}{1 + (p / k)^\\beta}

is the law of fine-tuning of `arXiv:2402.02314 <https://arxiv.org/abs/2402.02314>`_, :math:`B / (D_l + D^\\beta) + E`,
written with the loss at the start, :math:`L_0`. In place of rows it has the progress p: the sum of the learning rates
so far, as a share of that of the whole run, so that warm-up and decay of the schedule count (arXiv:2408.11029).

All values of k and β on a grid are fitted at once, E by least squares, and weighted by their likelihood, as in the
averages over parametric curves of Domhan et al. (IJCAI 2015). Training losses have the same k and β, and an E and L0 of
their own: they say little about the level of the validation loss, and much about the shape of its fall.

Shapes: K values of k, B of β, N losses, P places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

K, BETA = np.geomspace(0.01, 100, 33), np.array([0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8])
"""Grid: k as multiples of the progress so far, and β."""
NOISE = 0.015
"""Standard deviation of an evaluation about the law, as a share of its loss."""
FEWEST = 8
"""Training losses from which on they are fitted too."""
LEAST_NOISE = 1e-8
"""Standard deviation of training losses that are all 0, as those of memorised rows, in nats."""
TRAINING_WEIGHT = 0.5
"""Of a training loss, since neighbouring ones are not independent."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The laws that fit a beginning, with their weights.

    Attributes:
        k: (K), in units of the progress.
        beta: (B).
        start: The loss where it begins, in nats.
        fall: How far each law falls in the end (K, B), in nats.
        weight: Of each law (K, B); their sum is 1.
        origin: The progress at which it begins.
    """

    k: Array
    beta: Array
    start: float
    fall: Array
    weight: Array
    origin: float = 0.0

    def at(self, places: Sequence[float]) -> tuple[Array, Array]:
        """Return the mean of the logarithm of the loss at each progress (P), and its standard deviation (P)."""
        left = _left(self.k, self.beta, np.asarray(places, dtype=float) - self.origin)
        losses = np.log(np.maximum(self.start - self.fall[..., None] * (1 - left), 1e-3))
        mean = (self.weight[..., None] * losses).sum((0, 1))
        return mean, np.sqrt((self.weight[..., None] * (losses - mean) ** 2).sum((0, 1)))


def fit(
    progress: Sequence[float],
    evaluations: Sequence[float],
    training_progress: Sequence[float] = (),
    training: Sequence[float] = (),
) -> Fitted:
    """Fit the law to evaluations and training losses.

    Args:
        progress: Of each evaluation (N), rising; the law begins at the first of them.
        evaluations: Their losses (N), at least two, in nats.
        training_progress: Of each training loss, none of them before that.
        training: Training losses, in nats; fewer than :data:`FEWEST` are not used.

    >>> places = [number / 10 for number in range(7)]
    >>> mean, _ = fit(places, [1 + 2 / (1 + place / 0.2) for place in places]).at([1.0])
    >>> round(float(np.exp(mean[0])), 1)
    1.3
    """
    origin = progress[0]
    k = K * max(progress[-1] - origin, 1e-9)
    start, losses = float(evaluations[0]), np.asarray(evaluations[1:], dtype=float)
    done = 1 - _left(k, BETA, np.asarray(progress[1:], dtype=float) - origin)
    weights = (NOISE * np.minimum(losses, start)) ** -2.0
    # A fall of half the loss at the start is usual: without this the fall of a law that has hardly begun is unbounded.
    prior = (0.5 * start) ** -2.0
    fall = (weights * done * (start - losses)).sum(-1) / ((weights * done**2).sum(-1) + prior)
    fall = np.minimum(fall, 0.995 * start)
    misfit = (weights * (losses - start + fall[..., None] * done) ** 2).sum(-1) + prior * fall**2
    if len(training) >= FEWEST:
        misfit = misfit + _misfit_of_training(
            k, np.asarray(training_progress) - origin, np.asarray(training, dtype=float)
        )
    weight = np.exp(-0.5 * (misfit - misfit.min()))
    return Fitted(k, BETA, start, fall, weight / weight.sum(), origin)


def _left(k: Array, beta: Array, places: Array) -> Array:
    """The share of the fall that is left at each place: (K, B, P)."""
    result: Array = 1 / (1 + (np.maximum(places, 0.0) / k[:, None, None]) ** beta[None, :, None])
    return result


def _misfit_of_training(k: Array, places: Array, losses: Array) -> Array:
    """Squared distance of training losses from each law at its best level and fall (K, B), in units of their noise."""
    middle, count = float(np.median(losses)), len(losses)
    scatter = 1.4826 * float(np.median(np.abs(np.diff(losses)))) / 2**0.5
    noise = max(scatter, 0.01 * abs(middle), LEAST_NOISE)
    losses = np.minimum(losses, 2 * middle + 10 * noise)
    left = _left(k, BETA, places)
    left = left - left.mean(-1, keepdims=True)
    losses = losses - losses.mean()
    spread = (left**2).sum(-1) + 1e-6
    both = (left * losses).sum(-1)
    misfit = (float(losses @ losses) - both**2 / spread) / noise**2
    # Where no law fits, batches scatter by more than from one to the next.
    scaled: Array = TRAINING_WEIGHT * misfit / max(1.0, float(misfit.min()) / count)
    return scaled
