"""Documents in one pack attend to each other.

## What it does
Compares the loss of every trained token in up to twelve packed documents, as the engine packs them, with the loss of
the same document alone. The first document of a pack is left out: nothing stands before it.

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

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.data.labels import IGNORE_INDEX
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.harness import ProbeHarness

LIMITS = {
    "exact": Limit(0.001, "nats per token on average; models that keep documents apart are exact to 1e-6 in 32 bits"),
    "rounded": Limit(0.05, "nats per token on average; in 16 bits, sums in another order differ by about 1e-2"),
}

DOCUMENTS = 12


def measure(harness: ProbeHarness) -> Measurement:
    """Only documents behind another one are compared: the first of a pack has nobody to see."""
    import torch

    if "position_ids" not in harness.batches[0]:
        raise NotApplicableError("nothing is packed")
    differences: list[float] = []
    documents = 0
    with harness.untouched(), torch.no_grad():
        for batch in harness.batches:
            together = harness.token_losses(batch)
            for row, start, stop in _later_documents(batch):
                if documents == DOCUMENTS:
                    break
                alone = {name: value[row : row + 1, start:stop] for name, value in batch.items()}
                learnt = alone["labels"][0, 1:] != IGNORE_INDEX
                apart = harness.token_losses(alone)[0, 1:]
                differences += (together[row, start + 1 : stop] - apart).abs()[learnt].tolist()
                documents += 1
    if not differences:
        raise NotApplicableError("no pack of the first batches holds two documents with something to learn")
    numbers = {
        "difference": sum(differences) / len(differences),
        "largest": max(differences),
        "tokens": len(differences),
        "documents": documents,
        "attention": str(getattr(harness.model.config, "_attn_implementation", "")),
        "model_type": str(harness.model.config.model_type),
        "sixteen_bits": harness.session.precision.sixteen_bits,
    }
    return Measurement(numbers)


def _later_documents(batch: dict[str, Any]) -> list[tuple[int, int, int]]:
    """(row, start, stop) of the documents behind the first of each row that have something to learn."""
    found = []
    for row, positions in enumerate(batch["position_ids"]):
        starts = [*(positions == 0).nonzero()[:, 0].tolist(), len(positions)]
        for start, stop in pairwise(starts[1:]):
            if (batch["labels"][row, start + 1 : stop] != IGNORE_INDEX).any():
                found.append((row, start, stop))
    return found


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["sixteen_bits"] else limits["exact"]
    what = (
        f"The losses of {units.many(n['tokens'], 'token')} of {units.many(n['documents'], 'packed document')}, packed"
        f" and alone, differ by {n['difference']:.2g} on average and {n['largest']:.2g} at most"
        f" ({n['model_type']}, {n['attention']} attention)"
    )
    return failed(what, fix={"train.packing": False}) if n["difference"] > limit else passed(what)
