"""The tuned model answers as the base model did.

## What it does
Compares the greedy answers of the base and the tuned model to the same prompts (equal, or at least 90 % of their
words in the same order, and clearly more than answers to different prompts), among the prompts that the base model
does not answer as the data do; and reads the validation loss of the trial.

## Why is this bad?
Two hundred steps at a sound learning rate change greedy answers. If they stay the same, the rest of the run will not
reach the model that answers either.

## Example
The loss fell: an adapter that is not active, or the base model loaded instead. It did not fall: a learning rate that
is far too low, or updates lost in rounding:

```yaml
train:
  learning_rate: 1.0e-8
```

## Use instead
If the loss fell, check how the tuned model is loaded; else raise `train.learning_rate`.

model-update-lost and model-nothing-trainable look for the reason.

```yaml
train:
  learning_rate: 2.0e-5
```
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limit, Limits
from sanetune.checks.samples._answers import FEWEST_SAMPLES
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve
    from sanetune.probes.results import Sample, Samples, Trial

FIX = "none"

LIMITS = {
    "fail": Limit(
        0.5, "most answers; on stories260k even a hundredth of the best learning rate leaves 0 of 20 as they were"
    ),
    "warn": Limit(0.25, "one-word answers stay as they were now and then"),
    "fewest_steps": Limit(50, "a few steps of warm-up may change nothing"),
    "alike": Limit(
        0.9,
        "of two answers that count as the same: of stories260k's after 200 steps the most alike pair has 0.75 at a"
        " hundredth of the best learning rate, 0.09 at the best",
    ),
    "known": Limit(
        0.2,
        "of the way from other prompts' references to their own: a base whose answers are there knows the task; 0.46 on"
        " the demo and 0.13 on alpaca (stories260k) after a good trial, 0.01 after a poor one",
    ),
    **FEWEST_SAMPLES,
}


def measure(samples: Samples, trial: Trial, limits: Limits) -> Measurement:
    """Answers that stayed, among those that had to change."""
    from sanetune.checks.samples._answers import answered, said, witness
    from sanetune.checks.samples._ngrams import alike, between, words
    from sanetune.checks.samples._proportions import bounds

    counted = answered(samples, limits)
    base = [words(said(sample.base.text)) for sample in counted]
    tuned = [words(said(sample.tuned.text)) for sample in counted]
    apart = max(between(base), between(tuned))
    # Answers to different prompts that are nearly the same (letters of one form) leave less room to differ.
    limit = max(limits["alike"], apart + (1 - apart) / 2)
    kept: list[tuple[Sample, float]] = []
    right = 0
    for sample, one, other in zip(counted, base, tuned, strict=True):
        if sample.reference is not None and alike(one, words(sample.reference)) >= limits["alike"]:
            right += 1
            continue
        kept.append((sample, alike(one, other)))
    same = [(s, degree) for s, degree in kept if degree >= limit or s.base.text == s.tuned.text]
    before, after = _losses(trial.curve)
    numbers = {
        "samples": len(counted),
        "right_before": right,
        "judged": len(kept),
        "same": len(same),
        "equal": sum(sample.base.text == sample.tuned.text for sample, _ in same),
        "same_at_least": bounds(len(same), len(kept))[0],
        "alike_limit": round(limit, 3),
        "knows": round(_knows(counted), 3),
        "steps": samples.steps,
        "loss_before": before,
        "loss_after": after,
    }
    same.sort(key=lambda one: -len(one[0].tuned.text))
    return Measurement(numbers, [witness(s, f"{degree:.0%} alike") for s, degree in same[:MOST_WITNESSES]])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["judged"] < limits["fewest_samples"]:
        return passed(f"the base answers {n['right_before']:,} of {n['samples']:,} prompts as the data do already")
    loss = ""
    if n["loss_before"] is not None:
        loss = f"; the held-out loss went from {n['loss_before']:.3f} to {n['loss_after']:.3f}"
    few = f" ({n['right_before']:,} more the base answers as the data do)" if n["right_before"] else ""
    message = (
        f"{n['same']:,} of {n['judged']:,} answers{few} are the base's after {n['steps']:,} steps, {n['equal']:,} of"
        f" them word for word{loss}"
    )
    if n["same_at_least"] <= limits["warn"]:
        return passed(message)
    if n["knows"] >= limits["known"]:
        return passed(f"{message}. The base knows this task already: its answers are like their own references")
    most = n["same_at_least"] > limits["fail"]
    return failed(message) if most and n["steps"] >= limits["fewest_steps"] else warned(message)


def _knows(counted: list[Sample]) -> float:
    """How much more the base's answers are like their own references than like the next prompt's: 0 not at all, 1 when
    they are the references."""
    from sanetune.checks.samples._answers import said
    from sanetune.checks.samples._ngrams import alike, words

    pairs = [(words(said(s.base.text)), words(s.reference)) for s in counted if s.reference]
    if len(pairs) < 2:
        return 0.0
    others = [reference for _, reference in pairs[1:] + pairs[:1]]
    own = sum(alike(one, reference) for one, reference in pairs) / len(pairs)
    other = sum(alike(one, reference) for (one, _), reference in zip(pairs, others, strict=True)) / len(pairs)
    return (own - other) / (1 - other) if other < 1 else 0.0


def _losses(curve: Curve) -> tuple[Any, Any]:
    """The first and the last evaluation of validation rows; (None, None) where there are not two."""
    evaluations = [
        evaluation.loss for evaluation in curve.validation or curve.fixed_batch if math.isfinite(evaluation.loss)
    ]
    return (evaluations[0], evaluations[-1]) if len(evaluations) > 1 else (None, None)
