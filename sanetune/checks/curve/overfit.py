"""Validation loss rises from its minimum while training loss continues to fall.

## What it does
Compares the validation loss at the end with its minimum, row by row, and measures what the training loss did in
between, where that was logged. Where single rows are not known, a rise in one last evaluation alone is a warning at
most. So is a rise of a tenth or more that is not sure by rows or scatter, but steady over five or more evaluations, and
one of 1.5 % which twelve or more evaluations show while the training loss falls by a tenth; single rows need two
standard errors then in place of three.

## Why is this bad?
From the minimum on, the model memorises its rows, and every further step makes it worse on all others.

## Example
```yaml
train:
  num_train_epochs: 10      # on 1,000 rows
```

## Use instead
Keep the checkpoint at the minimum, or train for fewer epochs, at a lower learning rate, with LoRA, or on more rows.

```yaml
train:
  num_train_epochs: 3
  load_best_model_at_end: true
  weight_decay: 0.1
```

## Known problems
With about 1,000 rows, validation loss and the quality of answers can diverge. With long answers that reason, a rising
validation loss is no verdict: read token accuracy, which is named where it was logged, and sample answers.

## References
- [Long reasoning data](https://arxiv.org/abs/2602.11149): many epochs on few rows helped while validation loss rose
- [LIMA](https://arxiv.org/abs/2305.11206): answers improved while validation loss rose
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Basis, Limit, Limits
from sanetune.checks.curve import _fixes as fixes
from sanetune.checks.curve import diverged
from sanetune.checks.curve._applies import fewer, needs_token_loss
from sanetune.checks.curve._medians import of_last, of_others
from sanetune.curves.best_checkpoint import keep_best
from sanetune.curves.changes import HELD_OUT, MANY, finite, points_of, since_lowest, training
from sanetune.curves.paired import t_statistic
from sanetune.curves.valley import LAST, all_later_above, climbs, last_above, steady_rise
from sanetune.finding import Judgement, Measurement, Verdict, failed, passed, warned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanetune.curves.changes import Change
    from sanetune.curves.series import Curve, Evaluation

FIX = "sometimes"
VERSION = 8
LIVE = "whole"

LIMITS = {
    "fail": Limit(0.05, "above its minimum at the end: the reader's limit for overfit (logs/wild)"),
    "least": Limit(
        0.005,
        "nats beside that: validation losses near 0 differ by factors, and mean nothing by it; 0.003 and less where"
        " readers see no overfitting, 0.008 where they do (bench.curves.unseen)",
    ),
    "warn": Limit(
        0.03,
        "healthy: within 2 % of its minimum at the end (logs/wild); a little more is the to and fro of the weights",
    ),
    "fail_unknown": Limit(
        0.1,
        "above its minimum, below which a rise is a warning where neither single rows nor twelve evaluations tell the"
        " noise: those of some hundred rows may scatter by 3.5 %",
    ),
    "sure": Limit(3.0, "standard errors of the change between two evaluations"),
    "jump": Limit(
        0.0125,
        "of the loss: least standard deviation of an evaluation whose single rows are not known; a little more than"
        " half the 2 % that a healthy validation loss moves within (logs/wild)",
    ),
    "few": Limit(
        5,
        "evaluations, below which a rise is a warning at most where single rows are not known, and `few_jump` counts:"
        " their own scatter is not known either",
    ),
    "few_jump": Limit(
        0.02,
        "the same of fewer evaluations than that, and of a rise in the last one alone: those of some hundred rows"
        " differ by 1 to 5 % from one to the next",
    ),
    "later": Limit(0.05, "that each of five or more later evaluations is above the lowest: so many do not by chance"),
    "likely_sure": Limit(
        2.0,
        "the same of rows compared in pairs, for a warning where training falls far meanwhile: three more of the short"
        " runs of parts C to G that are worse on unseen rows, and no healthy one (docs/curves.md)",
    ),
    "one_rise": Limit(
        0.05,
        "above its minimum, one last evaluation where training has fallen by the next limit since: those of some"
        " hundred rows differ by up to 5 % from one to the next",
    ),
    "one_fell": Limit(0.25, "that training has fallen by since, beside that: it memorises"),
    "slight": Limit(
        0.015,
        "above its minimum at the end, medians of three evaluations, where training falls meanwhile: 0.018 and 0.021 in"
        " two public logs that readers call overfit",
    ),
    "slight_sure": Limit(
        4.0, "standard errors of the change to the last one, where twelve evaluations or more tell their scatter"
    ),
    "climbs": Limit(
        4,
        "evaluations after the lowest, each above the one before, that show such a rise too: one in 24 by chance; rows"
        " that are compared in pairs have to show it as well, since a few of them may drift",
    ),
    "stays": Limit(
        0.05,
        "the same of fewer evaluations, or of such as scatter more: that each of the last three is above the lowest by",
    ),
    "stays_sure": Limit(2.0, "standard errors of the change to the last one, beside that"),
    "slight_fell": Limit(0.1, "that training has fallen by since, as a share"),
    "fell_sure": Limit(2.0, "standard errors of that fall: one in forty by chance, and a rise as well"),
    "steady": Limit(
        0.01,
        "p-value of Kendall's tau, up to which a rise of `fail_unknown` and `steady_sure` is a warning:"
        " few rows that differ hide by `sure` what the course shows",
    ),
    "steady_sure": Limit(
        1.5, "standard errors of such a rise, where rows are known: a few that drift rise steadily too"
    ),
    "training_sure": Limit(3.0, "standard errors, as sure, from which on training rises too: then curve-diverged"),
    "training_slight": Limit(
        1.5, "the same where curve-diverged names the rise: as much below 0 it takes for a fall (curve-diverged)"
    ),
    "live_fell": Limit(
        3.0,
        "standard errors that training has fallen, without which a rise of held-out rows in a run that goes on may come"
        " back: above 5 in most short runs that memorise, and in few healthy ones (docs/curves.md)",
    ),
    "live_far": Limit(
        0.1,
        "the same of rows compared in pairs, where training has fallen: up to 0.063 in healthy short runs of parts C to"
        " G whose training losses fell by three standard errors, and which ended below their start",
    ),
    "live_rise": Limit(
        0.5, "above its minimum, from which on a growing curve is judged at once: 0.17 in healthy short runs of part A"
    ),
}

BY_ONE = "One evaluation is no trend: keep the checkpoint at the minimum, and evaluate more often."
BY_SAMPLES = "Compare sample answers of both checkpoints: with long reasoning data the loss alone is no verdict."


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    evaluations = finite(curve.validation)
    change = since_lowest(curve)
    if len(evaluations) < 2 or change is None or change.source != HELD_OUT:
        raise fewer(len(evaluations), 2, "evaluation", more=" of validation rows")
    by_one = not change.exact and evaluations[-2].step == change.steps[0]
    jump = limits["few_jump" if by_one or len(evaluations) < limits["few"] else "jump"]
    error = change.std_error if change.exact else max(change.std_error, jump * 2**0.5 * change.before)
    trained = training(curve, since=change.steps[0])
    low = min(evaluations, key=lambda one: one.loss)
    return Measurement(
        {
            "looks": len(evaluations),
            "exact": change.exact,
            "accuracy_lowest": low.accuracy,
            "accuracy_end": evaluations[-1].accuracy,
            "lowest": change.before,
            "lowest_step": change.steps[0],
            "end": change.after,
            "end_step": change.steps[1],
            "rise": change.relative,
            "sure": t_statistic(change.difference, error),
            "slight_rise": _slight_rise(evaluations),
            "slight_sure": change.t,
            "climbs": climbs([one.loss for one in evaluations]),
            "last_above": last_above([one.loss for one in evaluations]),
            "fell_far": _fell_far(curve, change.steps[0], limits),
            "later_above": all_later_above([one.loss for one in evaluations]),
            "steady": _steady(evaluations, change, limits),
            "training_before": None if trained is None else trained.before,
            "training_after": None if trained is None else trained.after,
            "training_first": None if trained is None else trained.first,
            "training_last": None if trained is None else trained.last,
            "training_fell_sure": 0.0 if trained is None else -trained.t,
            "training_rose": trained is not None and _rose(curve, trained.t, limits),
            "by_one": by_one,
            "validation_name": curve.validation_name,
            "steps_per_epoch": curve.steps_per_epoch,
            "planned_rate": curve.planned_lr,
        }
    )


def _steady(evaluations: Sequence[Evaluation], change: Change, limits: Limits) -> float:
    """How little the rise looks like scatter (:func:`steady_rise`); 1 where this is not asked."""
    if change.relative < limits["fail_unknown"] or (change.exact and change.t < limits["steady_sure"]):
        return 1.0
    return steady_rise([one.loss for one in evaluations])


def _rose(curve: Curve, sure: float, limits: Limits) -> bool:
    """Whether the training loss rises with the held-out one, so that nothing is memorised. A slight rise counts where
    curve-diverged names it too: one cause has one name."""
    if sure > limits["training_sure"]:
        return True
    if sure < limits["training_slight"]:
        return False
    own = {name: limit.value for name, limit in diverged.LIMITS.items()}
    return diverged.judge(diverged.measure(curve, own), own).verdict is Verdict.FAIL


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    message = (
        f"the held-out loss is lowest at step {n['lowest_step']:,} ({units.nats(n['lowest'])} in"
        f" {units.many(n['looks'], 'evaluation')}) and {units.nats(n['end'])} at step {n['end_step']:,}"
    )
    few = not n["exact"] and n["looks"] < limits["few"]
    sure = n["sure"] >= limits["sure"] or n["later_above"] >= limits["later"]
    if not _rises(n, limits, sure=sure):
        return passed(message)
    if n["training_rose"]:
        return passed(f"{message}; the training loss rises with it, which is another fault (curve-diverged)")
    message = f"{message}, {units.share(n['rise'])} higher{' in one evaluation alone' if n['by_one'] else ''}"
    if n["training_after"] is not None:
        before = f"{units.nats(n['training_before'])}{of_others(n['training_first'])}"
        after = f"{units.nats(n['training_after'])}{of_last(n['training_last'])}"
        message += f"; training goes from {before} to {after} meanwhile"
    if _more_accurate(n):
        accuracy = f"{units.share(n['accuracy_lowest'])} to {units.share(n['accuracy_end'])}"
        return warned(f"{message}; token accuracy from {accuracy}", BY_SAMPLES, _fix(n))
    if n["by_one"]:
        return warned(message, BY_ONE, _fix(n))
    fail = limits["fail" if n["exact"] or n["looks"] >= MANY else "fail_unknown"]
    return (failed if n["rise"] >= fail and sure and not few else warned)(message, fix=_fix(n))


def _rises(n: dict[str, Any], limits: Limits, *, sure: bool) -> bool:
    """Whether the held-out loss rises beyond chance. Less is enough where training falls far while the last evaluations
    stay above: nothing but memorising does both."""
    if n["end"] - n["lowest"] < limits["least"]:
        return False
    stays = n["fell_far"] and n["slight_rise"] >= limits["slight"]
    likely = stays and n["exact"] and n["sure"] >= limits["likely_sure"]
    likely |= stays and n["last_above"] >= limits["stays"] and n["sure"] >= limits["stays_sure"]
    likely |= _by_one(n, limits)
    slight = stays and n["looks"] >= MANY and n["slight_sure"] >= limits["slight_sure"]
    climbs = n["fell_far"] and n["rise"] >= limits["slight"] and n["climbs"] >= limits["climbs"]
    slight |= climbs and (not n["exact"] or n["sure"] >= limits["likely_sure"])
    steady = n["steady"] <= limits["steady"]
    return bool(((sure or steady or likely) and n["rise"] >= limits["warn"]) or slight)


def _by_one(n: dict[str, Any], limits: Limits) -> bool:
    """Whether one last evaluation is above all scatter while training falls so far that it has to memorise."""
    fell = n["training_after"] is not None and n["training_after"] <= (1 - limits["one_fell"]) * n["training_before"]
    surely = n["training_fell_sure"] >= limits["fell_sure"]
    return bool(n["by_one"] and n["looks"] > LAST and n["rise"] >= limits["one_rise"] and fell and surely)


def _slight_rise(evaluations: Sequence[Evaluation]) -> float:
    """By which share the last evaluations are above those around the lowest; medians of three, since one may be low by
    chance."""
    losses = [one.loss for one in evaluations]
    place = min(range(len(losses)), key=losses.__getitem__)
    low = statistics.median(losses[max(0, place - 1) : place + 2])
    return statistics.median(losses[-3:]) / low - 1 if low > 0 else 0.0


def _fell_far(curve: Curve, since: int, limits: Limits) -> bool:
    """Whether the training loss has fallen far since step ``since``. Of fewer than four records, each a mean of many
    steps, each has to be below the one before."""
    least, trained = 1 - limits["slight_fell"], training(curve, since=since)
    if trained is not None:
        return -trained.t >= limits["fell_sure"] and trained.after <= least * trained.before
    losses = [point.loss for point in points_of(curve) if point.step >= since]
    falls = len(losses) > 1 and losses == sorted(losses, reverse=True)
    return falls and losses[-1] <= least * losses[0]


def basis(m: Measurement, limits: Limits) -> Basis:
    """The last evaluation. While a run goes on, a rise without a fall of the training loss is none of memorising."""
    n = m.numbers
    fell = n["training_fell_sure"] >= limits["live_fell"]
    # Rows that are compared in pairs tell a far rise from chance; a small one may come back all the same.
    far = n["exact"] and n["sure"] >= limits["sure"] and n["rise"] >= limits["live_far"]
    beyond = n["rise"] >= limits["live_rise"] or (fell and far)
    return Basis(n["end_step"], n["end"], lasting=fell or beyond, beyond=beyond)


def _more_accurate(n: dict[str, Any]) -> bool:
    """Whether the share of held-out tokens that are likeliest has grown although their loss did too."""
    return n["accuracy_lowest"] is not None and (n["accuracy_end"] or 0.0) > n["accuracy_lowest"]


def _fix(n: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint at the minimum, and as many epochs as lead to it where that is known; a lower learning rate where
    the first step was already one too many."""
    if n["lowest_step"] == 0:
        return fixes.lower_lr(n["planned_rate"])
    fix = keep_best(n["validation_name"])
    if n["steps_per_epoch"] and 0 < n["steps_per_epoch"] < math.inf:
        fix["train.num_train_epochs"] = float(f"{n['lowest_step'] / n['steps_per_epoch']:.2g}")
    return fix
