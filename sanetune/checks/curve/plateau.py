"""The loss does not fall.

## What it does
Compares the validation loss at the end with that before the first step, row by row, beside the training loss. Without
validation rows it uses the training batches; five or more of them that all lie within 1 % are flat, and so are two
means of a hundred steps within 0.6 %. Where training losses surely rise and an evaluation does too, a validation loss
that falls by less than 2 % is flat as well. So is a whole run with five or more evaluations, none of which is below
that before the first step, unless they end 5 % above it (curve-diverged, curve-overfit). A curve that has fallen and
then stays is not a plateau (curve-stalled), and neither is one whose learning rate still rises (curve-warmup-long).

## Why is this bad?
Every further step costs the same and changes nothing.

## Example
```yaml
train:
  learning_rate: 1.0e-8
```

## Use instead
See model-nothing-trainable and model-update-lost; then raise `train.learning_rate` tenfold and try again.

```yaml
train:
  learning_rate: 2.0e-5
```

## Known problems
A model that already knows the data cannot improve on it. It needs no more of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, LogTooShortError, NotApplicableError
from sanetune.checks.curve._applies import needs_token_loss, too_few
from sanetune.checks.curve._medians import of_last
from sanetune.curves.changes import (
    TRAINING,
    Change,
    complete,
    divided,
    finite,
    last_step,
    learned_points,
    overall,
    peak_step,
    rises_throughout,
    training,
)
from sanetune.curves.fall import fall_of
from sanetune.curves.repeats import repeated
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Point

FIX = "none"
VERSION = 12

LIMITS = {
    "fail": Limit(0.005, "share that the held-out loss fell by; on stories260k an lr 1,000 times below the best"
                         " still gives 0.055 in 200 steps"),
    "warn": Limit(0.02, "flat: within 2 % from start to end (logs/wild)"),
    "sure": Limit(2.0, "standard errors: a fall of more than the limits must be ruled out"),
    "fell": Limit(0.1, "share: where only batches are known, they must rule out a larger fall in the first steps"),
    "fewest_steps": Limit(50, "after warm-up; fewer hardly move a model"),
    "done": Limit(0.8, "of the planned steps, from which on so few are what the run was to learn by"),
    "done_alike": Limit(0.002, "that all losses of such a run lie within"),
    "validation": Limit(0.01, "that the validation loss falls by: then the model learns, whatever batches hide"),
    "validation_alone": Limit(0.02, "the same where training losses surely rise, and so does an evaluation: flat is"
                                    " within 2 % from start to end (logs/wild)"),
    "validation_closely": Limit(0.005, "that three or more validation losses differ by at most, the first of them in"
                                       " the first quarter: no noise of batches is in them, and healthy ones fall by"
                                       " 1 %"),
    "none_below": Limit(5, "evaluations of a whole run, none of which is below that before the first step: in no short"
                           " run that ends 2 % below its start on unseen rows (docs/curves.md)"),
    "moved": Limit(0.05, "that the validation loss rises by: a model that gets worse moves"),
    "trend": Limit(1.3, "standard errors of any course by which batches may fall: of 200 flat records in the noise of"
                        " real logs 4 have more (docs/curves.md), of those that fall by 3 to 8 % nine in ten"),
    "few": Limit(64, "training losses, below which a fall may hide, unless the next limit rules it out"),
    "few_closely": Limit(0.01, "that every fall of few losses is smaller than, for sure; healthy logs fall by 3 %"),
    "alike": Limit(0.01, "that five or more losses lie within: 0.8 % in public logs that learn nothing, 1.8 % in the"
                         " stillest that learns (bench.curves.unseen)"),
    "long_alike": Limit(0.006, "the same of two or three means of a hundred steps or more: 0.1 and 0.5 % in public logs"
                               " that learn nothing, 1.7 % and more in others"),
    "few_least": Limit(0.1, "nats of few losses, below which the log may begin with what is learned already"),
    "closely": Limit(0.03, "that a straight fall is smaller than, for sure, and what is after the first tenth below it:"
                           " flat, though a fall can be seen, where validation does not fall either"),
    "epochs": Limit(3.0, "over the same rows, in which they would be memorised: the next limit counts then"),
    "epochs_closely": Limit(0.06, "that every fall of few losses is smaller than, for sure, in so many epochs: 0.052 in"
                                  " 60 records of 20 epochs (bench.curves.unseen)"),
    "repeated": Limit(5, "losses that come again in the same order to the last digit: of different rows one in"
                         " thousands does"),
    "training_sure": Limit(3.0, "standard errors from which on the training loss falls: then the model learns"),
}  # fmt: skip

FEWEST_ALIKE = 5
"""Training losses that show by how little they differ that the model does not learn."""
LONG = 100
"""Steps that each of two or three records is the mean of, which then show it too."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    long = _of_long_records(curve)
    change = long or overall(curve)
    if change is None:
        raise too_few(curve)
    if rises_throughout(curve):
        raise NotApplicableError("the learning rate rises through the whole log: this is its warm-up")
    if curve.points and all(point.lr == 0 for point in curve.points):
        raise NotApplicableError("the learning rate is 0 throughout (curve-rate-zero)")
    steps = change.steps[1] - max(change.steps[0], peak_step(curve))
    trained = training(curve)
    points = learned_points(curve)
    losses = [point.loss for point in points]
    fall = fall_of(losses)
    halves, tenth = (None if change.exact else divided(curve, share) for share in (0.5, 0.1))
    return Measurement(
        {
            "source": change.source,
            "exact": change.exact,
            "start": change.before,
            "end": change.after,
            "last": change.last,
            "steps": steps,
            "done": last_step(curve) / curve.total_steps if curve.total_steps else 0.0,
            "fall": -change.relative,
            "error": change.std_error / change.before if change.before > 0 else 0.0,
            "training_fell": trained is not None and trained.t < -limits["training_sure"],
            **_fall("half", halves),
            **_fall("tenth", tenth),
            "half_before": None if halves is None else halves.before,
            "half_after": None if halves is None else halves.after,
            "points": len(points),
            "long": long is not None,
            "lowest": min(losses, default=math.nan),
            "highest": max(losses, default=math.nan),
            "trend": -math.inf if fall is None else fall.sure,
            "straight_most": math.inf if fall is None else fall.straight + limits["sure"] * fall.std_error,
            "none_below": _none_below(curve),
            "epochs": _epochs(points),
            **_repeat(points),
            "validation_fall": _validation_fall(curve),
            "validation_rises": any(b.loss > a.loss for a, b in pairwise(finite(curve.validation))),
            "validation_width": _validation_width(curve),
        }
    )


def _epochs(points: Sequence[Point]) -> float:
    """Epochs that the log covers; 0 where it does not say."""
    known = [point.epoch for point in points if point.epoch is not None and math.isfinite(point.epoch)]
    return known[-1] - known[0] if known else 0.0


def _repeat(points: Sequence[Point]) -> dict[str, int]:
    """Losses that come again to the last digit, with the steps of the first of them."""
    losses = [point.loss for point in points]
    found = repeated(losses)
    if found is None:
        return {"repeated": 0}
    first, again = points[found.first].step, points[found.again].step
    return {"repeated": found.count, "repeated_from": first, "repeated_again": again}


def _of_long_records(curve: Curve) -> Change | None:
    """The change of two or three records that are means of very many steps each; None for other logs."""
    points = learned_points(curve)
    gaps = [b.step - a.step for a, b in pairwise(points)]
    if not gaps or len(points) > 3 or finite(curve.validation) or min(points[0].step, *gaps) < LONG:
        return None
    first, last = points[0], points[-1]
    return Change(first.loss, last.loss, 0.0, (first.step, last.step), TRAINING, exact=False)


def _none_below(curve: Curve) -> int:
    """Evaluations of a whole run after that of its start; 0 where one of them is below it."""
    evaluations = finite(curve.validation)
    if not evaluations or evaluations[0].step > 0 or not complete(curve):
        return 0
    start, *later = (one.loss for one in evaluations)
    return len(later) if min(later, default=start) >= start else 0


def _validation_fall(curve: Curve) -> float | None:
    """The share by which the validation loss falls from the first evaluation to the last, wherever they are."""
    losses = [one.loss for one in finite(curve.validation)]
    return 1 - losses[-1] / losses[0] if len(losses) > 1 and losses[0] > 0 else None


def _validation_width(curve: Curve) -> float:
    """The share by which the highest of three or more validation losses is above the lowest; infinite where they are
    fewer, or begin after the first quarter of the run."""
    evaluations = finite(curve.validation)
    if len(evaluations) < 3 or evaluations[0].step > last_step(curve) / 4:
        return math.inf
    losses = [one.loss for one in evaluations]
    return max(losses) / min(losses) - 1 if min(losses) > 0 else math.inf


def _fall(name: str, change: Change | None) -> dict[str, float | None]:
    """The share by which the loss falls after a first part of the batches, and its standard error."""
    known = change is not None and change.before > 0
    fall = -change.relative if change is not None and known else None
    error = change.std_error / change.before if change is not None and known else None
    return {f"{name}_fall": fall, f"{name}_error": error}


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    start, end = units.nats(n["start"]), units.nats(n["end"])
    message = f"by {n['source']} the loss goes from {start} to {end}{of_last(n['last'])},"
    message += f" {units.share(abs(n['fall']))} {'less' if n['fall'] >= 0 else 'more'}"
    least, most = units.nats(n["lowest"]), units.nats(n["highest"])
    still = f"all {n['points']:,} training losses are between {least} and {most}, after {n['steps']:,} steps"
    if n["repeated"] >= limits["repeated"] and n["repeated_again"] > n["repeated_from"]:
        return warned(
            f"{n['repeated']} training losses come again to the last digit, in the same order: those from step"
            f" {n['repeated_from']:,} on at step {n['repeated_again']:,}, so that nothing was learned in between, or"
            " the log has them twice"
        )
    if n["steps"] < limits["fewest_steps"]:
        few = n["steps"] >= FEWEST_ALIKE and n["highest"] < (1 + limits["done_alike"]) * n["lowest"]
        if n["done"] >= limits["done"] and few and not n["exact"] and _alike(n, limits):
            return warned(still)
        if n["fall"] - limits["sure"] * n["error"] > limits["warn"]:
            return passed(message)
        raise LogTooShortError(f"{units.many(max(0, n['steps']), 'step')} after warm-up are too few to tell")
    if n["none_below"] >= limits["none_below"] and -limits["moved"] < n["fall"]:
        return warned(f"none of the {n['none_below']} evaluations is below that of the start: {message}")
    if n["exact"]:
        most = n["fall"] + limits["sure"] * n["error"]
        if n["training_fell"] or n["fall"] < -limits["warn"] or most >= limits["warn"]:
            return passed(message)
        message = f"{message} after {n['steps']:,} steps"
        return failed(message) if most < limits["fail"] else warned(message)
    if _alike(n, limits):
        return warned(still)
    if not _flat(n, limits):
        return passed(message)
    first, second = units.nats(n["half_before"]), units.nats(n["half_after"])
    alike = f"the two halves of the training losses are at {first} and {second}, after {n['steps']:,} steps"
    return warned(f"{alike}, and the first tenth of them is hardly higher")


def _alike(n: dict[str, Any], limits: Limits) -> bool:
    """All losses are the same but for less than any learning would change, and evaluations do not say otherwise."""
    width = n["highest"] / n["lowest"] - 1 if n["lowest"] > 0 else math.inf
    still = width < limits["long_alike"] if n["long"] else n["points"] >= FEWEST_ALIKE and width < limits["alike"]
    moves = n["validation_fall"] is not None and not -limits["moved"] < n["validation_fall"] < limits["validation"]
    return still and n["lowest"] >= limits["few_least"] and not moves


def _flat(n: dict[str, Any], limits: Limits) -> bool:
    """By batches alone: the halves are alike, closely enough to know, and neither did the loss fall before them."""
    if n["half_fall"] is None or n["tenth_fall"] is None:
        return False
    unsure = limits["sure"] * n["half_error"]
    alike = abs(n["half_fall"]) < max(limits["warn"], unsure) and n["half_fall"] + unsure < limits["fell"]
    early = max(n["fall"], n["tenth_fall"] + limits["sure"] * n["tenth_error"])
    moves = (n["validation_fall"] or 0.0) <= -limits["moved"]
    rises = n["validation_rises"] and n["tenth_fall"] + limits["sure"] * n["tenth_error"] < 0
    learned = limits["validation_alone" if rises else "validation"]
    if moves or (n["validation_fall"] or 0.0) >= learned:
        return False
    # A fall that can be seen may still be none that counts, where evaluations are there and do not fall either.
    hardly = n["validation_fall"] is not None and max(n["straight_most"], n["tenth_fall"]) < limits["closely"]
    hardly &= n["half_fall"] < limits["warn"]
    stays = n["validation_width"] < limits["validation_closely"] and abs(n["half_fall"]) < limits["warn"]
    if n["points"] < limits["few"]:
        closely = limits["epochs_closely" if n["epochs"] >= limits["epochs"] else "few_closely"]
        learns = max(2 * (n["half_fall"] + unsure), early) >= closely or n["end"] < limits["few_least"]
    else:
        learns = n["training_fell"] or n["trend"] > limits["trend"]
    return early < limits["fell"] and (stays or (alike and (hardly or not learns)))
