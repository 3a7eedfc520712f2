"""The untrained model's loss on the answers is higher than a pre-trained model can have.

## What it does
Compares the loss per token on the first batches before any step with the natural logarithm of the vocabulary size,
which is the loss of guessing. Virtual tokens of prompt tuning, which are drawn at random, are left out.

## Why is this bad?
A pre-trained model that does worse than guessing has no use for what it knows on these tokens.

Another model's tokenizer, weights that were not loaded and shifted labels look like this, and so does text far from all
that the model has read.

## Example
Weights that were not loaded:

```python
model = AutoModelForCausalLM.from_config(config)  # random weights
```

## Use instead
Inspect the tokens with `sanetune data CONFIG`, and compare the loss with the one on text that the model knows.

The loss is high on both: tokenizer or weights are not the model's own. It is high on these rows alone: their labels are
wrong, or the text is far from what the model knows.

```python
model = AutoModelForCausalLM.from_pretrained(name)
```
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results import StartLoss

FIX = "none"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "warn": Limit(1.0, "guessing among all tokens alike costs ln(vocabulary)"),
    "fail": Limit(1.25, "a run with wrong labels started at 15.3 where guessing costs 10.4 (1.47 times, qlora-gallery);"
                        " a small story model on grade-school mathematics at 1.15"),
}  # fmt: skip


def measure(start_loss: StartLoss) -> Measurement:
    if not start_loss.tokens:
        raise NotApplicableError("no token of the first batches is in the loss")
    guess = math.log(start_loss.vocab_size)
    numbers = {
        "loss": start_loss.loss,
        "guessing": guess,
        "ratio": start_loss.loss / guess,
        "tokens": start_loss.tokens,
        "vocabulary": start_loss.vocab_size,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    message = (
        f"The loss on {units.many(n['tokens'], 'token')} is {n['loss']:.2f} before training;"
        f" guessing among {n['vocabulary']:,} tokens costs {n['guessing']:.2f}"
    )
    if not math.isfinite(n["loss"]) or n["ratio"] >= limits["fail"]:
        return failed(message)
    return warned(message) if n["ratio"] >= limits["warn"] else passed(message)
