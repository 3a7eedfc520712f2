"""The proof on a terminal: what was learnt by heart, the trial's curve, rates beside the planned one, a few answers and
the forecast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.evidence.experiment_results import (
    Curve,
    LearningRateComparison,
    Looks,
    Overfit,
    Proof,
    Trial,
    bounds,
    read,
    words,
)
from sanetune.report.terminal import forecast, samples
from sanetune.report.terminal.grid import WIDTH as COLUMNS
from sanetune.report.terminal.grid import drawing
from sanetune.text import escape_control, shorten, shorten_middle

if TYPE_CHECKING:
    from sanetune.probes.results import Sample

HEIGHT = 8
SAMPLES = 2
"""Prompts whose answers are shown; the page has them all."""
LABEL = 9
BEGUN = 110
"""Characters of a prompt and of an answer that are shown."""
LONGEST = 300
"""Characters of a reason."""


def parts(plain: Mapping[str, Any]) -> list[RenderableType]:
    """The pieces, top to bottom; none where nothing was proved."""
    proof = read(plain)
    if not proof:
        return []
    pieces: list[RenderableType] = [Text("Proof", style="bold")]
    pieces += [_row(name, text) for name, text in _lines(proof)]
    if proof.trial:
        pieces += _curve(proof.trial.curve)
    if proof.branches:
        pieces.append(_row("rates", _branches(proof.branches)))
    if proof.samples and proof.samples.samples:
        pieces += [_row("answers", Text(samples.summary(proof.samples)))]
        pieces += [
            _row("", _answers(proof.samples.samples[at])) for at in samples.chosen(proof.samples.samples, SAMPLES)
        ]
    if proof.forecast:
        pieces.append(_row("forecast", Text(forecast.line(proof.forecast))))
        pieces += [_row("", Text(f"! {_plain(note)}", "yellow")) for note in proof.forecast.notes]
    return pieces


def _lines(proof: Proof) -> Iterator[tuple[str, Text]]:
    if proof.broken:
        yield "broken", Text(f"cannot be read: {', '.join(proof.broken)}", "yellow")
    if proof.overfit:
        yield "overfit", Text(overfit_words(proof.overfit))
    if proof.trial:
        yield "trial", Text(trial_words(proof.trial))


def overfit_words(found: Overfit) -> str:
    """What became of the examples, in a sentence."""
    best = found.best
    if not best.losses:
        return f"{units.many(found.examples, 'example')}, not tried"
    given = f"; {found.same:,} of {units.many(len(found.replies), 'answer')} given back" if found.replies else ""
    return (
        f"{units.many(found.examples, 'example')}: loss {words(best.losses[0])} → {words(best.end)} in"
        f" {units.many(best.steps, 'step')} at rate {units.rate(best.rate)} (wanted: {found.wanted:g}){given}"
    )


def trial_words(found: Trial) -> str:
    """How far the trial went, and what became of the loss on held-out rows, in a sentence."""
    curve = found.curve
    whole = f" of {units.many(curve.total_steps, 'step')}" if curve.total_steps else " steps"
    text = f"the first {found.done:,}{whole}" if found.done >= found.wanted else f"{found.done:,}{whole}"
    if curve.held:
        kept = ", on training rows kept aside" if found.held_from == "train" else ""
        text += f": held-out loss {words(curve.held[0][1])} → {words(curve.held[-1][1])}{kept}"
    if curve.peak:
        text += f"; highest rate {units.rate(curve.peak[1])} at step {curve.peak[0]:,}"
    return text + (f"; ended early: {_plain(found.stopped)}" if found.stopped else "")


def _curve(curve: Curve) -> list[RenderableType]:
    """Held-out looks above those at the probe batch above the training loss."""
    looks = {"held-out loss": curve.held, "probe batch": curve.probe, "training loss": _means(curve)}
    inside = bounds([loss for some in (looks["training loss"], curve.held, curve.probe) for _, loss in some])
    if inside is None:
        return [_row("", Text("no loss of it is a number", "yellow"))]
    curves = {
        name: ([step for step, _ in some], [min(loss, inside[1]) for _, loss in some])
        for name, some in looks.items()
        if some
    }
    lines = drawing(curves, label=words, last=curve.last, height=HEIGHT)
    above = max((loss for some in looks.values() for _, loss in some if loss > inside[1]), default=None)
    return [*lines, *([_row("", Text(f"The highest is {words(above)}, above this picture.", "dim"))] if above else [])]


def _means(curve: Curve) -> Looks:
    """The training loss, averaged over the steps of one column."""
    every = -(-len(curve.training) // COLUMNS) or 1
    groups = [curve.training[at : at + every] for at in range(0, len(curve.training), every)]
    return [(some[len(some) // 2][0], sum(loss for _, loss in some) / len(some)) for some in groups]


def _branches(found: LearningRateComparison) -> RenderableType:
    head = (
        f"held-out loss, {words(found.start_loss)} at the start, after {units.many(found.steps, 'step')} at each rate"
    )
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for one in found.branches:
        notes = found.notes(one)
        style = "green" if "best" in notes else ""
        table.add_row(Text(units.rate(one.rate), style), Text(words(one.held_loss), style), Text(", ".join(notes)))
    return Group(Text(head), table)


def _answers(sample: Sample) -> RenderableType:
    """A prompt's end and the beginnings of both answers."""
    asked = str(sample.messages[-1].get("content") or "") if sample.messages else ""
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("asked", Text(_begun(asked)))
    for name, answer in (("base", sample.base), ("tuned", sample.tuned)):
        length = units.many(answer.tokens, "token")
        end = f"ended, {length}" if answer.ended else f"cut off at {length}"
        told = Text.assemble(_begun(answer.text), " ", (f"({end})", "dim" if answer.ended else "red"))
        table.add_row(name, Text(_plain(answer.note), "italic dim") if answer.note else told)
    return table


def _begun(text: str) -> str:
    """The beginning of a user's or a model's text, on one line."""
    line = " ".join(text[: 4 * BEGUN].split())
    return escape_control(shorten(line, BEGUN), strict=True) or "(nothing)"


def _row(name: str, body: RenderableType) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True, min_width=LABEL)
    table.add_column(overflow="fold")
    table.add_row(name, body)
    return table


def _plain(text: str) -> str:
    return escape_control(shorten_middle(text, LONGEST), newline=" ", strict=True)
