"""How a run is forecast to end, as its page shows it: an area on its curve, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.errors import RunError
from sanetune.forecast.outcome import OutcomeForecast
from sanetune.report.experiment_text import loss_text, outcome_text
from sanetune.report.html.plot_parts import Band
from sanetune.typed_json import from_json

if TYPE_CHECKING:
    from sanetune.curves.series import Evaluation
    from sanetune.evidence.experiments import Experiments
    from sanetune.runs import Run

TONES = {"on track": "pass", "will not get there": "fail"}
"""Verdict of a forecast -> its colour; any other is not decided."""


@dataclass(frozen=True, slots=True)
class EndView:
    """The forecast of a run's end.

    Attributes:
        found: The forecast.
        band: Its 80 % interval from the step at which it was made to the end; None: it cannot be drawn.
        text: The forecast in a sentence, without its verdict; of a finished run, beside the loss that it came to.
        tone: ``pass``, ``fail`` or ``skip``, for the colour.
    """

    found: OutcomeForecast
    band: Band | None
    text: str
    tone: str


def latest_forecast(run: Run) -> OutcomeForecast | None:
    """Return the last forecast that ``run`` made of its end; None where there is none that can be read."""
    try:
        return from_json(OutcomeForecast, run.read_json(run.outcome)) if run.outcome.is_file() else None
    except (RunError, OSError, ValueError):
        return None


def end_of(run: Run | None, experiments: Experiments, last: Evaluation | None = None) -> EndView | None:
    """Return the forecast that a page shows: the latest of a run under way, of a finished one that of its trial.

    A forecast that was made when the run was nearly over says little, so a finished run is set beside the first.

    Args:
        run: The run; None: a check alone.
        experiments: Those behind its clearance.
        last: Its last evaluation, where it is finished.
    """
    latest = latest_forecast(run) if run else None
    found = (experiments.outcome or latest) if last else (latest or experiments.outcome)
    if found is None or (last and found.step >= last.step):
        return None  # what was said at the end itself is no forecast
    text = outcome_text(found).removeprefix(f"{found.verdict}: ")
    if last:
        inside = "inside" if found.low <= last.loss <= found.high else "outside"
        text = f"came to {loss_text(last.loss)}, {inside} the forecast made at step {found.step:,}: {text}"
    return EndView(found, _band(found), text, TONES.get(found.verdict, "skip"))


def _band(found: OutcomeForecast) -> Band | None:
    if len(found.path) < 2:
        return None
    low = [(one.step, one.low) for one in found.path]
    return Band("forecast (80 %)", low, [(one.step, one.high) for one in found.path])
