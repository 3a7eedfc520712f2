"""The number format does not suit the model, the device or the size of the updates.

## What it does
Compares the format of the stored weights, of the weights in training and of the computation with each other and with
the device, a processor that has to emulate bf16 among them. If 16-bit weights are trained directly, it computes the
share of weights that one step cannot change.

## Why is this bad?
A 16-bit weight moves only by its own spacing. At a learning rate of 2e-5 most bf16 weights stay where they are, and
the loss hardly falls.

bf16 keeps 8 significant bits. Numbers near 0.02 (between 2^-6 and 2^-5) are 2^-13 = 1.2e-4 apart, and an update below
half of that, 6.1e-5, is rounded away. A step of Adam moves each weight by about the learning rate. In the other
direction, values beyond 65,504 overflow in fp16, and the loss becomes NaN.

## Example
```yaml
model:
  name: Qwen/Qwen3-0.6B-Base
  dtype: bfloat16           # all weights are trained in bf16
train:
  learning_rate: 2.0e-5
```

## Use instead
Train all weights in float32 and compute in bf16, or train a LoRA adapter, whose frozen base may be 16-bit.

```yaml
model:
  name: Qwen/Qwen3-0.6B-Base
  dtype: float32
train:
  learning_rate: 2.0e-5
  bf16: true
```

## References
- [torchtune#2254](https://github.com/pytorch/torchtune/issues/2254),
  [pytorch/ao#1124](https://github.com/pytorch/ao/issues/1124): full fine-tunes in pure bf16
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.config.machine import emulates_bf16
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "sometimes"
VERSION = 2

LIMITS = {
    "stuck_warn": Limit(0.1, "a tenth of the weights cannot follow in one step; at 1e-4 it is 12 % in bf16"),
    "stuck_fail": Limit(
        0.5,
        "at 2e-5 70 % of bf16 weights cannot follow, at 1e-5 84 %; torchtune#2254 shows full fine-tunes in pure bf16"
        " far behind fp32, pytorch/ao#1124 why",
    ),
    "weight_std": Limit(0.02, "standard deviation of weights: initializer_range of GPT-2, Llama, Qwen and Mistral"),
}

BITS = {"bfloat16": 8, "float16": 11}
"""Significant bits, the leading one included."""
SAFE_OPTIMIZERS = ("anyprecision", "stochastic", "kahan")
"""Names of optimizers that carry what rounding loses."""


def measure(run_settings: RunSettings, limits: Limits) -> Measurement:
    """Read the number formats, and compute which weights one step at the peak learning rate cannot change.

    ``stuck_share`` is None where a float32 copy of the weights is trained (LoRA, DeepSpeed, FSDP) or they are float32.
    """
    model, machine = run_settings.model, run_settings.machine
    return Measurement(
        {
            "method": model.method,
            "stored_dtype": model.stored_dtype,
            "weights_dtype": model.weights_dtype,
            "bf16": model.bf16,
            "fp16": model.fp16,
            "device": machine.device,
            "device_has_bf16": machine.has_bf16,
            "emulates_bf16": machine.device == "cpu" and model.bf16 and emulates_bf16(),
            "learning_rate": run_settings.steps.learning_rate,
            "stuck_share": _stuck(run_settings, limits["weight_std"]),
            "spacing": _spacing(limits["weight_std"], BITS.get(_trained_in(run_settings) or "", 24)),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Name the worst: what cannot run, then what cannot learn, what may overflow, and what takes many times as long."""
    n = m.numbers
    for judged in (_impossible(n), _rounded(n, limits), _overflowing(n), _emulated(n)):
        if judged:
            return judged
    computes = "bf16" if n["bf16"] else "fp16" if n["fp16"] else "the weights' own format"
    stored = f", stored as {n['stored_dtype']}" if n["stored_dtype"] else ""
    return passed(f"Weights in {n['weights_dtype'] or 'float32'}{stored}; computes in {computes} on {n['device']}.")


def stuck_share(lr: float, bits: int, std: float = LIMITS["weight_std"].value) -> float:
    """Return the share of normally distributed weights whose spacing is more than twice ``lr``: adding it is lost.

    >>> round(stuck_share(2e-5, bits=8), 3)
    0.696

    Args:
        lr: The learning rate, by which a step of Adam moves each weight.
        bits: Significant bits of the number format.
        std: Standard deviation of the weights.
    """
    if lr <= 0:
        return 1.0
    # A weight in [2^k, 2^(k+1)) has the spacing 2^(k+1-bits); it is stuck where half of that exceeds the learning rate.
    smallest_k = math.floor(math.log2(lr) + bits) + 1
    return math.erfc(2.0**smallest_k / std / math.sqrt(2))


def _spacing(weight: float, bits: int) -> float:
    return float(2.0 ** (math.floor(math.log2(weight)) + 1 - bits))


def _trained_in(run_settings: RunSettings) -> str | None:
    model = run_settings.model
    dtype = model.weights_dtype
    return model.stored_dtype if dtype == "auto" else dtype


def _stuck(run_settings: RunSettings, std: float) -> float | None:
    bits = BITS.get(_trained_in(run_settings) or "")
    given = run_settings.given
    optimizer = str(given.get("optim") or "").lower()
    copied = given.get("deepspeed") or given.get("fsdp") or any(name in optimizer for name in SAFE_OPTIMIZERS)
    if run_settings.model.method != "full" or bits is None or copied:
        return None
    return stuck_share(run_settings.steps.learning_rate, bits, std)


def _impossible(n: dict[str, Any]) -> Judgement | None:
    if n["bf16"] and n["fp16"]:
        return failed("Both bf16 and fp16 are true: transformers refuses.", fix={"train.fp16": False})
    if n["bf16"] and not n["device_has_bf16"] and n["device"] == "cuda":
        return failed(
            "This GPU does not compute in bf16 (Ampere and later do), and bf16 is true.",
            "Use fp16 or float32 on this GPU.",
            {"train.bf16": False, "train.fp16": True},
        )
    if n["fp16"] and n["device"] == "cpu":
        return failed("There is no GPU, and fp16 is true: its loss scaling needs one.", fix={"train.fp16": False})
    return None


def _rounded(n: dict[str, Any], limits: Limits) -> Judgement | None:
    stuck, dtype = n["stuck_share"], n["weights_dtype"] if n["weights_dtype"] != "auto" else n["stored_dtype"]
    if stuck is None:
        return None
    fix = {"model.dtype": "float32"}
    if dtype == "float16":
        return failed(
            "All weights are trained, and they are float16 themselves: loss scaling refuses them, and without it small"
            " gradients (below 6e-8) are zero.",
            fix=fix,
        )
    if stuck < limits["stuck_warn"]:
        return None
    message = (
        f"All weights are trained in {dtype}, without a float32 copy: near {limits['weight_std']:g} its numbers are"
        f" {n['spacing']:.1e} apart, a step moves a weight by about {n['learning_rate']:.1e}, and"
        f" {units.share(stuck)} of the weights round back to where they were."
    )
    return failed(message, fix=fix) if stuck >= limits["stuck_fail"] else warned(message, fix=fix)


def _overflowing(n: dict[str, Any]) -> Judgement | None:
    native = n["stored_dtype"] == "bfloat16"
    if native and n["fp16"]:
        message = "The weights are stored as bfloat16, and fp16 is true: values beyond 65,504 become infinite."
        if n["device_has_bf16"]:
            return warned(message, "Compute in bf16, as the model was.", {"train.fp16": False, "train.bf16": True})
        return warned(
            f"{message} This {n['device']} has no bf16.",
            "Watch for NaN in the first steps; float32 (fp16: false) is the safe way on this device.",
        )
    if native and n["weights_dtype"] == "float16":
        return warned(
            "The weights are stored as bfloat16 and loaded as float16: values beyond 65,504 become infinite.",
            "Load them as they are stored.",
            {"model.dtype": "bfloat16" if n["device_has_bf16"] else "float32"},
        )
    if n["bf16"] and not n["device_has_bf16"] and n["device"] != "cpu":
        return warned(
            f"This {n['device']} is not known to compute in bf16, and bf16 is true.", fix={"train.bf16": False}
        )
    return None


def _emulated(n: dict[str, Any]) -> Judgement | None:
    if not n["emulates_bf16"]:
        return None
    return warned(
        "bf16 is true, and this processor has no instructions for it: PyTorch emulates it, which takes tens of times as"
        " long as float32.",
        "Compute in float32 on this machine.",
        {"train.bf16": False},
    )
