"""Less of the model is trained than intended, or nothing.

## What it does
Lists the trained weights, what each freeze and adapter pattern matched, and which trained weights get no gradient
from the first batches.

## Why is this bad?
Weights without a gradient do not change: the run costs the same and teaches less, or nothing.

## Example
A pattern that matches more than intended:

```yaml
model:
  freeze: ["layers"]
```

## Use instead
Narrow `model.freeze` or widen `model.train_only`, or name other modules in `model.adapter.target`.

```yaml
model:
  freeze: ["layers.0.", "layers.1."]
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.results import FirstStep

FIX = "none"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "share": Limit(0.5, "where most of the trained weights get no gradient, the run is not the one that was meant")
}

SHOWN = 10


def measure(harness: ProbeHarness, first_step: FirstStep) -> Measurement:
    """Weights that start at zero beside others (LoRA's A) and experts that no token was sent to may rightly have a
    gradient of zero."""
    updates = first_step.updates
    dead = [
        name
        for name, update in updates.items()
        if update.squared_grad_norm is None or (not update.nonzero_grads and not ("lora_A" in name or "expert" in name))
    ]
    sizes = {name: update.size for name, update in updates.items()}
    numbers = {
        "trained": sum(sizes.values()),
        "parameters": harness.session.frozen.parameters,
        "tensors": len(sizes),
        "without_gradient": sum(sizes[name] for name in dead),
        "names": dead[:SHOWN],
        "dead": len(dead),
        "matched": harness.session.frozen.matched,
        "callbacks": list(first_step.callbacks),
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    trained = f"{units.count(n['trained'])} of {units.count(n['parameters'])} weights are trained"
    matched = "".join(f"; {pattern} matches {count:,}" for pattern, count in n["matched"].items())
    if not n["trained"] and n["callbacks"]:
        return warned(
            f"None of {units.count(n['parameters'])} weights is trained, unless {' or '.join(n['callbacks'])}, which is"
            " not called here, thaws some when training begins",
            "Thaw what is to be trained before the check, as the callback does.",
        )
    if not n["trained"]:
        return failed(f"None of {units.count(n['parameters'])} weights is trained{matched}")
    if not n["dead"]:
        return passed(f"{trained}{matched}; each of {n['tensors']:,} tensors gets a gradient")
    share = n["without_gradient"] / n["trained"]
    message = f"{trained}{matched}, but {n['dead']:,} of {n['tensors']:,} tensors ({units.share(share)} of the trained"
    message += f" weights) get no gradient: {', '.join(n['names'][:3])}"
    return failed(message) if share > limits["share"] else warned(message)
