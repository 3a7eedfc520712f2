"""Small sums over a model's weights, by which processes compare weights that are too large to be sent."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

CLASSES = 61
"""Sums of one weight: its numbers are added up by their place modulo this prime, so that a shift changes them too."""
CHUNK = CLASSES * 2**18
"""Numbers that are summed at once, in 64 bits."""

Sketch = dict[str, list[float]]
"""Name of a weight -> its sums."""


def sketch_of(weights: Iterable[tuple[str, Tensor]]) -> Sketch:
    """Return the sums of each weight.

    >>> sketch_of([("w", torch.ones(122))])["w"][:2]
    [2.0, 2.0]
    """
    return {name: _sums(weight) for name, weight in weights}


def difference(one: list[float], other: list[float]) -> float:
    """Return how far ``one`` is from ``other``, as a fraction of its norm; infinite where it is no number.

    >>> difference([3.0, 0.0], [3.0, 4.0])
    0.8
    """
    far = math.dist(one, other)
    if not math.isfinite(far):
        return math.inf
    return far / size if far and (size := math.hypot(*other)) else (math.inf if far else 0.0)


def largest_difference(one: Sketch, other: Sketch) -> tuple[float, str]:
    """Return the largest :func:`difference` of the weights that both have, and the name of that weight."""
    found = ((difference(one[name], other[name]), name) for name in one if name in other)
    return max(found, default=(0.0, ""))


def _sums(weight: Tensor) -> list[float]:
    flat = weight.detach().reshape(-1)
    sums = torch.zeros(CLASSES, dtype=torch.float64, device=flat.device)
    for start in range(0, flat.numel(), CHUNK):
        part = flat[start : start + CHUNK].double()
        short = -part.numel() % CLASSES
        sums += torch.nn.functional.pad(part, (0, short)).view(-1, CLASSES).sum(0)
    return [float(value) for value in sums.cpu()]
