"""The difference of two measurements of the same rows, compared row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.curves.series import Evaluation


def t_statistic(mean: float, std_error: float) -> float:
    """A difference in standard errors, with its sign.

    A standard error of zero means that every row agrees exactly: any difference is then certain, and no difference
    is none. NaN stays NaN, so that no limit is passed.

    >>> t_statistic(0.3, 0.1), t_statistic(-0.3, 0.0), t_statistic(0.0, 0.0)
    (2.9999999999999996, -inf, 0.0)
    """
    if std_error == 0:
        return math.copysign(math.inf, mean) if mean else mean
    return mean / std_error


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much higher one measurement of the same rows is than another.

    Attributes:
        mean: First minus second, in nats per token in the loss.
        std_error: Standard error of ``mean`` over the rows, in the same unit.
        n: Rows that were compared, at least two.
    """

    mean: float
    std_error: float
    n: int

    @property
    def t(self) -> float:
        """The t-statistic: ``mean`` in standard errors (see :func:`t_statistic`)."""
        return t_statistic(self.mean, self.std_error)

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference: Student's t with ``n - 1`` degrees of freedom. NaN for a mean of NaN.

        >>> round(PairedDifference(0.3, 0.1, 20).p, 4)
        0.0074
        """
        from scipy.special import stdtr

        return float(2 * stdtr(self.n - 1, -abs(self.t)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of ``mean``, in nats per token.

        Args:
            level: How often such intervals hold the true difference.

        >>> [round(end, 3) for end in PairedDifference(0.3, 0.1, 20).interval()]
        [0.091, 0.509]
        """
        from scipy.special import stdtrit

        half = float(stdtrit(self.n - 1, (1 + level) / 2)) * self.std_error
        return self.mean - half, self.mean + half

    @classmethod
    def of(cls, differences: Sequence[float], sizes: Sequence[float]) -> PairedDifference | None:
        """The mean of the rows' ``differences`` (in nats) per token, where each row has ``sizes`` tokens.

        The mean is a ratio of sums, so the error is that of a ratio estimator: the residuals of the rows' differences
        about the common mean (Cochran, Sampling Techniques, 6.4). With sizes of 1 it is the usual standard error of a
        mean.

        Returns:
            None for fewer than two rows or no token: then nothing is measured.

        >>> PairedDifference.of([2.0, 4.0], sizes=[10, 10])
        PairedDifference(mean=0.3, std_error=0.1, n=2)
        """
        total, n = sum(sizes), len(differences)
        if n < 2 or not total:
            return None
        mean = sum(differences) / total
        rest = sum((one - mean * size) ** 2 for one, size in zip(differences, sizes, strict=True))
        return cls(mean, math.sqrt(rest * n / (n - 1)) / total, n)


def paired_difference(first: Evaluation, second: Evaluation) -> PairedDifference | None:
    """By how many nats per token the loss of ``first`` is higher than that of ``second``, over the same rows.

    Returns:
        None where the two cannot be compared in pairs: their rows are not known, differ, or are fewer than two.

    >>> base, tuned = Evaluation.of(0, [20.0, 30.0], [10, 10]), Evaluation.of(50, [18.0, 26.0], [10, 10])
    >>> paired_difference(base, tuned).mean
    0.3
    >>> paired_difference(base, Evaluation.of(50, [18.0], [10])) is None
    True
    """
    if first.tokens != second.tokens or not len(first.tokens) == len(first.sums) == len(second.sums):
        return None
    return PairedDifference.of([a - b for a, b in zip(first.sums, second.sums, strict=True)], first.tokens)
