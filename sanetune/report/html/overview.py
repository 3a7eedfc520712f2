"""The first screen of the page: verdict, what decides, and the few pictures and figures that show it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.engine.answer import Answer
from sanetune.evidence.experiments import Experiments
from sanetune.finding import BAD, Finding
from sanetune.probes.results import Sample
from sanetune.report import format
from sanetune.report.curve_points import last_step, training_losses, validation_losses
from sanetune.report.experiment_text import loss_text, lr_labels
from sanetune.report.html.answers import Differences, differences
from sanetune.report.html.charts import thinning_note
from sanetune.report.html.experiments import lr_plot, overfit_plot
from sanetune.report.html.figures import FigureRow, figure_rows
from sanetune.report.html.forecast_end import EndView, end_of
from sanetune.report.html.gauge import FORGETS, Gauge, gauge_of
from sanetune.report.html.plot_parts import Axis, Band, Series, StepMark
from sanetune.report.html.plots import Plot, axis_of

if TYPE_CHECKING:
    from sanetune.curves.series import Curve
    from sanetune.probes.results import LearningRateComparison, Overfit, Trial
    from sanetune.report.html.over_time import AnswerAt, AnswersAt
    from sanetune.report.html.view import PageView, RunView

WIDTH, HEIGHT = 400, 172
MAIN_WIDTH, MAIN_HEIGHT = 820, 260
WORST = 4
"""Findings that the first screen names."""
MOST = 2
"""Findings of the run's curve that the first screen names."""
SETS = ("held", "probe", "run1", "before", "band")
"""Styles of the losses of several validation sets; further ones are not drawn."""
LOG_FROM = 8.0
"""A curve whose highest loss is this many times its lowest is drawn on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Card:
    """One picture of the first screen.

    Attributes:
        title: What was done.
        text: Its result in a sentence.
        plot: The picture; None: there is nothing to draw.
        target: Id of the part of the page that has all of it.
        findings: What it shows that asks for something to be done.
        name: Name of its interactive chart.
        wide: Whether it is the picture of the run, which has more room.
        end: How the run is forecast to end.
    """

    title: str
    text: str
    plot: Plot | None
    target: str
    findings: Sequence[Finding] = ()
    name: str = ""
    wide: bool = False
    end: EndView | None = None


@dataclass(frozen=True, slots=True)
class AnswerCard:
    """One prompt with both answers.

    Attributes:
        sample: The last message of the prompt, others perhaps before it, and the answers.
        earlier: Messages of the prompt that are not shown.
        text: Figures of all answers in a sentence.
        after: What the second model is called.
        target: Id of the part of the page that has all answers.
        differences: Where the answers differ.
        before: What the first model is called.
        notes: What `sanetune compare` says of the models, one sentence each.
    """

    sample: Sample
    earlier: int
    text: str
    after: str
    target: str
    differences: Differences
    before: str = "base"
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen below the verdict.

    Attributes:
        worst: The findings that matter most.
        more: How many others ask for something to be done.
        cards: Pictures of what was tried.
        answers: One prompt before and after.
        figures: Times and costs, as forecast and as measured.
        gauge: What the model has forgotten.
    """

    worst: Sequence[Finding] = ()
    more: int = 0
    cards: Sequence[Card] = ()
    answers: AnswerCard | None = None
    figures: Sequence[FigureRow] = ()
    gauge: Gauge | None = None

    @property
    def has_forecast(self) -> bool:
        """Whether any of the figures was forecast."""
        return any(row.forecast for row in self.figures)

    @property
    def has_measured(self) -> bool:
        """Whether any of the figures was measured in the run."""
        return any(row.measured for row in self.figures)


def overview(view: PageView) -> Overview:
    """Return the first screen of ``view``."""
    found = Experiments.from_json(view.report.experiments)
    bad = format.by_weight(view.report.of(*BAD))
    figures = list(figure_rows(found.forecast, view.run, view.report.seconds))
    judged_by = next((one.limits for one in view.report.findings if one.check == FORGETS), None)
    gauge = view.run.gauge if view.run else gauge_of(None, found, judged_by)
    cards, answers = list(_cards(found, view.run)), _answers(found, view.run)
    return Overview(bad[:WORST], len(bad[WORST:]), cards, answers, figures, gauge)


def _cards(found: Experiments, run: RunView | None) -> Iterator[Card]:
    if run and run.curve:
        plot = run_losses(run)
        found_while = format.by_weight([one.finding for one in run.fired])
        yield Card(
            "Training", run.text, plot, "training", [*found_while, *run.findings][:MOST], "training", True, run.end
        )
    if found.trial:
        plot = losses_plot(found.trial.curve, "Losses of the trial by step")
        end = None if run and run.end else end_of(None, found)
        yield Card("Trial", _trial(found.trial), plot, "experiment-trial", name="trial-losses", end=end)
    if found.lr_comparison:
        plot = lr_plot(found.lr_comparison, HEIGHT)
        yield Card("Learning rates", _learning_rates(found.lr_comparison), plot, "experiment-lr", name="lr-losses")
    if found.overfit:
        plot = overfit_plot(found.overfit, HEIGHT, others=False)
        yield Card("Overfit", _overfit(found.overfit), plot, "experiment-overfit", name="overfit-losses")


def run_losses(run: RunView) -> Plot | None:
    """Return the losses of a whole run so far, with the steps at which something was found."""
    assert run.curve is not None
    marks = [StepMark(run.best_step, "lowest")] if run.best_step is not None else []
    marks += [
        StepMark(one.step, one.finding.check, one.finding.verdict.value, one.finding.message) for one in run.fired
    ]
    end = run.end
    last = max(run.last_step or 0, end.found.total_steps if end else 0) or None
    size = MAIN_WIDTH, MAIN_HEIGHT
    return losses_plot(run.curve, "Losses of the run by step", marks, size, last, end.band if end else None)


def losses_plot(
    curve: Curve,
    label: str,
    marks: Sequence[StepMark] = (),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    end: int | None = None,
    band: Band | None = None,
) -> Plot | None:
    """Return training and validation losses by step; None where no loss is finite.

    Args:
        curve: The losses.
        label: What the picture shows, for screen readers.
        marks: Steps that are marked.
        size: Width and height of the view box.
        end: Last step of the axis; None: that of the curve.
        band: The interval of a forecast.
    """
    width, height = size
    series = [Series("training loss", "train", training_losses(curve))]
    for (name, points), style in zip(validation_losses(curve).items(), SETS, strict=False):
        series.append(Series(name, style, points, "circle"))
    values = [value for one in series for _, value in one.points if math.isfinite(value) and value > 0]
    log = bool(values) and max(values) > LOG_FROM * min(values)
    whole = [*series, Series("", "", [*band.low, *band.high])] if band else series
    y = axis_of(whole, height - 28, 10, log=log)
    if y is None:
        return None
    plot = Plot(label + (", on a logarithmic axis" if log else ""), width, height)
    x = Axis(0, max(last_step(curve), end or 0), 44, width - 8)
    plot.scale(x, y)
    plot.draw(series, x, y)
    if band:
        plot.band(band, x, y)
    for mark in marks:
        plot.mark_step(mark, x, y)
    note = thinning_note(series)
    plot.notes[:] = [note] if note else []  # the picture below has the others
    plot.steps(x, height - 28)
    return plot


def _trial(found: Trial) -> str:
    steps = f"{found.steps:,} of {units.many(found.curve.total_steps, 'step')}" if found.curve.total_steps else ""
    losses = found.curve.validation
    course = f"validation loss {loss_text(losses[0].loss)} → {loss_text(losses[-1].loss)}" if losses else ""
    stopped = "ended early" if found.stopped else ""
    return "; ".join(part for part in (steps or units.many(found.steps, "step"), course, stopped) if part)


def _learning_rates(found: LearningRateComparison) -> str:
    best, planned = found.best, units.lr(found.planned_lr)
    after = f"after {units.many(found.steps, 'step')}"
    if best is None:
        return f"no learning rate has a finite validation loss {after}"
    if "planned" in lr_labels(found, best):
        return f"the planned {planned} is best {after}, with {loss_text(best.evaluation.loss)}"
    others = [loss_text(run.evaluation.loss) for run in found.runs if "planned" in lr_labels(found, run)]
    against = f" against {others[0]}" if others else ""
    return f"{units.lr(best.lr)} ends below the planned {planned} {after}: {loss_text(best.evaluation.loss)}{against}"


def _overfit(found: Overfit) -> str:
    best = found.best
    examples = units.many(found.examples, "example")
    if not best.losses:
        return f"{examples}, not trained on"
    exact = f"; {found.exact_replies:,} of {units.many(len(found.replies), 'answer')} exact" if found.replies else ""
    course = f"loss {loss_text(best.losses[0])} → {loss_text(best.final_loss)}"
    return f"{examples}: {course} in {units.many(best.steps, 'step')}{exact}"


def _answers(found: Experiments, run: RunView | None) -> AnswerCard | None:
    """One prompt of the run's own answers where it has some, else of the trial's; the user's own prompts are first."""
    if run and run.samples:
        sample = run.samples[_telling(run.samples)]
        differ, notes = differences(sample), run.answer_notes
        return AnswerCard(sample, _earlier(sample), run.samples_text, "tuned", "answers", differ, notes=notes)
    if run and (before_and_now := _so_far(run.over_time)):
        return before_and_now
    if found.samples and found.samples.samples:
        some = found.samples.samples
        asked = [one for one in some if one.answered]
        ended = [sum(getattr(one, side).ended for one in asked) for side in ("base", "tuned")]
        text = f"ended by themselves: base {ended[0]:,}, after the trial {ended[1]:,} of {len(asked):,}"
        sample = some[_telling(some)]
        found_in = "experiment-samples"
        return AnswerCard(sample, _earlier(sample), text, "after the trial", found_in, differences(sample))
    return None


def _so_far(over_time: Sequence[AnswersAt]) -> AnswerCard | None:
    """One prompt at the first and the last evaluation of a run that has no comparison yet."""
    if len(over_time) < 2:
        return None
    first, last = over_time[0], over_time[-1]
    then = {one.prompt: one for one in first.samples}
    asked = [one for one in last.samples if one.prompt in then]
    pairs = [
        Sample([{"role": "user", "content": one.asked or one.prompt}], None, _answer(then[one.prompt]), _answer(one))
        for one in asked
    ]
    if not pairs:
        return None
    ended = [sum(getattr(one, side).ended for one in pairs) for side in ("base", "tuned")]
    counts = f"at step {first.step:,} {ended[0]:,}, at step {last.step:,} {ended[1]:,} of {len(pairs):,}"
    number, after = _telling(pairs), f"step {last.step:,}"
    before = "base" if first.step == 0 else f"step {first.step:,}"
    sample, text = pairs[number], f"ended by themselves: {counts}"
    return AnswerCard(sample, asked[number].earlier, text, after, "over-time", differences(sample), before)


def _answer(one: AnswerAt) -> Answer:
    return Answer(one.answer, one.ended, one.tokens)


def _earlier(sample: Sample) -> int:
    return max(0, len(sample.messages) - 1)


def _telling(samples: Sequence[Sample]) -> int:
    """Number of the first prompt, or of the first whose answers differ."""
    return next((at for at, one in enumerate(samples) if one.base.text.strip() != one.tuned.text.strip()), 0)
