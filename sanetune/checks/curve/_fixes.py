"""Values that findings about a curve propose."""

from __future__ import annotations

import math

MILD, STRONG = 3, 10
"""What a learning rate that is too high is divided by: the factor of the learning-rate comparison, and a power of ten
where the run has clearly done worse than none."""


def lower_lr(planned: float | None, *, strongly: bool = False) -> dict[str, float]:
    """The ``planned`` learning rate divided, with two digits; nothing where it is not known.

    >>> lower_lr(3e-4), lower_lr(3e-4, strongly=True), lower_lr(None)
    ({'train.learning_rate': 0.0001}, {'train.learning_rate': 3e-05}, {})
    """
    if planned is None or not math.isfinite(planned) or planned <= 0:
        return {}
    return {"train.learning_rate": float(f"{planned / (STRONG if strongly else MILD):.1e}")}
