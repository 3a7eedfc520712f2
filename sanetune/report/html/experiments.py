"""The proof and the correction as the page shows them: pictures, and words for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.evidence.experiment_results import (
    Curve,
    LearningRateComparison,
    Looks,
    Overfit,
    Proof,
    Reply,
    read,
    real,
    words,
)
from sanetune.finding import Verdict
from sanetune.report import format
from sanetune.report.html.plots import Axis, Label, Mark, Plot, Rule, Series, axis_of
from sanetune.report.terminal import forecast, samples
from sanetune.report.terminal.experiments import overfit_words, trial_words

if TYPE_CHECKING:
    from sanetune.gate.fixer import Change, Round

WIDE, NARROW = 640, 400
LEFT, RIGHT = 52, 8
SAMPLES, REPLIES, LOOKS = 30, 10, 60
"""Rows of the tables."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The proof: its values, a picture of each part that has one, and a sentence."""

    proof: Proof
    trial: Plot | None = None
    trial_words: str = ""
    branches: Plot | None = None
    overfit: Plot | None = None
    overfit_words: str = ""
    wrong: Sequence[Reply] = ()
    """Learnt examples that were not given back."""
    samples: Sequence[Any] = ()
    samples_words: str = ""
    forecast: Sequence[tuple[str, str, str]] = ()
    looks: Sequence[tuple[int, str, str]] = ()
    """(step, held-out loss, loss at the probe batch) as text."""


@dataclass(frozen=True, slots=True)
class RoundShown:
    """One look of the correction, what was changed after it, and the trial before and after that."""

    number: int
    verdict: str
    headline: str
    failed: Sequence[str] = ()
    changes: Sequence[Change] = ()
    plot: Plot | None = None
    words: str = ""


def shown(plain: Mapping[str, Any]) -> Shown | None:
    """What the page has of a report's proof; None where there is none."""
    proof = read(plain)
    if not proof:
        return None
    values: dict[str, Any] = {}
    if found := proof.trial:
        values |= {"trial": _trial(found.curve), "trial_words": trial_words(found), "looks": _looks(found.curve)}
    if proof.branches:
        values["branches"] = _branches(proof.branches)
    if proof.overfit:
        wrong = [reply for reply in proof.overfit.replies if not reply.same][:REPLIES]
        values |= {"overfit": _overfit(proof.overfit), "overfit_words": overfit_words(proof.overfit), "wrong": wrong}
    if proof.samples:
        values |= {"samples": proof.samples.samples[:SAMPLES], "samples_words": samples.summary(proof.samples)}
    if proof.forecast:
        values["forecast"] = list(forecast.rows(proof.forecast))
    return Shown(proof, **values)


def rounds(some: Sequence[Round]) -> list[RoundShown]:
    """The rounds of a correction, each beside the one after it."""
    proofs = [one.report.proof for one in some]
    curves = [trial.curve if (trial := read(_of_trial(proof)).trial) else None for proof in proofs]
    found = []
    for number, one in enumerate(some):
        plot, said = None, ""
        if one.changes and number + 1 < len(some):
            before, after = curves[number], curves[number + 1]
            if before is not None and before == after:
                said = "The trial was not run again: nothing that it depends on was changed."
            else:
                plot, said = _compared(before, after), _compared_words(before, after)
        found.append(_round(number + 1, one, plot, said))
    return found


def _of_trial(proof: Mapping[str, Any]) -> dict[str, Any]:
    return {"trial": proof["trial"]} if "trial" in proof else {}


def _round(number: int, one: Round, plot: Plot | None, said: str) -> RoundShown:
    report = one.report
    failed = [finding.check for finding in report.of(Verdict.CRASH, Verdict.FAIL)]
    verdict = "fail" if report.unusable else report.verdict.value
    return RoundShown(number, verdict, format.headline(report), failed, one.changes, plot, said)


def _trial(curve: Curve) -> Plot | None:
    series = [
        Series("training loss", "train", curve.training),
        Series("probe batch", "probe", curve.probe, "square"),
        Series("held-out loss", "held", curve.held, "circle"),
    ]
    norms = [Series("gradient norm", "norm", curve.norms)]
    low = axis_of(norms, 292, 232)
    plot = Plot("The trial's losses by step; the table below has the looks", WIDE, 324 if low else 244)
    x = Axis(min([0, *curve.steps[:1]]), curve.last, LEFT, WIDE - RIGHT)
    high = axis_of(series, 206, 24)
    if high is None:
        return None
    plot.scale(x, high)
    if curve.peak:
        at = x.at(curve.peak[0])
        plot.rules.append(Rule(at, 14, at, 206, "peak"))
        side = "start" if at < WIDE / 2 else "end"
        said = f"highest rate {units.rate(curve.peak[1])}"
        plot.labels.append(Label(at + (6 if side == "start" else -6), 18, said, side))
    plot.draw(series, x, high)
    plot.labels.append(Label(LEFT, 18, "loss", "end"))
    if low:
        plot.scale(x, low, 2)
        plot.draw(norms, x, low, keys=False)
        plot.labels.append(Label(x.end, 226, "gradient norm", "end"))
    plot.steps(x, 292 if low else 212)
    return plot


def _looks(curve: Curve) -> list[tuple[int, str, str]]:
    held, probe = dict(curve.held), dict(curve.probe)
    every = sorted({*held, *probe})
    kept = every if len(every) <= LOOKS else sorted(held)[:LOOKS]
    return [(step, _said(held, step), _said(probe, step)) for step in kept]


def _said(looks: Mapping[int, float], step: int) -> str:
    return words(looks[step]) if step in looks else ""


def _overfit(found: Overfit) -> Plot | None:
    best = found.best
    others = [one for one in found.tries if one is not best]
    series = [Series(f"rate {units.rate(one.rate)}", "before", _course(one.losses)) for one in others]
    if found.planned:
        series.append(Series(f"planned rate {units.rate(found.planned.rate)}", "probe", _course(found.planned.losses)))
    series.append(Series(f"rate {units.rate(best.rate)}, the best", "held", _course(best.losses)))
    y = axis_of(series, 216, 12, log=True, more=found.wanted * 0.7)
    if y is None:
        return None
    plot = Plot("Loss of the examples that are learnt by heart, by step, on a logarithmic axis", NARROW, 244)
    x = Axis(0, max(1, *(len(one.points) - 1 for one in series)), LEFT, NARROW - RIGHT)
    plot.scale(x, y)
    plot.limit(x, y, found.wanted, f"wanted: {found.wanted:g}")
    plot.draw(series, x, y)
    plot.steps(x, 216)
    return plot


def _course(losses: Sequence[float]) -> Looks:
    return list(enumerate(losses))


def _branches(found: LearningRateComparison) -> Plot | None:
    """Held-out loss over the rate, which is logarithmic."""
    drawn = [one for one in found.branches if real(one.rate) and one.rate > 0]
    y = axis_of([Series("", "", [(0, one.held_loss) for one in drawn])], 208, 24)
    if y is None:
        return None
    plot = Plot("Held-out loss by learning rate; the table below has the values", NARROW, 244)
    x = Axis(min(one.rate for one in drawn) / 1.5, max(one.rate for one in drawn) * 1.5, LEFT, NARROW - RIGHT, True)
    plot.scale(x, y)
    plot.rules.append(Rule(x.start, 216, x.end, 216, "axis"))
    sound = [one for one in drawn if real(one.held_loss)]
    if len(sound) > 1:
        plot.lines.append(("before", " ".join(f"{x.at(one.rate):g},{y.at(one.held_loss):g}" for one in sound)))
    taken: list[float] = []
    for one in sorted(drawn, key=lambda one: -len(found.notes(one))):
        notes, at = found.notes(one), x.at(one.rate)
        said = f"rate {units.rate(one.rate)}: {words(one.held_loss)}"
        plot.marks.append(
            Mark(at, y.at(one.held_loss), "circle", _style(notes), said)
            if real(one.held_loss)
            else Mark(at, y.end, "cross", "wrong", said)
        )
        if notes:
            plot.labels.append(Label(at, max(12, y.at(one.held_loss) - 11), ", ".join(notes)))
        if all(abs(at - other) > 75 for other in taken):
            taken.append(at)
            plot.labels.append(Label(at, 236, units.rate(one.rate)))
    return plot


def _style(notes: Sequence[str]) -> str:
    return "held" if "best" in notes else "planned" if "planned" in notes else "before"


def _compared(before: Curve | None, after: Curve | None) -> Plot | None:
    """Both trials in one picture; held-out losses above training losses."""
    series = []
    for name, style, curve in (("before", "before", before), ("after", "held", after)):
        if curve:
            mark = "circle" if name == "after" else "square"
            series.append(Series(f"training loss {name}", f"{style}-train", curve.training))
            series.append(Series(f"held-out loss {name}", style, curve.held, mark))
    y = axis_of(series, 206, 12)
    if y is None:
        return None
    plot = Plot("Losses of the trial before and after the change, by step", WIDE, 234)
    x = Axis(0, max(curve.last for curve in (before, after) if curve), LEFT, WIDE - RIGHT)
    plot.scale(x, y)
    plot.draw(sorted(series, key=lambda one: bool(one.mark)), x, y)
    plot.steps(x, 206)
    return plot


def _compared_words(before: Curve | None, after: Curve | None) -> str:
    ends = [curve.held[-1][1] for curve in (before, after) if curve and curve.held]
    if before and after and len(ends) == 2:
        return f"Held-out loss at the trial's end: {words(ends[0])} before, {words(ends[1])} after."
    missing = [name for name, curve in (("before", before), ("after", after)) if curve is None]
    return f"No trial was run {' and '.join(missing)} this change." if missing else ""
