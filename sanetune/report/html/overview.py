"""The first screen of the page: verdict, what decides, and the few pictures and figures that show it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.evidence.experiments import Experiments
from sanetune.finding import BAD, Finding
from sanetune.report import format
from sanetune.report.curve_points import evaluation_losses, last_step, training_losses
from sanetune.report.experiment_text import loss_text, lr_labels
from sanetune.report.html.experiments import lr_plot, overfit_plot
from sanetune.report.html.plots import Axis, Label, Plot, Rule, Series, axis_of
from sanetune.report.terminal import forecast

if TYPE_CHECKING:
    from sanetune.curves.series import Curve
    from sanetune.probes.results import LearningRateComparison, Overfit, Sample, Trial
    from sanetune.report.html.view import PageView, RunView

WIDTH, HEIGHT = 400, 172
WORST = 4
"""Findings that the first screen names."""
MOST = 2
"""Findings of the run's curve that the first screen names."""
LOG_FROM = 8.0
"""A curve whose highest loss is this many times its lowest is drawn on a logarithmic axis."""
FORECAST = {
    "whole run": "forecast of the run",
    "cost": "forecast of its cost",
    "tokens": "forecast speed",
    "one step": "one step",
    "evaluations": "all evaluations",
    "this check": "check, as a share of the run",
}
"""Rows of the forecast on the first screen, and what they are called there."""


@dataclass(frozen=True, slots=True)
class Card:
    """One picture of the first screen.

    Attributes:
        title: What was done.
        text: Its result in a sentence.
        plot: The picture; None: there is nothing to draw.
        target: Id of the part of the page that has all of it.
        findings: What it shows that asks for something to be done.
    """

    title: str
    text: str
    plot: Plot | None
    target: str
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class AnswerCard:
    """One prompt with both answers.

    Attributes:
        sample: Prompt and answers.
        text: Figures of all answers in a sentence.
        after: What the second model is called.
        target: Id of the part of the page that has all answers.
    """

    sample: Sample
    text: str
    after: str
    target: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen below the verdict.

    Attributes:
        worst: The findings that matter most.
        more: How many others ask for something to be done.
        cards: Pictures of what was tried.
        answers: One prompt before and after.
        figures: Name and value of times and costs.
    """

    worst: Sequence[Finding] = ()
    more: int = 0
    cards: Sequence[Card] = ()
    answers: AnswerCard | None = None
    figures: Sequence[tuple[str, str]] = ()


def overview(view: PageView) -> Overview:
    """Return the first screen of ``view``."""
    found = Experiments.from_json(view.report.experiments)
    bad = format.by_weight(view.report.of(*BAD))
    figures = [*(view.run.figures if view.run else ()), *_forecast(found)]
    return Overview(bad[:WORST], len(bad[WORST:]), list(_cards(found, view.run)), _answers(found, view.run), figures)


def _cards(found: Experiments, run: RunView | None) -> Iterator[Card]:
    if run and run.curve:
        plot = losses_plot(run.curve, "Losses of the run by step", run.best_step)
        yield Card("Training", run.text, plot, "training", run.findings[:MOST])
    if found.trial:
        plot = losses_plot(found.trial.curve, "Losses of the trial by step")
        yield Card("Trial", _trial(found.trial), plot, "experiment-trial")
    if found.lr_comparison:
        plot = lr_plot(found.lr_comparison, HEIGHT)
        yield Card("Learning rates", _learning_rates(found.lr_comparison), plot, "experiment-lr")
    if found.overfit:
        plot = overfit_plot(found.overfit, HEIGHT, others=False)
        yield Card("Overfit", _overfit(found.overfit), plot, "experiment-overfit")


def losses_plot(curve: Curve, label: str, best: int | None = None) -> Plot | None:
    """Return training and validation losses by step; None where no loss is finite.

    Args:
        curve: The losses.
        label: What the picture shows, for screen readers.
        best: Step of the evaluation whose weights were kept.
    """
    series = [
        Series("training loss", "train", training_losses(curve)),
        Series("validation loss", "held", evaluation_losses(curve.validation), "circle"),
    ]
    values = [value for one in series for _, value in one.points if math.isfinite(value) and value > 0]
    log = bool(values) and max(values) > LOG_FROM * min(values)
    y = axis_of(series, HEIGHT - 28, 10, log=log)
    if y is None:
        return None
    plot = Plot(label + (", on a logarithmic axis" if log else ""), WIDTH, HEIGHT)
    x = Axis(0, last_step(curve), 44, WIDTH - 8)
    plot.scale(x, y)
    if best is not None and x.low <= best <= x.high:
        plot.rules.append(Rule(x.at(best), 10, x.at(best), HEIGHT - 28, "peak"))
        plot.labels.append(Label(x.at(best) - 4, 18, "best", "end"))
    plot.draw(series, x, y)
    plot.notes.clear()  # the picture below has them
    plot.steps(x, HEIGHT - 28)
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
    exact = f"; {found.exact_replies:,} of {len(found.replies):,} answers exact" if found.replies else ""
    return f"{examples}: loss {loss_text(best.losses[0])} → {loss_text(best.final_loss)} in {best.steps:,} steps{exact}"


def _answers(found: Experiments, run: RunView | None) -> AnswerCard | None:
    """One prompt of the run's own answers where it has some, else of the trial's; the user's own prompts are first."""
    if run and run.samples:
        return AnswerCard(_telling(run.samples), run.samples_text, "tuned", "answers")
    if found.samples and found.samples.samples:
        some = found.samples.samples
        ended = [sum(getattr(one, side).ended for one in some) for side in ("base", "tuned")]
        text = f"ended by themselves: base {ended[0]:,}, after the trial {ended[1]:,} of {len(some):,}"
        return AnswerCard(_telling(some), text, "after the trial", "experiment-samples")
    return None


def _telling(samples: Sequence[Sample]) -> Sample:
    """The first prompt, or the first whose answers differ."""
    return next((one for one in samples if one.base.text.strip() != one.tuned.text.strip()), samples[0])


def _forecast(found: Experiments) -> Iterator[tuple[str, str]]:
    if not found.forecast:
        return
    rows = {name: value for name, value, _ in forecast.rows(found.forecast)}
    for name, words in FORECAST.items():
        if name in rows:
            yield words, rows[name].replace("/s", " tokens/s")
