"""Experiments and rounds of `check --fix` as the page shows them: plots with their captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.evidence.experiments import Experiments
from sanetune.finding import REFUSING
from sanetune.report import format
from sanetune.report.curve_points import (
    Points,
    drawable,
    evaluation_losses,
    grad_norms,
    last_step,
    peak_lr,
    training_losses,
)
from sanetune.report.experiment_text import loss_text, lr_labels, overfit_text, trial_text
from sanetune.report.html.plot_parts import Axis, Label, Panel, PointMark, Rule, Series, StepMark
from sanetune.report.html.plots import Plot, axis_from_zero, axis_of
from sanetune.report.terminal import forecast, samples

if TYPE_CHECKING:
    from sanetune.curves.series import Curve
    from sanetune.gate.fixer import ConfigChange, Round
    from sanetune.probes.results import LearningRateComparison, LearningRateRun, Overfit, RecitedReply, Sample, Trial

WIDE, NARROW, TALL = 640, 400, 244
LEFT, RIGHT = 52, 8
SAMPLES, REPLIES, EVALUATIONS = 30, 10, 60
"""Rows of the tables, at most."""


@dataclass(frozen=True, slots=True)
class ExperimentsView:
    """What the page shows of the experiments.

    Attributes:
        found: What they found.
        trial: Plot of the trial's curve. None, here and below: there is nothing to draw.
        trial_text: The trial in a sentence.
        evaluations: Step, validation loss and loss of the fixed evaluation batch, as text.
        lr_plot: Plot of the validation loss by learning rate.
        lr_runs: Each short run, with its labels.
        overfit: Plot of the examples' losses.
        overfit_text: The overfit test in a sentence.
        wrong: Answers that differ from the memorised example.
        samples: The first prompts.
        samples_text: Figures of all answers in a sentence.
        forecast: Name, value and equation of each number.
    """

    found: Experiments
    trial: Plot | None = None
    trial_text: str = ""
    evaluations: Sequence[tuple[int, str, str]] = ()
    lr_plot: Plot | None = None
    lr_runs: Sequence[tuple[LearningRateRun, str]] = ()
    overfit: Plot | None = None
    overfit_text: str = ""
    wrong: Sequence[RecitedReply] = ()
    samples: Sequence[Sample] = ()
    samples_text: str = ""
    forecast: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round of `check --fix`.

    Attributes:
        number: Its number, from 1.
        verdict: Verdict of its check, for the colour.
        headline: The same as text.
        failed: Names of the checks that failed.
        changes: Changes of the configuration after the check.
        plot: Losses of the trials before and after the changes.
        text: What became of the trial, in a sentence.
    """

    number: int
    verdict: str
    headline: str
    failed: Sequence[str] = ()
    changes: Sequence[ConfigChange] = ()
    plot: Plot | None = None
    text: str = ""


def experiments_view(plain: Mapping[str, object]) -> ExperimentsView | None:
    """Return what the page shows of a report's experiments; None where there are none.

    Args:
        plain: JSON form of :class:`Experiments`.
    """
    found = Experiments.from_json(plain)
    if not found:
        return None
    values: dict[str, Any] = {}
    if trial := found.trial:
        label = "The trial's losses by step; the table below has the evaluations"
        values |= {
            "trial": _course(trial.curve, label),
            "trial_text": trial_text(trial),
            "evaluations": _table(trial.curve),
        }
    if comparison := found.lr_comparison:
        labelled = [(run, ", ".join(lr_labels(comparison, run))) for run in comparison.runs]
        values |= {"lr_plot": lr_plot(comparison), "lr_runs": labelled}
    if overfit := found.overfit:
        wrong = [reply for reply in overfit.replies if not reply.exact][:REPLIES]
        values |= {"overfit": overfit_plot(overfit), "overfit_text": overfit_text(overfit), "wrong": wrong}
    if found.samples:
        values |= {"samples": found.samples.samples[:SAMPLES], "samples_text": samples.summary(found.samples)}
    if found.forecast:
        values["forecast"] = list(forecast.rows(found.forecast))
    return ExperimentsView(found, **values)


def rounds(some: Sequence[Round]) -> list[RoundView]:
    """Return the rounds of `check --fix`, each compared with the next one."""
    trials = [one.report.experiments.get("trial") for one in some]
    curves = [_curve_of(trial) for trial in trials]
    found = []
    for number, one in enumerate(some):
        plot, text = None, ""
        if one.changes and number + 1 < len(some):
            before, after = curves[number], curves[number + 1]
            if before is not None and trials[number] == trials[number + 1]:
                text = "The trial was not repeated, since nothing that it depends on was changed."
            else:
                plot, text = _compared(before, after), _compared_text(before, after)
        found.append(_round(number + 1, one, plot, text))
    return found


def _curve_of(plain: object) -> Curve | None:
    trial: Trial | None = Experiments.from_json({"trial": plain}).trial
    return trial.curve if trial else None


def _round(number: int, one: Round, plot: Plot | None, text: str) -> RoundView:
    report = one.report
    failed = [finding.check for finding in report.of(*REFUSING)]
    verdict = "fail" if report.unusable else report.verdict.value
    return RoundView(number, verdict, format.headline(report), failed, one.changes, plot, text)


def run_plot(curve: Curve) -> Plot | None:
    """Return gradient norms and learning rates of a whole run by step; None where neither was logged."""
    lrs = [(point.step, point.lr) for point in curve.points if point.lr is not None]
    some = [
        ("gradient norm", Series("gradient norm", "norm", grad_norms(curve)), 24, 132),
        ("learning rate", Series("learning rate", "held", lrs), 172, 280),
    ]
    drawn = [(*one, axis) for one in some if (axis := axis_from_zero([one[1]], one[3], one[2]))]
    if not drawn:
        return None
    plot = Plot("Gradient norms and learning rates of the run by step", WIDE, drawn[-1][3] + 28)
    x = Axis(0, last_step(curve), LEFT, WIDE - RIGHT)
    for name, series, top, _, y in drawn:
        plot.scale(x, y, 3)
        plot.draw([series], x, y, keys=False, name=name)
        plot.labels.append(Label(x.end, top - 8, name, "end"))
    plot.steps(x, drawn[-1][3])
    return plot


def _course(curve: Curve, label: str) -> Plot | None:
    series = [
        Series("training loss", "train", training_losses(curve)),
        Series("fixed batch", "probe", evaluation_losses(curve.fixed_batch), "square"),
        Series("validation loss", "held", evaluation_losses(curve.validation), "circle"),
    ]
    norms = [Series("gradient norm", "norm", grad_norms(curve))]
    low = axis_of(norms, 292, 232)
    plot = Plot(label, WIDE, 324 if low else 244)
    x = Axis(min([0, *(point.step for point in curve.points[:1])]), last_step(curve), LEFT, WIDE - RIGHT)
    high = axis_of(series, 206, 24)
    if high is None:
        return None
    plot.scale(x, high)
    plot.draw(series, x, high)
    if peak := peak_lr(curve):
        plot.mark_step(StepMark(peak[0], f"highest learning rate {units.lr(peak[1])}"), x, high)
    plot.labels.append(Label(LEFT, 18, "loss", "end"))
    if low:
        plot.scale(x, low, 2)
        plot.draw(norms, x, low, keys=False, name="gradient norm")
        plot.labels.append(Label(x.end, 226, "gradient norm", "end"))
    plot.steps(x, 292 if low else 212)
    return plot


def _table(curve: Curve) -> list[tuple[int, str, str]]:
    """Step and losses of each evaluation; only those of the validation rows where there are many."""
    validation, fixed = dict(evaluation_losses(curve.validation)), dict(evaluation_losses(curve.fixed_batch))
    every = sorted({*validation, *fixed})
    shown = every if len(every) <= EVALUATIONS else sorted(validation)[:EVALUATIONS]
    return [(step, _cell(validation, step), _cell(fixed, step)) for step in shown]


def _cell(losses: Mapping[int, float], step: int) -> str:
    return loss_text(losses[step]) if step in losses else ""


def overfit_plot(found: Overfit, height: int = TALL, *, others: bool = True) -> Plot | None:
    """Return the losses of the memorised examples by step; None where no loss is finite.

    Args:
        found: The overfit test.
        height: Height of the view box.
        others: Whether attempts are drawn that were not the best.
    """
    best = found.best
    tried = [one for one in found.attempts if one is not best and others]
    series = [Series(f"learning rate {units.lr(one.lr)}", "before", _by_step(one.losses)) for one in tried]
    if planned := found.at_planned_lr:
        series.append(Series(f"planned learning rate {units.lr(planned.lr)}", "probe", _by_step(planned.losses)))
    series.append(Series(f"learning rate {units.lr(best.lr)}, the best", "held", _by_step(best.losses)))
    y = axis_of(series, height - 28, 12, log=True, more=found.target_loss * 0.7)
    if y is None:
        return None
    plot = Plot("Loss of the memorised examples by step, on a logarithmic axis", NARROW, height)
    x = Axis(0, max(1, *(len(one.points) - 1 for one in series)), LEFT, NARROW - RIGHT)
    plot.scale(x, y)
    plot.draw(series, x, y)
    plot.limit(x, y, found.target_loss, f"target: {found.target_loss:g}")
    plot.steps(x, height - 28)
    return plot


def _by_step(losses: Sequence[float]) -> Points:
    return list(enumerate(losses))


def lr_plot(found: LearningRateComparison, height: int = TALL) -> Plot | None:
    """Return validation losses over the learning rate, which is on a logarithmic axis; None: none can be drawn.

    Args:
        found: The comparison.
        height: Height of the view box.
    """
    drawn = [run for run in found.runs if drawable(run.lr) and run.lr > 0]
    y = axis_of([Series("", "", [(0, run.evaluation.loss) for run in drawn])], height - 36, 24)
    if y is None:
        return None
    plot = Plot("Validation loss by learning rate; the table below has the values", NARROW, height)
    x = Axis(min(run.lr for run in drawn) / 1.5, max(run.lr for run in drawn) * 1.5, LEFT, NARROW - RIGHT, True)
    plot.scale(x, y)
    plot.rules.append(Rule(x.start, height - 28, x.end, height - 28, "axis"))
    finite = [(run.lr, run.evaluation.loss) for run in drawn if drawable(run.evaluation.loss)]
    series = Series("validation loss", "held", sorted(finite), "circle")
    plot.panels.append(Panel([series], x, y, "learning rate", steps=_marked(found, drawn)))
    if len(finite) > 1:
        plot.lines.append(("before", " ".join(f"{x.at(lr):g},{y.at(loss):g}" for lr, loss in finite)))
    taken: list[float] = []
    for run in sorted(drawn, key=lambda one: -len(lr_labels(found, one))):
        labels, at, loss = lr_labels(found, run), x.at(run.lr), run.evaluation.loss
        text = f"learning rate {units.lr(run.lr)}: {loss_text(loss)}"
        plot.marks.append(
            PointMark(at, y.at(loss), "circle", _style(labels), text)
            if drawable(loss)
            else PointMark(at, y.end, "cross", "wrong", text)
        )
        if labels:
            plot.labels.append(Label(at, max(12, y.at(loss) - 11), ", ".join(labels)))
        if all(abs(at - other) > 75 for other in taken):
            taken.append(at)
            plot.labels.append(Label(at, height - 8, units.lr(run.lr)))
    return plot


def _marked(found: LearningRateComparison, drawn: Sequence[LearningRateRun]) -> list[StepMark]:
    """The learning rates that have a label, where the chart has its axis of steps."""
    return [StepMark(run.lr, ", ".join(labels)) for run in drawn if (labels := lr_labels(found, run))]


def _style(labels: Sequence[str]) -> str:
    return "held" if "best" in labels else "planned" if "planned" in labels else "before"


def _compared(before: Curve | None, after: Curve | None) -> Plot | None:
    """Both trials in one plot; validation losses are drawn over training losses."""
    series = []
    for name, style, curve in (("before", "before", before), ("after", "held", after)):
        if curve:
            mark = "circle" if name == "after" else "square"
            series.append(Series(f"training loss {name}", f"{style}-train", training_losses(curve)))
            series.append(Series(f"validation loss {name}", style, evaluation_losses(curve.validation), mark))
    y = axis_of(series, 206, 12)
    if y is None:
        return None
    plot = Plot("Losses of the trial before and after the change, by step", WIDE, 234)
    x = Axis(0, max(last_step(curve) for curve in (before, after) if curve), LEFT, WIDE - RIGHT)
    plot.scale(x, y)
    plot.draw(sorted(series, key=lambda one: bool(one.mark)), x, y)
    plot.steps(x, 206)
    return plot


def _compared_text(before: Curve | None, after: Curve | None) -> str:
    ends = [curve.validation[-1].loss for curve in (before, after) if curve and curve.validation]
    if before and after and len(ends) == 2:
        return f"Validation loss at the trial's end: {loss_text(ends[0])} before, {loss_text(ends[1])} after."
    missing = [name for name, curve in (("before", before), ("after", after)) if curve is None]
    return f"No trial was run {' and '.join(missing)} this change." if missing else ""
