"""What the page shows of a run that was trained, from the files in its folder: curve, figures and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.engine.metrics import Record, curve_of, read, seconds_of, speed_of
from sanetune.errors import RunError, UserError
from sanetune.finding import BAD
from sanetune.probes.results import Comparison
from sanetune.report.curve_points import validation_losses
from sanetune.report.experiment_text import loss_text
from sanetune.report.format import by_weight
from sanetune.report.html.over_time import answers_over_time
from sanetune.report.html.status import status_of
from sanetune.report.html.view import RunView
from sanetune.report.html.watched import watched
from sanetune.text import in_a_row
from sanetune.workflows.comparing.stored import comparison_of, read_stored
from sanetune.workflows.forgetting import read_forgets
from sanetune.workflows.run_state import read_state

ENDED_EARLY = "curve-stopped-early"
"""The check of runs that ended before their last step, whoever ended them."""

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Evaluation
    from sanetune.finding import Finding
    from sanetune.probes.results import Sample
    from sanetune.runs import Run
    from sanetune.workflows.comparing.result import Compared, Pair


def run_view(run: Run) -> RunView | None:
    """Return what the folder of ``run`` has; None where it was not trained. Files that cannot be read are left out."""
    records = _records(run)
    watch = watched(run)
    status = status_of(run, records, watch.ended)
    running = status is not None and status.kind == "running"
    # A model that is there while a run goes on is of before, and so are its answers.
    judged = None if running else read_stored(run, [run])
    comparison = None if running else comparison_of(judged) if judged and judged.prompts else _at_the_end(run)
    samples = comparison.samples if comparison else []
    limit = comparison.decoding.get("max_new_tokens") if comparison else None
    notes = judged.notes if judged else []
    if not records:
        if comparison is None and (status is None or status.kind == "finished"):
            return None
        text = _answers_text(samples, judged)
        return RunView(samples=samples, samples_text=text, status=status, answer_limit=limit, answer_notes=notes)
    curve = curve_of(records)
    lowest = min(curve.validation, key=lambda one: one.loss, default=None)
    speed = speed_of(records)
    known = {one.finding.check for one in watch.fired}
    if watch.ended is not None:  # its status says who ended it, and why
        known.add(ENDED_EARLY)
    state = read_state(run)
    return RunView(
        curve,
        _text(records[-1], curve, lowest, is_over=bool(status and status.is_over)),
        lowest.step if lowest and lowest is not curve.validation[-1] else None,
        seconds_of(records),
        speed.step_seconds,
        speed.tokens_per_second,
        state.total_steps if state else None,
        status,
        watch.fired,
        samples,
        _answers_text(samples, judged),
        # What the watch found has its rows and its step. While a run goes on, the watch is who judges it.
        [] if running else [one for one in _findings(run) if one.check not in known],
        answers_over_time(run),
        forgets=None if running else _forgets(run),
        answer_limit=limit,
        answer_notes=notes,
    )


def _forgets(run: Run) -> Finding | None:
    """The warning of model-forgets about the tuned model."""
    found = read_forgets(run)
    return found if found and found.verdict in BAD else None


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


def _at_the_end(run: Run) -> Comparison | None:
    """The answers of both models at the end of the run."""
    try:
        if run.samples.is_file() and (found := Comparison.from_json(run.read_json(run.samples))).samples:
            return found
    except (RunError, OSError, KeyError, TypeError, ValueError):
        pass  # the base model's answers alone, or another version's file
    return None


def _text(last: Record, curve: Curve, lowest: Evaluation | None, *, is_over: bool) -> str:
    steps = f"{units.many(last.step, 'step')}{'' if is_over else ' so far'}"
    words = f"{steps} in {units.seconds(last.seconds)} with evaluations"
    for name, points in validation_losses(curve).items():
        course = dict.fromkeys(loss_text(loss) for _, loss in (points[0], points[-1]))
        words += f"; {name} {' → '.join(course)}"
        if len(points) == 1:  # that before the first step, of a run that ended soon: nothing of what it came to
            words += f" at step {points[0][0]:,}"
        if lowest and lowest.step != points[-1][0]:
            words += f", lowest {loss_text(lowest.loss)} at step {lowest.step:,}"
        lowest = None  # that of the set that decides, which comes first
    return words


def _answers_text(samples: Sequence[Sample], judged: Compared | None) -> str:
    """How many answers of both models end by themselves, and what `sanetune compare` has judged."""
    if not samples:
        return ""
    asked = [one for one in samples if one.answered]
    base, tuned = (sum(getattr(one, side).ended for one in asked) for side in ("base", "tuned"))
    ended = f"ended by themselves: base {base:,}, tuned {tuned:,} of {len(asked):,}"
    return "; ".join([ended, *(verdict_text(pair) for pair in (judged.pairs[:1] if judged else ()))])


def verdict_text(pair: Pair, other: str = "the base") -> str:
    """Return the verdict of a comparison with the model ``other``, with the measures that decided it."""
    sides = {1: "better", -1: "worse"}
    named = [f"{side} in {in_a_row(pair.named(way))}" for way, side in sides.items() if pair.named(way)]
    return f"compared with {other}: {'; '.join(named) or pair.verdict}"
