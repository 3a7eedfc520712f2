"""The learning rate is outside the published range for this training method and model size.

## What it does
Compares the learning rate with published recipes for the same method (full fine-tuning, LoRA, QLoRA), parameter count,
hidden size, loss reduction (mean or sum over tokens) and tokens per step. Recipes are for Adam and its variants; with
other optimizers the check is skipped.

## Why is this bad?
Ten times too high a learning rate destroys what the model knew, often without a sign in the first steps. Ten times
too low a one spends the whole budget and learns little.

LoRA needs about ten times the learning rate of full fine-tuning, and a loss that is summed over tokens needs a smaller
one than a mean.

## Example
TRL's default, 2e-5, is also used for LoRA; and recipes are copied from another method:

```yaml
model:
  name: Qwen/Qwen3-0.6B-Base    # all weights
train:
  learning_rate: 2.0e-3         # a recipe for LoRA
```

## Use instead
Start from the usual learning rate for the method and size; compare a third of it and three times it on validation
rows.

```yaml
model:
  name: Qwen/Qwen3-0.6B-Base
train:
  learning_rate: 8.4e-5         # or leave it out, see `sanetune plan`
```

## Known problems
The range is that of published recipes, most of them for models of 1B parameters and more. On the levels `probe` and
`trial`, the critical learning rate (`model-rate-critical`) and the comparison on validation rows (`curve-rate-beaten`)
measure what this check takes from a table.

## References
- [LoRA without regret](https://thinkingmachines.ai/blog/lora/): LoRA needs about ten times the learning rate
- [Tulu 3](https://arxiv.org/abs/2411.15124), [SmolLM2](https://arxiv.org/abs/2502.02737): recipes with a summed loss
  and for small models
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "always"

_SWEEP = "Tinker's sweep (35 models, 1B to 550B, LoRA): 1e-3 is best in 10 of them, runs diverge at 3e-3, none at 3e-4"
_SMOL = "SmolLM2-135M and -360M: 1e-3; SmolLM2-1.7B: 3e-4, all weights"

LIMITS = {
    "full_from_12b": Limit(5e-5, "Llama-2-chat 70B 2e-5; Alpaca 13B, Tulu 2 70B, LIMA-65B, s1-32B 1e-5; some room"),
    "full_from_3b": Limit(1e-4, "Olmo 3 7B 8e-5; Alpaca 7B, Tulu 2 7B, Zephyr-7b, SmolLM3-3B 2e-5"),
    "full_large_batch": Limit(1e-4, "Olmo 3 SFT: 8e-5 and 1e-4 at 7B and 32B with 1 and 4 million tokens per step"),
    "large_batch_tokens": Limit(1_000_000, "Olmo 3 7B SFT; the best learning rate grows with the root of the batch"),
    "full_smallest": Limit(1e-3, _SMOL),
    "full_smallest_parameters": Limit(4e8, _SMOL),
    "full_exponent": Limit(0.8, f"from 1e-3 at 0.4 to 3e-4 at 1.8 billion parameters: {_SMOL}"),
    "full_times_usual": Limit(
        6, "measured on a Llama of 260 thousand parameters (usual 7.4e-4): 3e-3 is good, 1e-2 costs 0.35 nats"
    ),
    "lora": Limit(1e-3, _SWEEP),
    "lora_times_usual": Limit(10 / 3, f"1e-3 to 3e-4, carried over to small models: {_SWEEP}"),
    "qlora": Limit(1e-3, f"Guanaco and Zephyr 2e-4; {_SWEEP}"),
    "qlora_from_30b": Limit(5e-4, "Guanaco 33B and 65B 1e-4; some room"),
    "lora_lowest": Limit(5e-5, "Tulu 2 LoRA and QLoRA 1e-4 is the lowest recipe; at 4e-5 Tinker's sweep loses 0.08"),
    "full_below_usual": Limit(10, "a tenth: 0.02 to 0.08 nats lost in Tinker's sweep; no recipe starts that low"),
    "sum_usual": Limit(4, "Tulu 3 (summed loss) 8B 5e-6, 70B 2e-6, where Tulu 2 (mean) has 2e-5 and 1e-5"),
    "sum_highest": Limit(8, "the highest with a summed loss are OLMo 2 7B 1e-5 and 13B 6e-6"),
    "fail_above": Limit(2.5, f"times the highest published: there the cliff begins. {_SWEEP}"),
    "fail_below": Limit(
        5,
        "times below the lowest; measured on a Llama of 260 thousand parameters, 20 rows and 50 steps: at a 37th of the"
        " usual learning rate the loss falls from 4.94 to 3.48, at the usual one to 0.01",
    ),
}


def measure(run_settings: RunSettings) -> Measurement:
    """Look up the usual learning rate, which is the inferred default; skipped for optimizers other than Adam."""
    from sanetune.planning.learning_rates import learning_rate

    model, steps, data = run_settings.model, run_settings.steps, run_settings.data
    optimizer = str(run_settings.given.get("optim") or "adamw").rpartition(".")[2].lower()
    if "adam" not in optimizer:
        raise NotApplicableError(f"published learning rates are for Adam, and this run uses {optimizer}")
    if model.parameters <= 0 and model.method == "full":
        raise NotApplicableError("the size of the model is not known")
    usual, source = learning_rate(model.method, model.parameters, model.hidden)
    tokens = data.train_tokens / steps.steps_per_epoch if steps.steps_per_epoch else 0.0
    return Measurement(
        {
            "learning_rate": steps.learning_rate,
            "usual": usual,
            "source": source,
            "method": model.method,
            "parameters": model.parameters,
            "hidden": model.hidden,
            "loss_reduction": data.loss_reduction,
            "tokens_per_step": round(tokens),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Warn beyond what is published, fail far beyond it."""
    n = m.numbers
    lr, usual = n["learning_rate"], n["usual"]
    summed = n["loss_reduction"] == "sum" and n["method"] == "full"
    if summed:
        usual = float(f"{usual / limits['sum_usual']:.1e}")
    lowest, highest = _lowest(n, usual, limits), _highest(n, limits)
    of = _of(n, summed)
    span = f"from {units.lr(float(f'{lowest:.1e}'))} to {units.lr(float(f'{highest:.1e}'))}"
    fix = {"train.learning_rate": usual}
    if not math.isfinite(lr) or lr <= 0:
        return failed(f"The learning rate is {lr:g}: no weight changes.", fix=fix)
    if lowest <= lr <= highest * (1 + 1e-9):
        return passed(f"{units.lr(lr)} for {of}: published ones go {span}, usual is {units.lr(usual)}.")
    high = lr > highest
    times = lr / usual if high else usual / lr
    message = (
        f"The learning rate {units.lr(lr)} is {_times(times)} {'above' if high else 'below'} the usual"
        f" {units.lr(usual)} for {of}; published ones go {span}."
    )
    remedy = (
        f"Write learning_rate: {units.lr(usual)} ({n['source']}{', a quarter of it as the loss is summed' * summed})."
    )
    far = lr > highest * limits["fail_above"] if high else lr < lowest / limits["fail_below"]
    return failed(message, remedy, fix) if far else warned(message, remedy, fix)


def _highest(n: dict[str, Any], limits: Limits) -> float:
    billions, usual = n["parameters"] / 1e9, n["usual"]
    if n["method"] == "qlora":
        return float(limits["qlora_from_30b"] if billions >= 30 else limits["qlora"])
    if n["method"] == "lora":
        return float(max(limits["lora"], usual * limits["lora_times_usual"]))
    if billions >= 3:
        highest = limits["full_from_12b"] if billions >= 12 else limits["full_from_3b"]
        if n["tokens_per_step"] >= limits["large_batch_tokens"]:
            highest = max(highest, limits["full_large_batch"])
    else:
        larger = max(1.0, n["parameters"] / limits["full_smallest_parameters"])
        published = limits["full_smallest"] / larger ** limits["full_exponent"]
        highest = max(published, usual * limits["full_times_usual"])
    return float(highest / (limits["sum_highest"] if n["loss_reduction"] == "sum" else 1))


def _lowest(n: dict[str, Any], usual: float, limits: Limits) -> float:
    """The lowest for an adapter rises with the usual one of small models, up to twice: 1e-4 is common for all sizes."""
    if n["method"] == "full":
        return usual / float(limits["full_below_usual"])
    return float(limits["lora_lowest"] * min(2.0, max(1.0, usual / 3e-4)))


def _of(n: dict[str, Any], summed: bool) -> str:
    ways = {"full": "all weights", "lora": "LoRA", "qlora": "LoRA on quantised weights"}
    size = f" of a model of {units.count(n['parameters'])} parameters" if n["parameters"] else ""
    return f"{ways[str(n['method'])]}{size}" + (", the loss summed over tokens" if summed else "")


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.1f} times"
