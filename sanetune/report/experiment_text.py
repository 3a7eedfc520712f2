"""Results of experiments in sentences: the same on the terminal and on the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.forecast.outcome import aim
from sanetune.report.curve_points import peak_lr
from sanetune.text import one_line

if TYPE_CHECKING:
    from sanetune.forecast.outcome import OutcomeForecast
    from sanetune.probes.results import LearningRateComparison, LearningRateRun, Overfit, Trial

LONGEST_REASON = 300
"""Characters of the reason that a trial ended early."""


def loss_text(loss: float) -> str:
    """Return a loss in nats as text, with about three significant digits.

    >>> loss_text(2.5), loss_text(0.01234), loss_text(812.4), loss_text(float("nan"))
    ('2.500', '0.0123', '812', 'not a number')
    """
    if math.isnan(loss):
        return "not a number"
    if math.isinf(loss):
        return "infinite"
    if abs(loss) >= 100:
        return f"{loss:,.0f}" if abs(loss) < 1e6 else f"{loss:.3g}"
    return f"{loss:.3f}" if abs(loss) >= 0.1 else f"{loss:.3g}"


def overfit_text(found: Overfit) -> str:
    """Return the loss of the examples before and after the overfit test, and how many answers came back exactly."""
    best = found.best
    if not best.losses:
        return f"{units.many(found.examples, 'example')}, not trained on"
    replies = units.many(len(found.replies), "answer")
    recited = f"; {found.exact_replies:,} of {replies} reproduced exactly" if found.replies else ""
    return (
        f"{units.many(found.examples, 'example')}: loss {loss_text(best.losses[0])} → {loss_text(best.final_loss)} in"
        f" {units.many(best.steps, 'step')} at learning rate {units.lr(best.lr)} (target: {found.target_loss:g})"
        f"{recited}"
    )


def trial_text(found: Trial) -> str:
    """Return how far the trial went, and its validation loss before and after."""
    curve = found.curve
    whole = f" of {units.many(curve.total_steps, 'step')}" if curve.total_steps else " steps"
    text = f"the first {found.steps:,}{whole}" if found.steps >= found.planned_steps else f"{found.steps:,}{whole}"
    if curve.validation:
        split = ", on training rows held out for it" if found.validation_split == "train" else ""
        first, last = curve.validation[0].loss, curve.validation[-1].loss
        text += f": validation loss {loss_text(first)} → {loss_text(last)}{split}"
    if peak := peak_lr(curve):
        text += f"; highest learning rate {units.lr(peak[1])} at step {peak[0]:,}"
    if found.run_warmup_steps:
        made = curve.warmup_steps or 0
        text += f"; its warm-up is shortened to {units.many(made, 'step')}, the run's has {found.run_warmup_steps:,}"
    if found.stopped:
        text += f"; ended early: {one_line(found.stopped, LONGEST_REASON)}"
    return text


def outcome_text(found: OutcomeForecast) -> str:
    """Return how the run is forecast to end, in a sentence."""
    text = (
        f"{found.verdict}: a final validation loss of {loss_text(found.median)} ({loss_text(found.low)} to"
        f" {loss_text(found.high)} with 80 %), from {found.step:,} of {units.many(found.total_steps, 'step')}; it has"
        f" to get {aim(found.there, one_line(found.there_is, LONGEST_REASON), found.lowest)}"
    )
    return f"{text}. To decide it: {one_line(found.decides, LONGEST_REASON)}" if found.decides else text


def lr_labels(comparison: LearningRateComparison, run: LearningRateRun) -> list[str]:
    """Return the labels of ``run``: "planned", "best", both or none."""
    planned = math.isclose(run.lr, comparison.planned_lr, rel_tol=1e-6)
    return ["planned"] * planned + ["best"] * (run is comparison.best)
