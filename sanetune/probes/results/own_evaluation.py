"""What a trainer's own evaluation gives for the same rows, with dropout and without."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OwnEvaluation:
    """Losses of the same validation rows, as the trainer's own ``evaluate`` gives them.

    Attributes:
        rows: How many rows.
        loss: As it is.
        undropped: With the same random state, and every dropout of the model set to 0.
        again: The same once more, with another random state.
        decides: Whether the evaluation chooses which weights are kept (``load_best_model_at_end``).
    """

    rows: int
    loss: float
    undropped: float
    again: float
    decides: bool
