"""Entries of a log, as transformers' Trainer and our own runs write them, as points of a curve.

One entry is a mapping from names to values: ``step``, ``epoch``, ``loss``, ``learning_rate`` and ``grad_norm`` of a
training step; ``step`` and a validation loss of an evaluation. Logs are untrusted: what is not a number is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import SupportsFloat

from sanetune.curves.objective import objective_of
from sanetune.curves.series import Curve, Evaluation, Point

Entry = Mapping[str, object]

ENDED = "train_runtime"
"""What a Trainer logs when training has returned: its seconds, with trackers behind ``train/``."""
TOKEN_ACCURACY = "eval_mean_token_accuracy"
"""What TRL calls the share of validation tokens that the model thinks likeliest."""
MOST_STEPS = 1e9
"""Steps that a run may have: more are no steps."""
VALIDATION_LOSS = "eval_loss"
"""The name that transformers gives the validation loss."""


def training_point(entry: Entry) -> Point | None:
    """The training step that ``entry`` is about; None where it is about something else.

    >>> training_point({"step": 10, "loss": 2.5, "learning_rate": 1e-4, "grad_norm": 3.0, "epoch": 0.5})
    Point(step=10, loss=2.5, lr=0.0001, grad_norm=3.0, epoch=0.5)
    >>> training_point({"step": 10, "eval_loss": 2.25}) is None
    True
    """
    step, loss = whole_number(entry.get("step")), number(entry.get("loss"))
    if step is None or loss is None:
        return None
    lr, norm = number(entry.get("learning_rate")), number(entry.get("grad_norm"))
    return Point(step, loss, lr, norm, number(entry.get("epoch")))


def evaluation(entry: Entry, name: str = VALIDATION_LOSS) -> Evaluation | None:
    """The evaluation that ``entry`` is about, whose loss is called ``name``; None where it is about something else.

    >>> evaluation({"step": 10, "eval_loss": 2.25})
    Evaluation(step=10, loss=2.25, sums=(), tokens=(), accuracy=None)
    """
    step, loss = whole_number(entry.get("step")), number(entry.get(name))
    accuracy = number(entry.get(TOKEN_ACCURACY))
    if step is None or loss is None:
        return None
    sums, tokens = _groups(entry) if name == VALIDATION_LOSS else ((), ())
    return Evaluation(step, loss, sums, tokens, accuracy)


def _groups(entry: Entry) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Losses and tokens of the groups of rows, as our own runs write them; empty where they are not known whole."""
    losses, tokens = entry.get("group_losses"), entry.get("group_tokens")
    if not isinstance(losses, list) or not isinstance(tokens, list):
        return (), ()
    sums = [value for one in losses if (value := number(one)) is not None]
    counts = [value for one in tokens if (value := whole_number(one)) is not None]
    whole = len(sums) == len(losses) == len(tokens) == len(counts)
    return (tuple(sums), tuple(counts)) if whole else ((), ())


def set_evaluations(entry: Entry) -> dict[str, Evaluation]:
    """The evaluations of single validation sets in ``entry``, by the names of their losses.

    >>> set_evaluations({"step": 10, "eval_loss": 2.25, "eval_math_loss": 2.0, "eval_runtime": 1.0})
    {'eval_math_loss': Evaluation(step=10, loss=2.0, sums=(), tokens=(), accuracy=None)}
    """
    found = {str(name): evaluation(entry, name) for name in entry if is_set_loss(name)}
    return {name: one for name, one in found.items() if one is not None}


def is_set_loss(name: str) -> bool:
    """Whether this is how the loss of one of several validation sets is called."""
    return name.startswith("eval_") and name.endswith("_loss") and name != VALIDATION_LOSS


def end_of(entries: Sequence[Entry]) -> int | None:
    """The number of the entry that sums a run up, after training has returned; None: there is none.

    Some programs write the seconds so far beside every loss. So an entry with a loss sums up nothing, unless no other
    one has seconds: trackers join what was logged at one step.

    >>> end_of([{"step": 1, "loss": 2.0, "train_runtime": 5.0}, {"step": 2, "loss": 1.5, "train_runtime": 9.0}]) is None
    True
    >>> end_of([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}, {"step": 2, "train_runtime": 9.0}])
    2
    """
    timed = [at for at, entry in enumerate(entries) if any(name.rpartition("/")[2] == ENDED for name in entry)]
    return timed[0] if len(timed) == 1 else next((at for at in timed if number(entries[at].get("loss")) is None), None)


def curve_of(
    entries: Iterable[Entry],
    name: str | None = VALIDATION_LOSS,
    others: Sequence[str] = (),
    *,
    total_steps: int | None = None,
    finished: bool = False,
    source: str = "log",
) -> Curve:
    """The curve of a whole log.

    A resumed run logs some steps twice: what came last is what went on. Several losses of one step in a row are those
    of its micro-batches or devices: their mean counts. An evaluation after training has returned, at a step that was
    evaluated before, is of the model that was kept, which may be an earlier one.

    Args:
        entries: In the order in which they were logged.
        name: Of the validation loss; None: there is none.
        others: Names of the losses of other validation sets.
        total_steps: Steps of the whole run; None: not known.
        finished: Whether the run has come to its end.
        source: What the curve is read from, in words.
    """
    points: dict[int, Point] = {}
    evaluations: dict[str, dict[int, Evaluation]] = {one: {} for one in (name, *others) if one is not None}
    names: set[str] = set()
    before, total, count = -1, 0.0, 0  # of the losses of one step in a row
    end = end_of(entries := list(entries))
    for at, entry in enumerate(entries):
        names.update(entry)
        if point := training_point(entry):
            total, count = (total + point.loss, count + 1) if point.step == before else (point.loss, 1)
            points[point.step], before = replace(point, loss=total / count) if count > 1 else point, point.step
        for one, kept in evaluations.items():
            evaluated = evaluation(entry, one) if one in entry else None
            if evaluated and (end is None or at < end or evaluated.step not in kept):
                kept[evaluated.step] = evaluated
    series = [points[step] for step in sorted(points)]
    learning_rates = [point.lr for point in series if point.lr is not None and math.isfinite(point.lr)]
    decides, *rest = [[kept[step] for step in sorted(kept)] for kept in evaluations.values()] or [[]]
    return Curve(
        series,
        decides,
        total_steps=total_steps,
        steps_per_epoch=_steps_per_epoch(series),
        planned_lr=max(learning_rates, default=None),
        finished=finished,
        ended=finished or end is not None,
        objective=objective_of(names),
        source=source,
        validation_name=name if name is not None and (others or name != VALIDATION_LOSS) else "",
        sets=dict(zip(others, rest, strict=True)),
    )


def number(value: object) -> float | None:
    """``value`` where it is a number (also one of torch or numpy), NaN and infinity among them: to see them is the
    point.

    >>> number(2), number("2"), number(True), number(float("inf"))
    (2.0, None, None, inf)
    """
    if type(value) is float:
        return value
    if value is None or isinstance(value, bool | str):
        return None
    # Asking for a protocol takes longer than all the rest of reading a log: what a log mostly holds comes first.
    if not isinstance(value, int) and not isinstance(value, SupportsFloat):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError, RuntimeError):  # an array or tensor of several numbers
        return None


def whole_number(value: object) -> int | None:
    """``value`` where it is a number of steps: finite, and not below 0."""
    found = number(value)
    return int(found) if found is not None and math.isfinite(found) and found >= 0 else None


def _steps_per_epoch(points: Sequence[Point]) -> float | None:
    for point in reversed(points):
        if point.epoch is not None and math.isfinite(point.epoch) and point.epoch > 0 and point.step:
            return point.step / point.epoch
    return None
