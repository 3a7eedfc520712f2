"""Training and validation loss of a run, drawn on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType

from sanetune.report.curve_points import last_step, training_losses, validation_losses
from sanetune.report.terminal.grid import drawing

if TYPE_CHECKING:
    from sanetune.curves.series import Curve


def losses(curve: Curve) -> list[RenderableType]:
    """The two curves of a run; nothing where no loss was recorded."""
    series = validation_losses(curve) | {"training loss": training_losses(curve)}
    curves = {
        name: ([step for step, _ in points], [loss for _, loss in points]) for name, points in series.items() if points
    }
    return drawing(curves, label=lambda loss: f"{loss:.2f}", last=last_step(curve), height=12)
