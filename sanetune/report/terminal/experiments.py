"""The experiments on a terminal: overfit test, trial, learning-rate comparison, answers and forecast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.evidence.experiments import Experiments
from sanetune.report.curve_points import Points, evaluation_losses, last_step, training_losses, value_range
from sanetune.report.experiment_text import LONGEST_REASON, loss_text, lr_labels, outcome_text, overfit_text, trial_text
from sanetune.report.terminal import forecast, forgetting, samples
from sanetune.report.terminal.grid import WIDTH as COLUMNS
from sanetune.report.terminal.grid import drawing
from sanetune.text import escape_control, one_line, shorten

if TYPE_CHECKING:
    from sanetune.curves.series import Curve
    from sanetune.probes.results import LearningRateComparison, Sample

HEIGHT = 8
SAMPLES = 2
"""Prompts whose answers are shown; the page has them all."""
LABEL = 9
OUTCOME_STYLES = {"will not get there": "yellow"}
EXCERPT = 110
"""Characters of a prompt and of an answer that are shown."""


def parts(plain: Mapping[str, object]) -> list[RenderableType]:
    """Return the parts of the view from top to bottom; none where no experiment was run.

    Args:
        plain: JSON form of :class:`Experiments`.
    """
    found = Experiments.from_json(plain)
    if not found:
        return []
    pieces: list[RenderableType] = [Text("Experiments", style="bold")]
    pieces += [_row(name, text) for name, text in _lines(found)]
    if found.trial:
        pieces += _curve(found.trial.curve)
    if found.lr_comparison:
        pieces.append(_row("lr", _learning_rates(found.lr_comparison)))
    if found.samples and found.samples.samples:
        pieces.append(_row("answers", Text(samples.summary(found.samples))))
        chosen = samples.chosen(found.samples.samples, SAMPLES)
        pieces += [_row("", _answers(found.samples.samples[number])) for number in chosen]
    if found.outcome:
        pieces.append(_row("outcome", Text(outcome_text(found.outcome), OUTCOME_STYLES.get(found.outcome.verdict, ""))))
    if found.forgetting:
        gauge = forgetting.lines(forgetting.numbers_of(found.forgetting))
        pieces += [_row("" if number else "forgetting", line) for number, line in enumerate(gauge)]
    if found.forecast:
        pieces.append(_row("forecast", Text(forecast.line(found.forecast))))
        pieces += [_row("", Text(f"! {one_line(note, LONGEST_REASON)}", "yellow")) for note in found.forecast.notes]
    return pieces


def _lines(found: Experiments) -> Iterator[tuple[str, Text]]:
    if found.broken:
        yield "broken", Text(f"cannot be read: {', '.join(found.broken)}", "yellow")
    if found.overfit:
        yield "overfit", Text(overfit_text(found.overfit))
    if found.trial:
        yield "trial", Text(trial_text(found.trial))


def _curve(curve: Curve) -> list[RenderableType]:
    """The trial's losses in one picture; validation losses are drawn over the others."""
    series = {
        "validation loss": evaluation_losses(curve.validation),
        "fixed batch": evaluation_losses(curve.fixed_batch),
        "training loss": _column_means(training_losses(curve)),
    }
    # The range depends on the first value, and the training loss has the first step.
    inside = value_range([loss for points in reversed(series.values()) for _, loss in points])
    if inside is None:
        return [_row("", Text("none of its losses can be drawn", "yellow"))]
    curves = {
        name: ([step for step, _ in points], [min(loss, inside[1]) for _, loss in points])
        for name, points in series.items()
        if points
    }
    lines = drawing(curves, label=loss_text, last=last_step(curve), height=HEIGHT)
    above = max((loss for points in series.values() for _, loss in points if loss > inside[1]), default=None)
    note = [_row("", Text(f"The highest loss is {loss_text(above)}, above this picture.", "dim"))] if above else []
    return [*lines, *note]


def _column_means(points: Points) -> Points:
    """The mean of the points in each column of the picture."""
    every = -(-len(points) // COLUMNS) or 1
    groups = [points[at : at + every] for at in range(0, len(points), every)]
    return [(some[len(some) // 2][0], sum(loss for _, loss in some) / len(some)) for some in groups]


def _learning_rates(found: LearningRateComparison) -> RenderableType:
    start, steps = loss_text(found.start.loss), units.many(found.steps, "step")
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for run in found.runs:
        labels = lr_labels(found, run)
        style = "green" if "best" in labels else ""
        loss = Text(loss_text(run.evaluation.loss), style)
        table.add_row(Text(units.lr(run.lr), style), loss, Text(", ".join(labels)))
    return Group(Text(f"validation loss, {start} at the start, after {steps} at each learning rate"), table)


def _answers(sample: Sample) -> RenderableType:
    """The last message of a prompt and both answers, shortened."""
    asked = str(sample.messages[-1].get("content") or "") if sample.messages else ""
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("prompt", Text(_excerpt(asked)))
    for name, answer in (("base", sample.base), ("tuned", sample.tuned)):
        length = units.many(answer.tokens, "token")
        end = f"ended, {length}" if answer.ended else f"truncated at {length}"
        text = Text.assemble(_excerpt(answer.text), " ", (f"({end})", "dim" if answer.ended else "red"))
        table.add_row(name, Text(one_line(answer.note, LONGEST_REASON), "italic dim") if answer.note else text)
    return table


def _excerpt(text: str) -> str:
    """The first characters of a user's or a model's text, on one line."""
    line = " ".join(text[: 4 * EXCERPT].split())
    return escape_control(shorten(line, EXCERPT), strict=True) or "(empty)"


def _row(name: str, body: RenderableType) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True, min_width=LABEL)
    table.add_column(overflow="fold")
    table.add_row(name, body)
    return table
