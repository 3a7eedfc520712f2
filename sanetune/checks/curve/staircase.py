"""Training loss drops at the boundaries of epochs, a sign of memorisation.

## What it does
Compares the drops of the training loss at the boundaries of epochs, taken together, with its whole fall after the first
epoch, and with what a steady fall would drop by in as many records. Where epochs have few records, the fall from the
mean of one to that of the next is compared with the slope within all of them. From the second epoch on, the step from
the last half of an epoch to the first half of the next is compared with the falls between the halves of both: drops of
3 % are enough where they are clear. So is a single boundary where the loss drops by a tenth or more and is flat on both
sides, or by 8 % and is level. A record is the mean of the steps before it, and counts for the epoch that most of them
are of. Validation rows that continue to improve overrule it.

## Why is this bad?
A row that is known better the second time, while other rows are not, is memorised.

## Example
```yaml
train:
  num_train_epochs: 8
  learning_rate: 1.0e-4
```

## Use instead
Train for fewer epochs or at a lower learning rate, and set rows aside for validation where there are none.

```yaml
data:
  holdout: 0.1
train:
  num_train_epochs: 3
```

## Known problems
Noise hides stairs of few records: those of 15 to 30 % in 4 to 12 epochs of 2 to 7 records, in a log that scatters by
20 %, could be told from a steady fall in 6 of 10 cases by a test that knows both (`python -m bench.curves.bound`).

## References
- [transformers#18730](https://github.com/huggingface/transformers/issues/18730)
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import needs_token_loss
from sanetune.checks.curve._epochs import Halves, stairs
from sanetune.curves.changes import HELD_OUT, finite, since_lowest, training
from sanetune.curves.paired import t_statistic
from sanetune.curves.valley import all_later_above, last_above
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"
LIVE = "whole"
VERSION = 12
EVALUATED = "Train for fewer epochs or at a lower learning rate."
"""What to do about a run that has validation rows."""

LIMITS = {
    "drop": Limit(0.07, "mean drop, a share of the loss; healthy logs have 2 to 6 % (logs/wild)"),
    "short_drop": Limit(0.13, "the same for short epochs; one of 12 records in a log called healthy has 12 %"),
    "short": Limit(16, "records of an epoch, below which it is short: all epochs are judged by one slope"),
    "sure": Limit(3.0, "standard errors of the mean drop"),
    "beyond": Limit(2.5, "standard errors by which the drops are more than those of a steady fall: a quick one may drop"
                         " by a half in as many records"),
    "many": Limit(4, "boundaries, from which on short epochs are judged as long ones: so many drops are no chance; and"
                     " the next limit counts"),
    "beyond_many": Limit(1.8, "the same of so many short epochs: one in thirty steady falls that drop as far"),
    "boundaries": Limit(2, "one drop can be chance, or a change of the learning rate: the next three limits are its"),
    "one_records": Limit(6, "records on the shorter side of a single boundary, which are too few with less"),
    "one_drop": Limit(0.1, "a share of the loss; 0.12 and more at the first boundary where readers saw stairs, 0.03 in"
                           " a healthy log"),
    "one_sure": Limit(3.4, "standard errors of the drop, and of what it is beyond a steady fall: 6.7 and 3.6 in a log"
                            " whose second epoch has just begun"),
    "one_level_drop": Limit(0.08, "the same of a boundary with level losses on both sides, which the next three and"
                                  " one_level_records say"),
    "one_level_sure": Limit(4.0, "standard errors of such a drop; `beyond` counts, too: one in 160 by chance"),
    "one_level_inside": Limit(0.1, "of such a drop, that the loss falls after it"),
    "one_level_falling": Limit(0.35, "of such a drop, that it falls before it, over as many records"),
    "one_level_records": Limit(8, "records on the shorter side of such a boundary"),
    "one_high_drop": Limit(0.25, "the same of a boundary with few records, of which it stands out far: 0.4 in a part of"
                                 " a public log that two readers call stairs (bench.curves.unseen)"),
    "one_high_records": Limit(3, "records on its shorter side"),
    "one_high_sure": Limit(6.0, "standard errors of it, and of what it is beyond a steady fall"),
    "one_high_inside": Limit(0.25, "of it, that the loss falls on either side at most"),
    "lr_times": Limit(1.5, "times that the learning rate may change by at a boundary: with more it may be the cause"),
    "down": Limit(0.65, "of the boundaries at least, at which the loss drops"),
    "inside": Limit(0.45, "of all drops, that the loss falls within epochs: -0.3 to 0.23 where a reader saw stairs"
                          " (logs/wild); 3 in a steady fall with four records in an epoch"),
    "rising": Limit(0.5, "of all drops, that it rises within epochs; with more it is the order of rows"),
    "halves": Limit(2, "boundaries from the second epoch on, from which the next three limits decide too, or the four"
                       " after them"),
    "halves_drop": Limit(0.05, "a share of the loss"),
    "halves_sure": Limit(2.5, "standard errors by which it drops further between epochs than within: one in 160 by"
                              " chance, if batches are independent; 2.6 in a log whose loss halves at each boundary"),
    "halves_inside": Limit(0.3, "of the drop, that it falls within them: -0.3 to 0.25 where readers saw stairs, in 13"
                                " of 14 logs"),
    "halves_least": Limit(1.0, "standard errors likewise, below which no other rule counts: the first epoch may fall"
                               " fast to its end, and those after it be as steady as any"),
    "halves_clear_drop": Limit(0.03, "the same of drops that are clearer, which may be smaller and less level"),
    "halves_clear_sure": Limit(4.0, "the same of such drops: one in 30,000 by chance"),
    "halves_clear_inside": Limit(0.4, "the same of such drops"),
    "halves_clear_records": Limit(6, "records of an epoch, of fewer than which small drops may be one record's"),
    "halves_one_sure": Limit(5.0, "the same where there is one such boundary, at a drop of one_drop"),
    "halves_one_high_drop": Limit(0.2, "the same of such a boundary between short epochs, whose few records cannot show"
                                       " as much"),
    "halves_one_high_sure": Limit(2.0, "the same of such a boundary: one in 44 by chance, where batches scatter so far"
                                       " that a fifth can be chance"),
    "held_out": Limit(0.02, "above its minimum, within which the held-out loss still holds: healthy (logs/wild)"),
    "few": Limit(5, "evaluations, below which their scatter is not known, and the next counts"),
    "few_held_out": Limit(0.05, "the same of few evaluations (curve-overfit)"),
}  # fmt: skip


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    found = stairs(curve, limits["lr_times"])
    if found is None:
        raise NotApplicableError("no boundary of epochs has two logged steps, at one learning rate, on both sides")
    if len(found.boundaries) < limits["boundaries"] and found.records < limits["one_records"]:
        high = found.records >= limits["one_high_records"] and found.drop >= -math.log(1 - limits["one_high_drop"])
        if not high:
            raise NotApplicableError("fewer than two boundaries of epochs, with few logged steps on a side")
    whole = training(curve)
    if whole is not None and whole.difference >= 0:
        raise NotApplicableError("the training loss ends above its start: what falls between epochs is a recovery")
    change, evaluations = since_lowest(curve), len(finite(curve.validation))
    least = limits["held_out" if evaluations >= limits["few"] else "few_held_out"]
    improving = False
    if change is not None and change.source == HELD_OUT:
        # A rise that is within the scatter of the evaluations is none, but not where five or more of them are above.
        losses = [one.loss for one in finite(curve.validation)]
        above = all_later_above(losses) >= limits["held_out"] or last_above(losses) >= limits["few_held_out"]
        improving = change.relative < least or (change.t < limits["beyond"] and not above)
    highest = max(found.boundaries, key=lambda one: one.drop)
    pooled = found.pooled if found.records < limits["short"] else None
    drop = pooled.drop if pooled else found.drop
    return Measurement(
        {
            "boundaries": len(found.boundaries),
            "down": sum(one.drop > 0 for one in found.boundaries),
            "records": found.records,
            "pooled": pooled is not None,
            "drop": 1 - math.exp(-drop),
            "sure": t_statistic(drop, pooled.between_error if pooled else found.std_error),
            "inside": pooled.inside if pooled else found.inside,
            "inside_error": pooled.inside_error if pooled else 0.0,
            "beyond": pooled.beyond if pooled else found.beyond,
            "falling": highest.falling / highest.drop if highest.drop > 0 else math.inf,
            "highest_epoch": highest.epoch,
            "highest_before": math.exp(highest.before),
            "highest_after": math.exp(highest.after),
            "held_out_holds": improving,
            "evaluations": evaluations,
            **_halves(found.halves),
        }
    )


def _halves(found: Halves | None) -> dict[str, Any]:
    """What the halves of epochs say, from the second on."""
    if found is None:
        return {"halves": 0}
    return {
        "halves": found.boundaries,
        "halves_down": found.down,
        "halves_drop": 1 - math.exp(-found.drop),
        "halves_beyond": found.beyond,
        "halves_inside": found.inside,
    }


def _least(n: dict[str, Any], limits: Limits) -> tuple[float, float, float]:
    """The least drop, and the standard errors of it and of what it is beyond a steady fall."""
    if n["boundaries"] < limits["boundaries"]:
        return limits["one_drop"], limits["one_sure"], limits["one_sure"]
    short, many = n["records"] < limits["short"], n["boundaries"] >= limits["many"]
    drop, beyond = "short_drop" if short and not many else "drop", "beyond_many" if short and many else "beyond"
    return limits[drop], limits["sure"], limits[beyond]


def _by_halves(n: dict[str, Any], limits: Limits) -> bool:
    """Whether the loss drops between epochs and is level within them, from the second epoch on."""
    if not n["halves"]:
        return False
    if n["halves_inside"] < -limits["rising"] or n["halves_down"] < limits["down"] * n["halves"]:
        return False
    found = n["halves_drop"], n["halves_beyond"], -n["halves_inside"]
    if n["halves"] < limits["halves"]:
        rules = [(limits["one_drop"], limits["halves_one_sure"])]
        if n["records"] < limits["short"]:
            rules.append((limits["halves_one_high_drop"], limits["halves_one_high_sure"]))
        least = [(*rule, -limits["halves_inside"]) for rule in rules]
    else:
        names = ["halves", *(["halves_clear"] if n["records"] >= limits["halves_clear_records"] else [])]
        least = [(limits[f"{one}_drop"], limits[f"{one}_sure"], -limits[f"{one}_inside"]) for one in names]
    return any(all(map(operator.ge, found, one)) for one in least)


def _one_level(n: dict[str, Any], limits: Limits) -> bool:
    """Whether the loss is level on both sides of a single boundary, of which a smaller drop is enough."""
    found = n["drop"], n["sure"], n["beyond"], n["records"], -n["inside"], -n["falling"]
    named = ("one_level_drop", "one_level_sure", "beyond", "one_level_records")
    least = [*(limits[name] for name in named), -limits["one_level_inside"], -limits["one_level_falling"]]
    return all(map(operator.ge, found, least))


def _one_high(n: dict[str, Any], limits: Limits) -> bool:
    """Whether the loss drops far at a single boundary, and hardly on both sides of it."""
    found = n["drop"], n["records"], n["sure"], n["beyond"], -abs(n["inside"]), -abs(n["falling"])
    sure, inside = limits["one_high_sure"], -limits["one_high_inside"]
    least = limits["one_high_drop"], limits["one_high_records"], sure, sure, inside, inside
    return all(map(operator.ge, found, least))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    one = n["boundaries"] < limits["boundaries"]
    scope = units.many(n["boundaries"], "boundary", "boundaries")
    at = "the one boundary" if one else f"{n['down']} of {scope}"
    message = f"the training loss drops at {at} of epochs, by {units.share(n['drop'])}{'' if one else ' in the mean'}"
    if n["drop"] <= 0:
        return passed(f"the training loss does not drop at {scope} of epochs")
    drop, sure, beyond = _least(n, limits)
    clear = n["drop"] >= drop and n["sure"] >= sure and n["beyond"] >= beyond
    # Of few records a single boundary says little.
    clear &= n["pooled"] or n["down"] >= limits["down"] * n["boundaries"]
    if one:
        few = n["records"] < limits["one_records"]
        steady = not few and clear and n["falling"] <= limits["inside"]
        clear = steady or _one_level(n, limits) or _one_high(n, limits)
    least, most = n["inside"] - n["inside_error"], n["inside"] + n["inside_error"]
    clear &= least <= limits["inside"] and most >= -limits["rising"]
    clear &= not n["halves"] or n["halves_beyond"] >= limits["halves_least"]
    if not clear and not _by_halves(n, limits):
        return passed(message)
    before, after = units.nats(n["highest_before"]), units.nats(n["highest_after"])
    message = f"{message}, and hardly between them: after epoch {n['highest_epoch']} from {before} to {after}"
    if n["held_out_holds"]:
        return passed(f"{message}; the held-out loss is at its minimum all the same")
    return warned(message, remedy=EVALUATED if n["evaluations"] else "")
