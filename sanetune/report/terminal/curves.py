"""Training and validation loss of a run, drawn on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from sanetune.engine.metrics import Record, curve
from sanetune.report.terminal.grid import drawing


def losses(records: Sequence[Record]) -> list[RenderableType]:
    """The two curves of a run; nothing where no loss was recorded."""
    curves = {}
    for name, kind in (("validation loss", "validation"), ("training loss", "train")):
        steps, values = curve(records, kind)  # type: ignore[arg-type]
        if steps:
            curves[name] = (steps, values)
    last = max((steps[-1] for steps, _ in curves.values()), default=1)
    return drawing(curves, label=lambda loss: f"{loss:.2f}", last=last, height=12)
