"""How much of a weight matrix stands out of noise, by random-matrix theory, after Spectrum (arXiv 2406.06623).

A matrix of independent entries with standard deviation σ has singular values up to σ(√m + √n), and no further
(Marchenko and Pastur 1967). What is above that edge counts as signal. Spectrum takes σ from the quartiles of the
singular values; here it is their median over that of the Marchenko-Pastur law, which gives back the σ of noise that is
known (Gavish and Donoho, arXiv 1305.5870, section III-E).

Shapes: m rows, n columns, with m <= n.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Signal:
    """What stands out of the noise of one matrix; see :class:`sanetune.probes.results.layers.MatrixSignal`."""

    snr: float
    above: int
    noise: float


def signal_of(weight: Tensor) -> Signal:
    """Measure a weight matrix (m, n) or (n, m)."""
    rows, columns = sorted(weight.shape)
    return signal_of_values(singular_values(weight), rows, columns)


def singular_values(weight: Tensor) -> Tensor:
    """Return the singular values (m), ascending, in 64 bits: roots of the eigenvalues of the smaller Gram matrix."""
    wide = weight.detach().to(torch.float64)
    wide = wide if wide.shape[0] <= wide.shape[1] else wide.T
    squares: Tensor = torch.linalg.eigvalsh(wide @ wide.T)
    return squares.clamp(min=0).sqrt()


def signal_of_values(values: Tensor, rows: int, columns: int) -> Signal:
    """Judge singular values (m) of a matrix with ``rows`` <= ``columns``."""
    noise = float(values.median()) / (math.sqrt(columns) * median_value(rows / columns))
    edge = noise * (math.sqrt(rows) + math.sqrt(columns))
    is_signal = values > edge
    below, largest = float(values[~is_signal].sum()), float(values.max())
    above = float(values[is_signal].sum())
    if not largest:
        return Signal(0.0, 0, 0.0)
    return Signal(above / below / largest if below else math.inf, int(is_signal.sum()), noise)


@functools.cache
def median_value(ratio: float) -> float:
    """Return the median singular value of an m x n matrix of noise with σ = 1/√n, for ``ratio`` = m / n.

    Gavish and Donoho's threshold of a square matrix is 2.858 times its median singular value, and 4/√3 without noise
    that has to be estimated:

    >>> round(4 / 3**0.5 / median_value(1.0), 3)
    2.858
    """
    from scipy.integrate import quad
    from scipy.optimize import brentq

    low, high = 1 - math.sqrt(ratio), 1 + math.sqrt(ratio)

    def density(at: float) -> float:
        # Of the root of a Marchenko-Pastur variable.
        inside = (high**2 - at**2) * (at**2 - low**2)
        return math.sqrt(max(0.0, inside)) / (math.pi * ratio * at) if at else high / math.pi

    return float(brentq(lambda at: quad(density, low, at)[0] - 0.5, low + 1e-9, high))
