"""Two looks at the same held-out rows, compared row by row."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sanetune.curves.series import Evaluation


@dataclass(frozen=True, slots=True)
class Gain:
    """``nats``: how much lower the loss per learnt token is; ``error``: its standard error over the rows; ``rows``: how
    many were compared."""

    nats: float
    error: float
    rows: int

    @property
    def errors(self) -> float:
        """The gain in standard errors; infinite where the rows agree exactly on it, 0 where there is none."""
        if self.error > 0:
            return self.nats / self.error
        return math.copysign(math.inf, self.nats) if self.nats else 0.0


def gain(before: Evaluation, after: Evaluation) -> Gain:
    """By how much ``after`` is lower than ``before``, in pairs over rows.

    The loss per token is a ratio of sums, so the error is that of a ratio estimator: the residuals of the rows'
    differences about the common gain (Cochran, Sampling Techniques, 6.4). Of fewer than two rows there is no error:
    it is infinite.
    """
    import numpy as np

    if len(before.sums) != len(after.sums) or len(before.sums) < 2:
        return Gain(before.loss - after.loss, math.inf, min(len(before.sums), len(after.sums)))
    less = np.array(before.sums) - np.array(after.sums)
    tokens = np.array(after.tokens, dtype=float)
    nats = float(less.sum() / tokens.sum())
    rest = less - nats * tokens
    error = float(np.sqrt(len(less) * rest.var(ddof=1)) / tokens.sum())
    return Gain(nats, error, len(less))
