"""Values that findings about a curve propose."""

from __future__ import annotations

from typing import Any


def lower_rate(planned: float | None, divisor: float) -> dict[str, Any]:
    """The planned rate divided, with two digits; nothing where it is not known."""
    return {"train.learning_rate": float(f"{planned / divisor:.1e}")} if planned else {}
