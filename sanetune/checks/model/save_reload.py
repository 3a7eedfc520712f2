"""The saved folder, loaded again, is not the trained model.

## What it does
Saves a copy of the model, its adapter moved away from zero, as a run saves it, loads it with plain transformers, and
compares log-probabilities of the next token, the chat template and the tokens that end generation.

## Why is this bad?
The folder is what gets served. A merge that changes weights, or a lost template or stop token, makes it a different
model.

## Example
Merging an adapter into quantised weights:

```python
model = PeftModel.from_pretrained(quantised_base, "adapter")
model = model.merge_and_unload()
```

## Use instead
Save in the number format of training (`model.dtype`), and report what differs: saving is sanetune's own work.

```python
base = AutoModelForCausalLM.from_pretrained(name, dtype=torch.bfloat16)
model = PeftModel.from_pretrained(base, "adapter")
model = model.merge_and_unload()
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.results import SaveReload

FIX = "none"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "exact": Limit(0.01, "nats; saved and loaded in 32 bits, log-probabilities agree to about 1e-5"),
    "rounded": Limit(0.5, "nats; a merge in 16 bits rounds every weight once more"),
}


def measure(save_reload: SaveReload | None) -> Measurement:
    if save_reload is None:
        raise NotApplicableError("there is no memory for a second copy of the model")
    numbers = {
        "difference": save_reload.largest_difference,
        "template": save_reload.same_template,
        "stops_lost": list(save_reload.missing_stop_tokens),
        "rounded": save_reload.sixteen_bits,
        "merged": save_reload.merged,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["rounded"] else limits["exact"]
    how = "Saved and merged" if n["merged"] else "Saved"
    message = f"{how}, then loaded: log-probabilities differ by {n['difference']:.2g} at most"
    wrong = []
    if not n["template"]:
        wrong.append("the chat template is another")
    if n["stops_lost"]:
        wrong.append(f"generation no longer stops at {', '.join(map(str, n['stops_lost']))}")
    if n["difference"] > limit or wrong:
        return failed("; ".join([message, *wrong]))
    return passed(f"{message}; template and stop tokens are the same")
