"""The loss is still falling fast at the end of the run.

## What it does
Measures the fall of the loss in the last eighth of a finished run, on validation rows if there are enough
evaluations, else by the trend of the training loss, beside what was learned in all. The beginning of a longer run is
not judged, nor a loss near zero, one that falls at the boundaries of epochs, or many epochs without evaluations: more
of them may only be memorised.

## Why is this bad?
The next steps would have been the cheapest part of the training.

## Example
```yaml
train:
  max_steps: 100            # 0.2 epochs
  lr_scheduler_type: constant
```

## Use instead
Train for more epochs (`train.num_train_epochs`), or raise `train.learning_rate`.

```yaml
train:
  num_train_epochs: 2
  lr_scheduler_type: cosine
```

## Known problems
A loss that falls because the learning rate comes down looks unfinished only until it is down. More steps of a longer
schedule are another run, which no log shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, LogTooShortError, NotApplicableError
from sanetune.checks.curve._applies import fewer, needs_end, needs_token_loss
from sanetune.checks.curve._epochs import stairs
from sanetune.checks.curve._medians import of_last
from sanetune.curves.changes import (
    HELD_OUT,
    TRAINING,
    between,
    finite,
    last_step,
    points_of,
    scatter_of,
    since_lowest,
    training,
)
from sanetune.curves.paired import t_statistic
from sanetune.curves.robust import level, noise, slope
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Evaluation

FIX = "none"
VERSION = 5

LIMITS = {
    "held": Limit(0.05, "of the held-out loss in the last eighth, row by row: more than most choices of a learning rate"
                        " are worth"),
    "held_inexact": Limit(0.1, "the same where single rows are not known; at a constant learning rate healthy runs"
                               " fall by 5 to 8 %"),
    "even": Limit(0.095, "of the fall in all, from which on a fall of held-out rows has not slowed down: an even one"
                         " has 0.125; the next three limits count then, and not `held_inexact`"),
    "even_fall": Limit(0.02, "of the held-out loss in the last eighth, beside that"),
    "even_half": Limit(0.4, "of the fall since the first evaluation, that is in the second half of the steps: an even"
                             " one has 0.5; single falls at the end have less"),
    "even_times": Limit(1.5, "times the fall before it, that the last one is at most: more is a single low evaluation"),
    "even_learned": Limit(0.1, "of the held-out loss that it has fallen by in all, beside that"),
    "even_evaluations": Limit(5, "evaluations that show it, each of all of them below the one before"),
    "training": Limit(0.15, "undertrained: the last eighth still falls by more than 15 % (logs/wild)"),
    "learned": Limit(0.02, "of the fall in all; a run that falls evenly has 0.125, one stopped on its steep part 0.03"),
    "sure": Limit(3.0, "standard errors"),
    "jump": Limit(
        0.01, "of the loss: least standard deviation of an evaluation whose single rows are not known (curve-overfit)"
    ),
    "near_zero": Limit(0.1, "nats at the end, below which rows are memorised (logs/wild: all such logs)"),
    "epochs": Limit(3.0, "without an evaluation, from which on more steps may only memorise (curve-unmeasured)"),
    "lr_left": Limit(0.001, "of the peak learning rate at the end; with less the schedule is over"),
    "annealed": Limit(
        0.1,
        "of the peak learning rate at the end, where it was half of it or more before the part that is"
        " judged: what falls then does so by the decay, and would again",
    ),
    "decayed": Limit(0.1, "likewise, below which the next limit counts: what falls then does so by the decay, and would"
                          " again in a longer run"),
    "decayed_learned": Limit(0.08, "of the fall in all, where the learning rates of that eighth are 2 % of all"),
    "apart": Limit(0.26, "of the steps between the last two evaluations; of a longer part they do not tell its end"),
    "steps": Limit(20, "a run of fewer steps is a test (curve-unmeasured)"),
    "lower": Limit(
        0.02,
        "above its lowest level at the end, from which on it has been lower before; healthy held-out"
        " losses end within 2 % (logs/wild)",
    ),
    "stairs": Limit(0.07, "mean drop at boundaries of epochs, from which on curve-staircase may speak"),
}  # fmt: skip

FEWEST = 16
"""Training losses from which a trend can be told."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    needs_end(curve)
    if (end := last_step(curve)) < limits["steps"]:
        raise LogTooShortError(f"a run of {units.many(end, 'step')} is a test")
    if reason := _more_would_not_pay(curve, limits):
        raise NotApplicableError(reason)
    before, now, sure, source, last = _last_eighth(curve, limits)
    learned, lrs, evaluations = training(curve), _learning_rates(curve), finite(curve.validation)
    highest = max([before, *([learned.before] if learned and source == TRAINING else []), *_validation(curve)])
    return Measurement(
        {
            "source": source,
            "exact": len(evaluations) > 1 and between(evaluations[-2], evaluations[-1]).exact,
            "fall": (before - now) / before if before > 0 else 0.0,
            "of_learned": (before - now) / (highest - now) if highest > now else 0.0,
            "learned": (highest - now) / highest if highest > 0 else 0.0,
            "falling": _falling(curve),
            "evaluations": len(evaluations),
            "in_second_half": _in_second_half(curve),
            "last_times": _last_times(evaluations),
            "sure": sure,
            "lr_left": lrs[-1] / max(lrs) if lrs and max(lrs) > 0 else 1.0,
            "end": now,
            "last": last,
            "end_step": last_step(curve),
        }
    )


def _falling(curve: Curve) -> int:
    """The evaluations at the end each of which is below the one before."""
    losses = _validation(curve)
    count = 1
    while count < len(losses) and losses[-count] < losses[-count - 1]:
        count += 1
    return count if losses else 0


def _in_second_half(curve: Curve) -> float:
    """The share of the fall from the first evaluation to the last that is made in the second half of those steps."""
    evaluations = finite(curve.validation)
    if len(evaluations) < 3 or evaluations[0].loss <= evaluations[-1].loss:
        return 0.0
    first, last = evaluations[0], evaluations[-1]
    middle = (first.step + last.step) / 2
    before = min(evaluations, key=lambda one: abs(one.step - middle))
    return (before.loss - last.loss) / (first.loss - last.loss)


def _last_times(evaluations: Sequence[Evaluation]) -> float:
    """The last fall per step as times the one before; infinite where that was none."""
    if len(evaluations) < 3:
        return math.inf
    before, last = ((a.loss - b.loss) / (b.step - a.step) for a, b in pairwise(evaluations[-3:]))
    return last / before if before > 0 else math.inf


def _learning_rates(curve: Curve) -> list[float]:
    return [point.lr for point in curve.points if point.lr is not None and math.isfinite(point.lr)]


def _validation(curve: Curve) -> list[float]:
    return [one.loss for one in finite(curve.validation)]


def _more_would_not_pay(curve: Curve, limits: Limits) -> str:
    """Why a fall at the end is no reason for more steps; empty where there is none."""
    lrs = _learning_rates(curve)
    epochs = last_step(curve) / curve.steps_per_epoch if curve.steps_per_epoch else 0.0
    found = stairs(curve)
    if lrs and lrs[-1] <= limits["lr_left"] * max(lrs):
        return "the learning rate has come down to zero: a longer schedule is another run"
    if lrs and lrs[-1] <= limits["annealed"] * max(lrs) and lrs[-len(lrs) // 4] >= 0.5 * max(lrs):
        return "the learning rate comes down in the last quarter, and the loss with it: so it would in a longer run"
    if epochs >= limits["epochs"] and len(evaluations := _validation(curve)) < 2:
        seen = "one evaluation" if evaluations else "no evaluation"
        return f"{epochs:.3g} epochs with {seen}: what still falls may only be memorised"
    if found and len(found.boundaries) > 1 and found.drop >= limits["stairs"] and found.inside <= 1:
        return "most of the fall is at the boundaries of epochs"
    return _was_lower(curve, limits)


def _was_lower(curve: Curve, limits: Limits) -> str:
    """Where the loss has been lower before: what falls at the end makes up for that first."""
    change = since_lowest(curve)
    if change is None or change.relative < limits["lower"]:
        return ""
    if change.source == TRAINING and change.t < limits["sure"]:
        return ""
    return f"by {change.source} the loss was lower at step {change.steps[0]:,} than at the end"


def _last_eighth(curve: Curve, limits: Limits) -> tuple[float, float, float, str, int]:
    """Losses before the last eighth of the steps and at the end, t-statistic of the fall, what it is measured on,
    and the losses that the one at the end is the median of.

    Raises:
        NotApplicableError: Too little was logged.
    """
    evaluations, end = finite(curve.validation), max(1, last_step(curve))
    late = evaluations[-2:]
    if len(late) == 2 and late[0].step >= 0.5 * end and late[1].step - late[0].step <= limits["apart"] * end:
        scatter = max(scatter_of(evaluations), limits["jump"] * late[-1].loss)
        change = between(late[-2], late[-1], HELD_OUT, scatter)
        share = (change.steps[1] - change.steps[0]) / end
        scale = min(1.0, 0.125 / share) if share > 0 else 0.0
        return change.after - change.difference * scale, change.after, -change.t, HELD_OUT, 1
    points = points_of(curve)
    if len(points) < FEWEST:
        more = ", and no two evaluations in the last half"
        raise fewer(len(points), FEWEST, "training loss", "training losses", more=more)
    tail = points[-max(8, len(points) // 4) :]
    losses = [point.loss for point in tail]
    per_step, error = slope([point.step for point in tail], losses)
    now = level(losses[-max(3, len(tail) // 4) :], noise(losses))
    return now.value - per_step * end / 8, now.value, t_statistic(-per_step, error), TRAINING, now.count


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    way = "falls" if n["fall"] >= 0 else "rises"
    message = (
        f"by {n['source']} the loss {way} by {units.share(abs(n['fall']))} in the last"
        f" eighth of {n['end_step']:,} steps, to {units.nats(n['end'])}{of_last(n['last'])}"
    )
    if n["fall"] > 0:
        message = f"{message}: {units.share(n['of_learned'])} of its whole fall"
    limit = limits[("held" if n["exact"] else "held_inexact") if n["source"] == HELD_OUT else "training"]
    learned = limits["decayed_learned" if n["lr_left"] <= limits["decayed"] else "learned"]
    much = n["fall"] >= limit and n["of_learned"] >= learned and n["sure"] >= limits["sure"]
    above_zero = n["end"] >= limits["near_zero"]
    return warned(message) if above_zero and (much or _even(n, limits)) else passed(message)


def _even(n: dict[str, Any], limits: Limits) -> bool:
    """Whether held-out rows fall to the end as fast as before."""
    throughout = n["falling"] == n["evaluations"] and n["evaluations"] >= limits["even_evaluations"]
    if n["source"] != HELD_OUT or not throughout or n["lr_left"] <= limits["decayed"]:
        return False
    enough = n["fall"] >= limits["even_fall"] and n["learned"] >= limits["even_learned"]
    even = n["in_second_half"] >= limits["even_half"] and n["last_times"] <= limits["even_times"]
    return bool(enough and even and n["of_learned"] >= limits["even"])
