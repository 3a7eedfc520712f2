"""How long the weights of a run that ends in losses which are no numbers were sound."""

from __future__ import annotations

import math

import pytest

from sanetune.curves.broken import sound_until
from sanetune.curves.series import Curve, Evaluation, Point

NORMS = [1.0] * 50 + [math.nan] * 10


def steps(losses: list[float], norms: list[float] | None = None) -> list[Point]:
    return [Point(step, loss, grad_norm=norms[step - 1] if norms else None) for step, loss in enumerate(losses, 1)]


BROKEN, SOUND = [2.0] * 51 + [math.nan] * 9, [2.0] * 60
EVALUATED = [Evaluation(step, 2.0 if step < 50 else math.nan) for step in (20, 40, 60)]


@pytest.mark.parametrize(
    ("curve", "step"),
    [
        (Curve(steps(BROKEN, NORMS)), 50),  # the gradients of step 51 are the first that are none
        (Curve(steps(BROKEN)), 50),  # the loss of step 51 is that of the weights before it
        (Curve(steps(SOUND, NORMS), EVALUATED), 50),  # the losses are hidden
        (Curve(steps(SOUND), EVALUATED), 40),
        (Curve([], EVALUATED), 40),
        (Curve(steps([math.nan] * 5)), 0),
        (Curve(steps(SOUND, NORMS)), None),  # fp16's scaler may have skipped these
        (Curve(steps([*BROKEN, 2.0], [*NORMS, 1.0])), None),
        (Curve(steps(SOUND, [1.0] * 60), EVALUATED), None),  # the evaluation alone overflows
        (Curve(), None),
    ],
)
def test_weights_are_sound_as_long_as_a_record_shows_it(curve: Curve, step: int | None) -> None:
    assert sound_until(curve) == step
