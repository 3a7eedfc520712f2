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

from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.harness import ProbeHarness

LIMITS = {
    "exact": Limit(0.01, "nats; saved and loaded in 32 bits, log-probabilities agree to about 1e-5"),
    "rounded": Limit(0.5, "nats; a merge in 16 bits rounds every weight once more"),
}

TOKENS = 128


def measure(harness: ProbeHarness, stop_tokens: frozenset[int], tokenizer: Any) -> Measurement:
    import tempfile
    from pathlib import Path

    import psutil
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    from sanetune.engine.save import save_model
    from sanetune.runs import Run

    size = sum(weight.numel() * weight.element_size() for weight in harness.model.parameters())
    if 3 * size > psutil.virtual_memory().available or getattr(harness.model, "is_quantized", False):
        raise NotApplicableError("there is no memory for a second copy of the model")
    ids = harness.batches[0]["input_ids"][:1, :TOKENS].cpu()
    with harness.untouched(), tempfile.TemporaryDirectory() as folder, torch.no_grad():
        trained = harness.session.detached_copy()
        _move_adapter(trained)
        before = _next(trained, ids)
        run = Run(Path(folder))
        save_model(trained, tokenizer, run, stop_token_ids=sorted(stop_tokens))
        again = AutoModelForCausalLM.from_pretrained(str(run.model), dtype=trained.dtype).eval()
        after = _next(again, ids)
        saved = AutoTokenizer.from_pretrained(str(run.model))
        ends = GenerationConfig.from_pretrained(str(run.model)).eos_token_id
    kept = set(ends if isinstance(ends, list) else [ends])
    numbers = {
        "difference": float((before - after).abs().max()),
        "template": saved.chat_template == tokenizer.chat_template,
        "stops_lost": sorted(stop_tokens - kept),
        "rounded": trained.dtype != torch.float32,
        "merged": hasattr(trained, "peft_config"),
    }
    return Measurement(numbers)


def _move_adapter(model: Any) -> None:
    """A fresh adapter changes nothing, and merging nothing is no test."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator).to(weight.dtype))


def _next(model: Any, ids: Any) -> Any:
    """Log-probabilities of the next token at every place, in 32 bits."""
    logits = model.eval()(input_ids=ids, use_cache=False).logits
    return logits.float().log_softmax(-1)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["rounded"] else limits["exact"]
    how = "Saved and merged" if n["merged"] else "Saved"
    what = f"{how}, then loaded: log-probabilities differ by {n['difference']:.2g} at most"
    wrong = []
    if not n["template"]:
        wrong.append("the chat template is another")
    if n["stops_lost"]:
        wrong.append(f"generation no longer stops at {', '.join(map(str, n['stops_lost']))}")
    if n["difference"] > limit or wrong:
        return failed("; ".join([what, *wrong]))
    return passed(f"{what}; template and stop tokens are the same")
