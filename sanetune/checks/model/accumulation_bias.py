"""One large batch and the same rows in micro-batches give different gradients.

## What it does
Compares the gradient that the engine computes over two micro-batches with the gradient of the mean loss per token
over the same rows, computed separately.

## Why is this bad?
Averaged over unequal micro-batches, tokens of short answers weigh more than tokens of long ones.

The result then depends on how the batch was divided.

## Example
A loss that is divided by the tokens of each micro-batch:

```python
loss = model(**batch).loss / gradient_accumulation_steps
```

## Use instead
Divide by the tokens of the whole step, or set `gradient_accumulation_steps: 1`.

transformers 4.46 and later pass `num_items_in_batch` for it.

```python
total = F.cross_entropy(logits, labels, reduction="sum")
loss = total / num_items_in_batch
```

## References
- [transformers#34191](https://github.com/huggingface/transformers/pull/34191): the fix of gradient accumulation
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.harness import ProbeHarness

LIMITS = {
    "exact": Limit(0.01, "relative difference of the two gradients; in 32 bits they agree to about 1e-5"),
    "rounded": Limit(0.1, "relative difference of the two gradients; 16 bits keep two to three digits"),
}


def measure(harness: ProbeHarness) -> Measurement:
    from sanetune.engine.batches import loss_token_count

    pair = sorted(harness.batches, key=loss_token_count)
    pair = [pair[0], pair[-1]] if len(pair) > 1 else []
    if len(pair) < 2 or not loss_token_count(pair[0]):
        raise NotApplicableError("there are not two batches with something to learn")
    with harness.untouched():
        harness.gradients(pair)
        engine = {
            name: weight.grad.detach().clone() for name, weight in harness.trained().items() if weight.grad is not None
        }
    if not engine:
        raise NotApplicableError("no weight gets a gradient: see model-nothing-trainable")
    with harness.untouched():
        count = sum(loss_token_count(batch) for batch in pair)
        for batch in pair:
            (harness.token_losses(batch).sum() / count).backward()
        square = difference = 0.0
        for name, weight in harness.trained().items():
            if weight.grad is not None and name in engine:
                square += float(weight.grad.double().square().sum())
                difference += float((weight.grad.double() - engine[name].double()).square().sum())
    numbers = {
        "difference": (difference / square) ** 0.5 if square else 0.0,
        "norm": square**0.5,
        "tokens": [loss_token_count(batch) for batch in pair],
        "sixteen_bits": harness.session.precision.sixteen_bits,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["sixteen_bits"] else limits["exact"]
    few, many = n["tokens"]
    what = (
        f"The engine's gradient over micro-batches of {few:,} and {many:,} learnt tokens differs by"
        f" {n['difference']:.2g} (relative) from that of the mean over all of them"
    )
    return failed(what) if n["difference"] > limit else passed(what)
