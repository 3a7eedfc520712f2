"""How a run is forecast to end, as its page shows it: an area on its curve, and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sanetune.errors import RunError
from sanetune.forecast.outcome import OutcomeForecast
from sanetune.report.experiment_text import LONGEST_REASON, loss_text, outcome_text
from sanetune.report.html.plot_parts import Band
from sanetune.text import one_line
from sanetune.typed_json import from_json

if TYPE_CHECKING:
    from sanetune.curves.series import Evaluation
    from sanetune.evidence.experiments import Experiments
    from sanetune.runs import Run

TONES = {"on track": "pass", "will not get there": "fail"}
"""Verdict of a forecast -> its colour; any other is not decided."""
UNDECIDED = "not decidable yet"
"""What a run's own forecast is called then: the verdict's words are of a trial, and a run may have had none."""


@dataclass(frozen=True, slots=True)
class EndView:
    """The forecast of a run's end; of a run that is over, beside what it came to.

    Attributes:
        found: The forecast.
        verdict: What follows from it in a few words; of a run that is over, whether it came true.
        band: Its 80 % interval from the step at which it was made to the end, or at the end alone.
        text: The forecast in a sentence, without its verdict.
        tone: ``pass``, ``warn``, ``fail`` or ``skip``, for the colour.
    """

    found: OutcomeForecast
    verdict: str
    band: Band
    text: str
    tone: str


def latest_forecast(run: Run) -> OutcomeForecast | None:
    """Return the last forecast that ``run`` made of its end; None where there is none that can be read."""
    try:
        return from_json(OutcomeForecast, run.read_json(run.outcome)) if run.outcome.is_file() else None
    except (RunError, OSError, ValueError):
        return None


def end_of(
    run: Run | None, experiments: Experiments, last: Evaluation | None = None, *, is_over: bool = False
) -> EndView | None:
    """Return the forecast that a page shows: the latest of a run under way, one beside the end of a run that is over.

    Args:
        run: The run; None: a check alone.
        experiments: Those behind its clearance.
        last: Its last evaluation.
        is_over: Whether nothing more will come of the run.
    """
    latest = latest_forecast(run) if run else None
    if is_over:
        found = _beside_the_end(latest, experiments, last) if last else None
        if not (found and last):
            return None
        view = _result(found, last, latest, is_of_trial=found is experiments.outcome)
        return _with_notes(view, latest.notes) if latest and latest.notes else view
    found = latest or experiments.outcome
    if found is None:
        return None
    shown = found if found is latest or run is None else replace(found, there_is=_of_trial(found.there_is))
    text = outcome_text(shown).removeprefix(f"{found.verdict}: ")
    verdict = UNDECIDED if found is latest and found.verdict not in TONES else found.verdict
    return EndView(found, verdict, _band(found), text, TONES.get(found.verdict, "skip"))


def _with_notes(view: EndView, notes: Sequence[str]) -> EndView:
    """The same with what the run's own last forecast says of its end: it may be above its lowest evaluation."""
    text = " ".join(one_line(note, LONGEST_REASON) for note in notes)
    return replace(view, text=f"{view.text}. {text}", tone="warn" if view.tone == "pass" else view.tone)


def _beside_the_end(
    latest: OutcomeForecast | None, experiments: Experiments, last: Evaluation
) -> OutcomeForecast | None:
    """The forecast that a run's end is set beside; None: there is none that says more than the end itself.

    Of a run that ended early it is the newest: what was known when it ended. Of one that came to its last step it is
    that of its trial, with which it was begun; where the trial made none, the first that the run made with as many
    steps as the trial had, since one that was made when the run was nearly over says little.
    """
    newest = latest or experiments.outcome
    if newest is None or last.step < newest.total_steps:
        return newest
    tried = experiments.trial.steps if experiments.trial else 0
    found = experiments.outcome or (_first(latest, tried) if latest else None)
    return found if found and found.step < last.step else None


def _first(found: OutcomeForecast, step: int) -> OutcomeForecast:
    """The first forecast that the run itself made from ``step`` on, of which only the end is known."""
    first = next((one for one in found.earlier if one.step >= step), None)
    if first is None:
        return found
    return replace(found, step=first.step, low=first.low, median=first.median, high=first.high, path=())


def _of_trial(loss: str) -> str:
    """The words for a loss of the trial, whose rows are not all that the run is evaluated on."""
    return f"{loss}, on the trial's rows"


def _result(found: OutcomeForecast, last: Evaluation, latest: OutcomeForecast | None, *, is_of_trial: bool) -> EndView:
    """A forecast beside the loss that the run came to, which has to be below that which the run itself was to reach."""
    interval = f"{loss_text(found.median)} ({loss_text(found.low)} to {loss_text(found.high)} with 80 %)"
    made = f"made at step {found.step:,}{' of the trial' if is_of_trial else ''}: {interval}"
    if last.step < found.total_steps:
        text = (
            f"validation loss {loss_text(last.loss)} at step {last.step:,}; forecast for step {found.total_steps:,},"
            f" {made}"
        )
        return EndView(found, "ended early", _band(found), text, "skip")
    if found.low <= last.loss <= found.high:
        verdict, tone = "as forecast", "pass"
    else:
        verdict, tone = ("lower than forecast", "skip") if last.loss < found.low else ("worse than forecast", "warn")
    there, there_is = (found.there, _of_trial(found.there_is)) if latest is None else (latest.there, latest.there_is)
    gets_there = last.loss < there
    text = (
        f"final validation loss {loss_text(last.loss)}; forecast {made}; it"
        f" {'got' if gets_there else 'did not get'} below {loss_text(there)} ({one_line(there_is, LONGEST_REASON)})"
    )
    return EndView(found, verdict, _band(found), text, tone if gets_there else "warn")


def _band(found: OutcomeForecast) -> Band:
    """The interval from the step of the forecast to the end, or at the end alone where no more of it is known."""
    low = [(one.step, one.low) for one in found.path] or [(found.total_steps, found.low)]
    high = [(one.step, one.high) for one in found.path] or [(found.total_steps, found.high)]
    return Band("forecast (80 %)", low, high)
