"""Documents in one pack attend to each other.

## What it does
Compares the loss of every trained token in up to twelve packed documents, as the engine packs them, with the loss of
the same document alone. The first document of a pack is left out: nothing precedes it.

## Why is this bad?
A document that attends to the one before it learns from a context that inference never gives. The training loss looks
better than it is.

## Example
Packing marks document boundaries by position ids that restart at 0 and passes no attention mask. Some models (gpt-oss,
Granite 4, Falcon, OPT, BLOOM, MPT, Mamba) ignore position ids on eager and sdpa attention; an attention mask of ones
or a cache that is left on has the same effect.

```yaml
model:
  name: tiiuae/falcon-7b
  attention: sdpa
train:
  packing: true
```

## Use instead
Set `train.packing: false`, or an attention implementation that keeps documents apart.

`model.attention: flash_attention_2` does, where the model supports it.

```yaml
model:
  name: tiiuae/falcon-7b
  attention: sdpa
train:
  packing: false
```

## Known problems
In 16 bits, sums in another order change a token's loss by about 1e-2 nats; the limit `rounded` allows for that, so a
very weak leak can pass in 16 bits.

## References
- [Enhancing Training Efficiency Using Packing with Flash Attention](https://arxiv.org/abs/2407.09105): packing by
  position ids
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.results import PackingIsolation

FIX = "always"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "exact": Limit(0.001, "nats per token on average; models that keep documents apart are exact to 1e-6 in 32 bits"),
    "rounded": Limit(0.05, "nats per token on average; in 16 bits, sums in another order differ by about 1e-2"),
}


def measure(packing_isolation: PackingIsolation) -> Measurement:
    if not packing_isolation.packed:
        raise NotApplicableError("nothing is packed")
    if not packing_isolation.tokens:
        raise NotApplicableError("no pack of the first batches holds two documents with tokens in the loss")
    numbers = {
        "difference": packing_isolation.mean_difference,
        "largest": packing_isolation.largest_difference,
        "tokens": packing_isolation.tokens,
        "documents": packing_isolation.documents,
        "attention": packing_isolation.attention,
        "model_type": packing_isolation.model_type,
        "sixteen_bits": packing_isolation.sixteen_bits,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["sixteen_bits"] else limits["exact"]
    message = (
        f"The losses of {units.many(n['tokens'], 'token')} of {units.many(n['documents'], 'packed document')}, packed"
        f" and alone, differ by {n['difference']:.2g} on average and {n['largest']:.2g} at most"
        f" ({n['model_type']}, {n['attention']} attention)"
    )
    return failed(message, fix={"train.packing": False}) if n["difference"] > limit else passed(message)
