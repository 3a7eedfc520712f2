"""The first losses are far above what a pre-trained model can have.

Measures: The loss before the first step, or the first that was logged, beside the logarithm of the vocabulary's size,
which is the loss of guessing. Where the vocabulary is not known, those of the smallest and the largest in common use
(32,000 and 262,144 tokens).
Matters: A model that does worse than guessing does not see the text that it was trained for. Its loss will fall all the
same, and a steep curve looks like success.
Cause: Labels that do not belong to their prompts, another tokenizer or template, weights that were not loaded, or a
loss that is logged as a sum over several batches.
Fix: Look at the tokens and labels with `sanetune data CONFIG`, and take tokenizer and weights from the same place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.curves.changes import START_SHARE, finite, last_step, points_of
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

LIMITS = {
    "warn": Limit(1.0, "guessing among all tokens alike costs ln(vocabulary)"),
    "fail": Limit(1.25, "a run with wrong labels began at 1.5 times ln(vocabulary) or more (qlora-gallery); a small"
                        " story model on grade-school mathematics at 1.15"),
}  # fmt: skip

SMALLEST, LARGEST = 32_000, 262_144
"""Vocabularies of Llama 2 and of Gemma 3: the range to be fair to where it is not known."""


def measure(curve: Curve) -> Measurement:
    early = max(1, START_SHARE * last_step(curve))
    looks = [look for series in (curve.held, curve.probe) for look in finite(series)[:1] if look.step <= early]
    points = points_of(curve)
    if not looks and not points:
        raise NotApplicableError("no loss was logged")
    # The first record of a log may be a mean over many steps: at most too low, which is the careful side.
    loss, step = (looks[0].loss, looks[0].step) if looks else (points[0].loss, points[0].step)
    known = curve.vocabulary
    return Measurement(
        {
            "loss": loss,
            "step": step,
            "looked": bool(looks),
            "vocabulary": known,
            "guessing": math.log(known or SMALLEST),
            "guessing_most": math.log(known or LARGEST),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    what = f"the first loss is {n['loss']:.2f} ({'before training' if n['looked'] else 'logged at'} step {n['step']:,})"
    among = f"among {n['vocabulary']:,} tokens" if n["vocabulary"] else f"among {SMALLEST:,} to {LARGEST:,} tokens"
    costs = f"{n['guessing']:.2f}" + ("" if n["vocabulary"] else f" to {n['guessing_most']:.2f}")
    what = f"{what}; guessing {among} costs {costs}"
    if n["loss"] >= limits["fail"] * n["guessing_most"]:
        return failed(what)
    return warned(what) if n["loss"] >= limits["warn"] * n["guessing"] else passed(what)
