"""What the page shows of a run that was trained, from the files in its folder: curve, figures and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.engine.metrics import curve_of, read
from sanetune.errors import RunError, UserError
from sanetune.finding import BAD
from sanetune.probes.results import Comparison
from sanetune.report.experiment_text import loss_text
from sanetune.report.format import by_weight
from sanetune.report.html.view import RunView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanetune.curves.series import Evaluation
    from sanetune.engine.metrics import Record
    from sanetune.finding import Finding
    from sanetune.runs import Run


def run_view(run: Run) -> RunView | None:
    """Return what the folder of ``run`` has; None where it was not trained. Files that cannot be read are left out."""
    records = _records(run)
    comparison = _comparison(run)
    samples = comparison.samples if comparison else []
    if not records:
        return RunView(samples=samples, samples_text=_answers_text(comparison)) if comparison else None
    curve = curve_of(records)
    lowest = min(curve.validation, key=lambda one: one.loss, default=None)
    return RunView(
        curve,
        _text(records, curve.validation, lowest, finished=run.finished),
        lowest.step if lowest and lowest is not curve.validation[-1] else None,
        _figures(records),
        samples,
        _answers_text(comparison),
        _findings(run),
    )


def _records(run: Run) -> list[Record]:
    try:
        return read(run.metrics) if run.metrics.is_file() else []
    except (RunError, OSError, ValueError):
        return []


def _findings(run: Run) -> list[Finding]:
    """What the run's own log shows, as `sanetune diagnose` finds it."""
    from sanetune.workflows.diagnose import diagnose

    try:
        return [finding for found in diagnose([run.metrics]) for finding in by_weight(found.report.of(*BAD))]
    except UserError:
        return []


def _comparison(run: Run) -> Comparison | None:
    """The last comparison of both models, else the answers at the end of the run."""
    for file in (run.comparison, run.samples):
        try:
            if file.is_file() and (found := Comparison.from_json(run.read_json(file))).samples:
                return found
        except (RunError, OSError, KeyError, TypeError, ValueError):
            continue  # the base model's answers alone, or another version's file
    return None


def _text(
    records: Sequence[Record], validation: Sequence[Evaluation], lowest: Evaluation | None, *, finished: bool
) -> str:
    last = records[-1]
    words = f"{'' if finished else 'not finished: '}{units.many(last.step, 'step')} in {units.seconds(last.seconds)}"
    if validation and lowest:
        words += f"; validation loss {loss_text(validation[0].loss)} → {loss_text(validation[-1].loss)}"
        if lowest is not validation[-1]:
            words += f", lowest {loss_text(lowest.loss)} at step {lowest.step:,}"
    return words


def _figures(records: Sequence[Record]) -> list[tuple[str, str]]:
    seconds, tokens = records[-1].seconds, max((one.tokens or 0 for one in records), default=0)
    figures = [("took", units.seconds(seconds))]
    if tokens and seconds > 0:
        figures.append(("speed", f"{units.count(tokens / seconds)} tokens/s"))
    return figures


def _answers_text(comparison: Comparison | None) -> str:
    """How many answers of both models end by themselves."""
    if comparison is None or not comparison.samples:
        return ""
    base, tuned = (sum(getattr(one, side).ended for one in comparison.samples) for side in ("base", "tuned"))
    return f"ended by themselves: base {base:,}, tuned {tuned:,} of {len(comparison.samples):,}"
