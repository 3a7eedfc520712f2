"""The loss stopped falling early, and stays where it is for most of the run.

## What it does
Compares the halves of the last three quarters of a run that is finished or half done: the training loss has fallen
before, and in them it falls by less than 6 % of that (at most by 2 % of the loss), and, noise allowed for, by less than
in any healthy log. Validation rows that still improve overrule it.

## Why is this bad?
The longest part of the run changed nothing that can be measured.

## Example
```yaml
train:
  num_train_epochs: 3       # flat after 0.2
```

## Use instead
Train for fewer steps, or compare learning rates: a higher one may learn more, a lower one at the end too.

```yaml
train:
  num_train_epochs: 1
  lr_scheduler_type: cosine
```

## Known problems
Data that hold no more than the model has learned look the same. Where records scatter far, a slow fall cannot be told
from none, and the check is silent (`python -m bench.curves.bound`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.checks.curve._applies import fewer, needs_end, needs_log, needs_token_loss
from sanetune.curves.changes import complete, finite, last_step, points_of
from sanetune.curves.robust import clipped_level, middle, noise
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Point

FIX = "none"
VERSION = 4

LIMITS = {
    "most": Limit(0.06, "of what was learned before, that the second half is lower by: half of the least healthy"),
    "healthy": Limit(0.12, "the same of the healthy log that learns least in these halves (logs/wild, half A), at a"
                           " constant learning rate; as much less as learning rates between their middles are lower"),
    "flat": Limit(0.01, "a share of the loss that is flat, where little was learned before"),
    "largest": Limit(0.02, "the same, however much was learned before"),
    "sure": Limit(2.3, "standard errors by which the fall is below that of a healthy log: one in a hundred by chance"),
    "fell": Limit(0.1, "that it has fallen by before: else curve-plateau judges"),
    "part": Limit(0.5, "of the planned steps, from which on a run that is not over is judged, if the next is so"),
    "decayed": Limit(0.5, "of its peak, that the learning rate has come down to: a loss may wait for its decay"),
    "validation": Limit(0.01, "that the validation loss falls by in that part: then the model still learns"),
}  # fmt: skip

FEWEST = 100
"""Training losses in a log whose halves can be told apart by less than a hundredth."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    needs_log(curve)
    points = points_of(curve)
    if len(points) < FEWEST:
        raise fewer(len(points), FEWEST, "training loss", "training losses")
    if last_step(curve) < limits["part"] * (curve.total_steps or math.inf) or not _decayed(points, limits):
        needs_end(curve)
    losses, begin = [point.loss for point in points], len(points) // 4
    late, half = losses[begin:], (len(losses) - begin) // 2
    scatter = noise(late)
    first, last = clipped_level(late[:half], scatter), clipped_level(late[half:], scatter)
    later = [one.loss for one in finite(curve.validation) if one.step >= points[begin].step]
    error = (first.std_error**2 + last.std_error**2) ** 0.5
    return Measurement(
        {
            "start": middle(losses[: max(3, len(losses) // 100)]),
            "first": first.value,
            "last": last.value,
            "fall": 1 - last.value / first.value if first.value > 0 else 0.0,
            "error": error / first.value if first.value > 0 else 1.0,
            "validation_fall": 1 - min(later) / later[0] if len(later) > 1 and later[0] > 0 else None,
            "lr_share": _lr_share(points, begin),
            "since": points[begin].step,
            "steps": last_step(curve),
            "total_steps": None if complete(curve) else curve.total_steps,
        }
    )


def _decayed(points: Sequence[Point], limits: Limits) -> bool:
    """Whether the learning rate has come down by half or more."""
    lrs = [point.lr for point in points if point.lr is not None and math.isfinite(point.lr)]
    return bool(lrs) and lrs[-1] <= limits["decayed"] * max(lrs)


def _lr_share(points: Sequence[Point], begin: int) -> float:
    """The sum of the learning rates between the middles of the halves from ``begin`` on, beside that of a constant one:
    what is learned goes with it. 1 where learning rates were not logged."""
    lrs = [point.lr for point in points if point.lr is not None and math.isfinite(point.lr)]
    if len(lrs) < len(points) or sum(lrs) <= 0:
        return 1.0
    quarter = (len(points) - begin) // 4
    between = slice(begin + quarter, begin + 3 * quarter)
    return min(1.0, sum(lrs[between]) / sum(lrs) * len(points) / max(1, 2 * quarter))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    first, last = units.nats(n["first"]), units.nats(n["last"])
    so_far = f" of {n['total_steps']:,}" if n["total_steps"] else ""
    message = (
        f"from step {n['since']:,} to {n['steps']:,}{so_far} the median training loss of each half goes from {first} to"
        f" {last}; the first losses were {units.nats(n['start'])}"
    )
    learned = 1 - n["first"] / n["start"] if n["start"] > 0 else 0.0
    most = max(limits["flat"], min(limits["largest"], limits["most"] * learned))
    # What the noise may hide is compared with the fall of a healthy log, and not with the flattest of courses.
    healthy = limits["healthy"] * learned * n["lr_share"]
    flat = abs(n["fall"]) < min(most, healthy) and abs(n["fall"]) + limits["sure"] * n["error"] < healthy
    improves = n["validation_fall"] is not None and n["validation_fall"] >= limits["validation"]
    return warned(message) if learned >= limits["fell"] and flat and not improves else passed(message)
