"""The first losses are far above what a pre-trained model can have.

## What it does
Compares the loss before the first step, or the first logged one, with the natural logarithm of the vocabulary size,
which is the loss of guessing. If the vocabulary is not known, the smallest and the largest in common use count
(32,000 and 262,144 tokens).

## Why is this bad?
A model that does worse than guessing does not see the text it was pre-trained for. A steep curve then looks like
success.

## Example
Labels shifted or shuffled, another model's tokenizer, or weights that were not loaded:

```python
tokenizer = AutoTokenizer.from_pretrained("gpt2")
model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-3.2-1B")
```

## Use instead
Inspect tokens and labels with `sanetune data CONFIG`, and take tokenizer and weights from the same place.

```python
tokenizer = AutoTokenizer.from_pretrained("meta-llama/Llama-3.2-1B")
model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-3.2-1B")
```

## Known problems
Some programs log the sum of the losses of several batches, which looks the same where there is no validation loss to
compare it with (curve-loss-summed).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import needs_token_loss
from sanetune.curves.changes import START_SHARE, finite, last_step, points_of
from sanetune.curves.scale import times_validation
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve

FIX = "none"
LIVE = "whole"

LIMITS = {
    "warn": Limit(1.0, "guessing among all tokens alike costs ln(vocabulary)"),
    "fail": Limit(1.25, "a run with wrong labels began at 1.5 times ln(vocabulary) or more (qlora-gallery); a small"
                        " story model on grade-school mathematics at 1.15"),
    "smallest_vocabulary": Limit(32_000, "tokens, where the vocabulary is not known: that of Llama 2"),
    "largest_vocabulary": Limit(262_144, "tokens, likewise: that of Gemma 3"),
}  # fmt: skip


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    early = max(1, START_SHARE * last_step(curve))
    firsts = [one for series in (curve.validation, curve.fixed_batch) for one in finite(series)[:1]]
    evaluations = [one for one in firsts if one.step <= early]
    points = points_of(curve)
    if not evaluations and not points:
        raise NotApplicableError("no loss was logged")
    # The first record of a log may be a mean over many steps: at most too low, which is the careful side.
    first = evaluations[0] if evaluations else points[0]
    known, times = curve.vocab_size, None if evaluations else times_validation(curve)
    return Measurement(
        {
            "loss": first.loss / (times or 1.0),
            "divided_by": times,
            "step": first.step,
            "looked": bool(evaluations),
            "vocabulary": known,
            "guessing": math.log(known or limits["smallest_vocabulary"]),
            "guessing_most": math.log(known or limits["largest_vocabulary"]),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    message = (
        f"the first loss is {n['loss']:.2f} ({'before training' if n['looked'] else 'logged at'} step {n['step']:,})"
    )
    if n["divided_by"]:
        message = f"{message}, divided by {n['divided_by']:.3g} as curve-loss-summed says"
    range_ = f"{limits['smallest_vocabulary']:,} to {limits['largest_vocabulary']:,}"
    among = f"among {n['vocabulary']:,} tokens" if n["vocabulary"] else f"among {range_} tokens"
    costs = f"{n['guessing']:.2f}" + ("" if n["vocabulary"] else f" to {n['guessing_most']:.2f}")
    message = f"{message}; guessing {among} costs {costs}"
    if n["loss"] >= limits["fail"] * n["guessing_most"]:
        return failed(message)
    return warned(message) if n["loss"] >= limits["warn"] * n["guessing"] else passed(message)
