"""Which checkpoint of a run to keep, as its evaluations say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sanetune.curves.broken import sound_until
from sanetune.curves.changes import SHOT_UP, START_SHARE, finite, last_step, points_of
from sanetune.curves.logs.entries import VALIDATION_LOSS
from sanetune.curves.series import Curve, Evaluation

SAME = 0.01
"""Validation losses within this share of each other are the same: half the 2 % that a healthy validation loss moves
within at its end."""


@dataclass(frozen=True, slots=True)
class BestCheckpoint:
    """The checkpoint to keep.

    Attributes:
        step: Of the evaluation that decides, or else of the checkpoint.
        loss: Validation loss there, in nats per token in the loss; None: it was not evaluated.
        last_step: Of the last evaluation that is a number.
        last_loss: Validation loss there, in the same unit.
        saved: The saved checkpoint that is nearest to ``step``, as its step, or one that is known to be better than
            that; None where none is known.
        sound_until: The last step whose weights are known to be numbers, where those at the end are none.
    """

    step: int
    loss: float | None
    last_step: int
    last_loss: float | None
    saved: int | None = None
    sound_until: int | None = None

    @property
    def is_last(self) -> bool:
        """Whether the last evaluated step is the one to keep."""
        return self.step == self.last_step and self.sound_until is None


def best_checkpoint(curve: Curve, saved: Sequence[int] = ()) -> BestCheckpoint | None:
    """The checkpoint to keep; None where validation loss was evaluated fewer than two times.

    It is the last one, unless an earlier evaluation is lower by more than :data:`SAME`. Of a run that ends in losses
    which are no numbers only those before count: without two evaluations it is the last of them.

    Args:
        curve: Of the run.
        saved: Steps of the checkpoints that are there.

    >>> curve = Curve(validation=[Evaluation(10, 2.0), Evaluation(20, 1.5), Evaluation(30, 1.8)])
    >>> best_checkpoint(curve, saved=[15, 30])
    BestCheckpoint(step=20, loss=1.5, last_step=30, last_loss=1.8, saved=15, sound_until=None)
    """
    evaluations, until = finite(curve.validation), sound_until(curve)
    saved = [step for step in saved if until is None or step <= until]
    if len(evaluations) < 2:
        return None if until is None or not saved else _last_sound(evaluations, max(saved), until)
    last, lowest = evaluations[-1], min(evaluations, key=lambda one: one.loss)
    kept = lowest if last.loss - lowest.loss > SAME * abs(lowest.loss) else last
    return BestCheckpoint(kept.step, kept.loss, last.step, last.loss, _saved(kept.step, saved, evaluations), until)


def _saved(step: int, saved: Sequence[int], evaluations: Sequence[Evaluation]) -> int | None:
    """The saved checkpoint to take in place of a step's weights: the nearest, unless another is known to be better.
    None replaces those that the run began with."""
    nearest = min(saved, key=lambda one: (abs(one - step), one), default=None)
    losses = {one.step: one.loss for one in evaluations if one.step in saved}
    if nearest is None or step in (0, nearest) or nearest not in losses:
        return nearest if step else None
    return min(losses, key=lambda one: (losses[one], abs(one - step)))


def _last_sound(evaluations: Sequence[Evaluation], saved: int, until: int) -> BestCheckpoint:
    losses = {one.step: one.loss for one in evaluations}
    step = max(losses, default=saved)
    return BestCheckpoint(saved, losses.get(saved), step, losses.get(step), saved, until)


def is_better_than_start(best: BestCheckpoint, curve: Curve) -> bool:
    """Return whether a checkpoint is better than the model that the run began with.

    That is known from an evaluation before the first steps, else from the first training loss, which may be lower than
    that of validation rows by a part (:data:`sanetune.curves.changes.SHOT_UP`).

    >>> from sanetune.curves.series import Point
    >>> curve = Curve([Point(1, 1.4)], [Evaluation(10, 7.6), Evaluation(20, 7.2)])
    >>> is_better_than_start(best_checkpoint(curve), curve)
    False
    """
    evaluations, points = finite(curve.validation), points_of(curve)
    if best.loss is None:
        return True  # nothing says otherwise
    if evaluations and evaluations[0].step <= max(1, START_SHARE * last_step(curve)):
        return best.loss < (1 - SAME) * evaluations[0].loss
    return not points or best.loss < SHOT_UP * points[0].loss


def keep_best(validation_name: str) -> dict[str, Any]:
    """What keeps the weights of the lowest validation loss; a trainer looks for ``eval_loss`` unless another is named,
    and raises where there is none.

    >>> keep_best("eval_math_loss")
    {'train.load_best_model_at_end': True, 'train.metric_for_best_model': 'eval_math_loss'}
    """
    named = {"train.metric_for_best_model": validation_name} if validation_name not in ("", VALIDATION_LOSS) else {}
    return {"train.load_best_model_at_end": True, **named}
