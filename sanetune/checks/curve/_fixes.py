"""Values that findings about a curve propose."""

from __future__ import annotations

import math
from typing import Any


def lower_lr(planned: float | None, divisor: float) -> dict[str, Any]:
    """The planned learning rate divided, with two digits; nothing where it is not known."""
    if planned is None or not math.isfinite(planned) or planned <= 0:
        return {}
    return {"train.learning_rate": float(f"{planned / divisor:.1e}")}
