"""Plans, trials and machines made by hand, for forecasts whose numbers are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.curves.series import Curve
from sanetune.forecast.disk import StoredSizes
from sanetune.forecast.forecast import Forecast, forecast_of
from sanetune.forecast.machine import MeasuredMachine
from sanetune.planning.plan import Plan, plan_with
from sanetune.probes.device_speed import Work
from sanetune.probes.results import Timing, Trial
from tests.sizes import sizes

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"


def config(**sections: Any) -> Config:
    """A configuration whose sections are these; nothing of it is read."""
    named = {"model": {"name": "m"}, "data": {"train": "d"}, "run": {"output_dir": "/none"}}
    return load({**named, **sections})


def planned(settings: Config, **known: Any) -> Plan:
    """Its plan on 1,000 examples of 100 tokens."""
    usual = {"parameters": 1_000_000, "trainable": 1_000_000, "hidden": 64, "layers": 2, "train_examples": 1_000}
    usual |= {"validation_examples": 100, "mean_tokens": 100.0, "loss_tokens": 40_000}
    return plan_with(settings, sizes(**(usual | known)))


def rows(plan: Plan) -> Any:
    """The prepared rows of such a plan: statistics alone."""
    examples, validation = plan.sizes.data.train_examples, plan.sizes.data.validation_examples
    mean = plan.sizes.data.mean_tokens
    stats = {"train": {"tokens": round(examples * mean), "examples": examples}}
    if validation:
        stats["validation"] = {
            "tokens": round(validation * mean),
            "examples": validation,
            "loss_tokens": round(validation * mean * 0.4),
        }
    return SimpleNamespace(stats=stats, validation=range(validation) if validation else None)


def timing(seconds: float, tokens: int, steps: int = 50, **changed: Any) -> Timing:
    """Steps that all take as long."""
    values: dict[str, Any] = {
        "step_seconds": [seconds] * steps,
        "tokens": [tokens] * steps,
        "loss_tokens": [tokens * 2 // 5] * steps,
        "padded_tokens": [tokens] * steps,
        "dataloader_seconds": [0.0] * steps,
        "evaluation_seconds": 2.0,
        "evaluation_loss_tokens": 2_000,
    }
    return Timing(**(values | changed))


def trial(measured: Timing) -> Trial:
    return Trial(Curve(), measured, planned_steps=len(measured.step_seconds), steps=len(measured.step_seconds))


def machine(**changed: Any) -> MeasuredMachine:
    """A device that reaches 1e12 FLOPs per second, and a disk of 1 GB/s."""
    values: dict[str, Any] = {
        "device": "NVIDIA H100 80GB HBM3",
        "work": Work(0, 1_000_000),
        "stored": StoredSizes(checkpoint=3_000_000_000, final=1_000_000_000),
        "matmul_flops_per_second": 1e12,
        "disk_bytes_per_second": 1e9,
    }
    return MeasuredMachine(**(values | changed))


def forecast(
    settings: Config | None = None, measured: Timing | None = None, check_seconds: float = 60.0, **of_machine: Any
) -> Forecast:
    """The forecast of these; open: 1,000 rows in batches of 10 for three epochs, half a second each."""
    settings = settings or config(train={"per_device_train_batch_size": 10, "gradient_accumulation_steps": 1})
    plan = planned(settings)
    measured = measured or timing(0.5, 1_000)
    return forecast_of(plan, rows(plan), trial(measured), settings, check_seconds, machine(**of_machine))
