"""Values that findings about a curve propose."""

from __future__ import annotations

import math

MILD, STRONG = 3, 10
"""What a learning rate that is too high is divided by: the factor of the learning-rate comparison, and a power of ten
where the run has clearly done worse than none."""


def lower_lr(
    planned: float | None, *, strongly: bool = False, usual: float | None = None, borne: float | None = None
) -> dict[str, float]:
    """The ``planned`` learning rate divided, with two digits; nothing where it is not known.

    Args:
        planned: Peak of the run.
        strongly: Whether a third of it is not low enough.
        usual: That which is inferred for the model: where the planned one is well above it, it is proposed.
        borne: The highest one at which the loss did not rise yet, if that is below the peak: then it is divided.

    >>> lower_lr(3e-4), lower_lr(3e-4, strongly=True), lower_lr(None)
    ({'train.learning_rate': 0.0001}, {'train.learning_rate': 3e-05}, {})
    >>> lower_lr(5e-2, usual=4.3e-4), lower_lr(5e-2, strongly=True, borne=2.5e-2), lower_lr(3e-4, usual=4.3e-4)
    ({'train.learning_rate': 0.00043}, {'train.learning_rate': 0.0025}, {'train.learning_rate': 0.0001})
    """
    if planned is None or not math.isfinite(planned) or planned <= 0:
        return {}
    if usual is not None and 0 < usual <= planned / MILD:
        return {"train.learning_rate": usual}
    least = max(borne, planned / STRONG) if borne else planned  # in warm-up every loss is of a low one
    return {"train.learning_rate": float(f"{min(least, planned) / (STRONG if strongly else MILD):.1e}")}
