"""The run is far below the device's speed, for a measured reason.

## What it does
Compares the FLOP/s of the trial's steps with those that this device reaches on matrix products of the model's own
shapes, and measures where the rest goes: waiting for the dataloader, and (each as the difference of a forward and
backward pass on the run's own batch, with and without it, in alternation) eager attention, activation checkpointing
although memory is free, float32 on a GPU that computes in bf16, and padding.

## Why is this bad?
The same training takes, and costs, several times as much as necessary.

## Example
```yaml
model:
  attention: eager
train:
  activation_checkpointing: true      # with 60 GB free
```

## Use instead
Change what was measured, and check again.

```yaml
model:
  attention: sdpa
train:
  activation_checkpointing: false
```

## References
- [PaLM](https://arxiv.org/abs/2204.02311), [Llama 3](https://arxiv.org/abs/2407.21783): utilisation of large runs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.forecast.forecast import Forecast
    from sanetune.probes.results import Throughput

FIX = "sometimes"

LIMITS = {
    "share": Limit(
        0.5,
        "well-kept training reaches 35 to 60 % of the published peak (PaLM 46 %, arXiv:2204.02311; Llama 3 38 to 43 %,"
        " arXiv:2407.21783), and products of a model's shapes reach 60 to 80 % of it",
    ),
    "saves": Limit(0.2, "activation checkpointing, the mildest of these, costs about a fifth"),
}


def measure(forecast: Forecast, throughput: Throughput) -> Measurement:
    tried = [
        {"name": one.name, "saves": one.saved_share, "sure": one.certain}
        | {"now": min(one.planned), "other": min(one.switched), "fix": one.fix, "todo": one.remedy}
        for one in throughput.switches
    ]
    return Measurement(
        {
            "matmul_share": forecast.matmul_share,
            "mfu": forecast.mfu,
            "operations_per_second": forecast.flops_per_second,
            "matmul": forecast.matmul_flops_per_second,
            "peak": forecast.peak_flops,
            "tokens_per_second": forecast.tokens_per_second,
            "loss_tokens_per_second": forecast.loss_tokens_per_second,
            "padding_share": forecast.padding_share,
            "wait_share": forecast.dataloader_wait_share,
            "workers": throughput.dataloader_workers,
            "device": forecast.measured_on,
            "tried": tried,
        }
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    """Slow alone is no finding: on a small model the overhead of each step weighs most, which nobody can change."""
    n = measured.numbers
    reasons, remedy, fix = _reasons(n, limits)
    message = _speed(n)
    if not reasons:
        return passed(f"{message}; nothing that was tried would save {units.share(limits['saves'])} of a step")
    message += f". Measured: {'; '.join(reasons)}"
    if (n["matmul_share"] or 0.0) >= limits["share"]:
        return passed(message)
    return warned(message, remedy, fix)


def _speed(n: dict[str, Any]) -> str:
    message = f"Steps make {n['tokens_per_second']:,.0f} useful tokens per second on {n['device']}"
    if n["matmul_share"] is not None:
        message += f", {units.share(n['matmul_share'])} of what it reaches on products of the model's own matrices"
    if n["mfu"] is not None:
        message += f" and {units.share(n['mfu'])} of its published peak (MFU)"
    return message


def _reasons(n: dict[str, Any], limits: Limits) -> tuple[list[str], str, dict[str, Any]]:
    """What was measured to take the time, in words; what to do; and the values that do it."""
    reasons: list[str] = []
    remedy: list[str] = []
    fix: dict[str, Any] = {}
    for one in n["tried"]:
        if one["saves"] < limits["saves"] or not one["sure"]:
            continue
        reasons.append(
            f"{one['name']}, without which a pass takes {units.seconds(one['other'])} instead of"
            f" {units.seconds(one['now'])}"
        )
        remedy += [f"Set {key}: {_as_yaml(value)}." for key, value in one["fix"].items()] or [one["todo"]]
        fix |= one["fix"]
    if n["wait_share"] >= limits["saves"]:
        reasons.append(f"{units.share(n['wait_share'])} of each step is spent waiting for the loader")
        remedy.append(f"Raise train.dataloader_num_workers, which is {n['workers']}.")
    return reasons, " ".join(remedy), fix


def _as_yaml(value: Any) -> str:
    """A value as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
