"""Proofs as a report has them: a sound trial, one that went wrong, and correction rounds."""

from __future__ import annotations

import math
from typing import Any

from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.fixer import Change, Round
from tests.report import sample


def curve(rate: float = 2e-4, *, steps: int = 200, end: float = 2.1, swing: float = 0.05) -> dict[str, Any]:
    """A trial from loss 3.4 to ``end``; its noise is the same each time."""

    def at(step: int) -> float:
        return end + (3.4 - end) * math.exp(-step / 40)

    numbers = list(range(1, steps + 1))
    return {
        "steps": numbers,
        "losses": [at(step) + swing * math.sin(step * step) for step in numbers],
        "rates": [rate * min(1.0, step / 20) for step in numbers],
        "grad_norms": [1.0 + 4 * math.exp(-step / 15) + 0.2 * math.sin(step * 7) for step in numbers],
        "held": [[step, at(step)] for step in range(0, steps + 1, 50)],
        "probe": [[step, at(step) - 0.1] for step in range(0, steps + 1, 10)],
        "weight_norms": [[0, 12.0], [steps, 12.5]],
        "total_steps": 1_200,
        "planned_rate": rate,
    }


def answer(text: str, *, ended: bool = True, tokens: int = 12, note: str = "") -> dict[str, Any]:
    return {"text": text, "ended": ended, "tokens": tokens, "note": note}


def samples(text: str = sample.EVIL) -> dict[str, Any]:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    return {
        "steps": 200,
        "max_new_tokens": 64,
        "samples": [
            {
                "messages": asked,
                "reference": "Your parcel left Hamburg on Monday.",
                "base": answer(f"and on and on {text}", ended=False, tokens=64),
                "tuned": answer("Your parcel left on Monday.\n\nBest regards"),
                "split": "validation",
                "number": 3,
            },
            {
                "messages": [{"role": "user", "content": "Who are you?"}],
                "reference": None,
                "base": answer("", ended=True, tokens=1),
                "tuned": answer("", note="the prompt is longer than the context"),
                "split": None,
                "number": None,
            },
        ],
    }


def forecast() -> dict[str, Any]:
    def between(low: float, middle: float, high: float) -> dict[str, float]:
        return {"low": low, "middle": middle, "high": high}

    return {
        "steps": 1_200, "steps_per_epoch": 400, "seconds_per_step": between(1.1, 1.2, 1.4), "measured_steps": 197,
        "looks": 25, "look_seconds": 4.0, "savings": 3, "saving_seconds": 2.0, "final_seconds": 3.0,
        "checkpoint_bytes": 3_000_000_000, "write": 1.5e9, "hours": between(0.4, 0.43, 0.5), "devices": 1,
        "paid_devices": 1, "price": 2.0, "usd": between(0.8, 0.86, 1.0), "tokens_per_second": 9_000.0,
        "loss_tokens_per_second": 4_000.0, "padding_share": 0.05, "wait_share": 0.01, "operations_per_token": 8e8,
        "operations": 7e12, "matmul": 2e13, "peak": None, "source": "", "dtype": "bfloat16", "measured_on": "a device",
        "measured_devices": 1, "paid_kind": "", "check_seconds": 90.0, "notes": ["the first epoch reads from disk"],
    }  # fmt: skip


def overfit() -> dict[str, Any]:
    def losses(end: float, steps: int = 50) -> list[float]:
        return [end + (3.4 - end) * math.exp(-step / 8) for step in range(steps + 1)]

    def reply(same: bool) -> dict[str, Any]:
        written = "Soon.<|im_end|>" if same else "Soon soon <b>soon</b>"
        return {
            "prompt": "When?", "expected": "Soon.<|im_end|>", "written": written, "same": same,
            "agreed": 2 if same else 1, "wanted": 2, "ended": same,
        }  # fmt: skip

    return {
        "examples": 20,
        "loss_tokens": 812,
        "wanted": 0.1,
        "tries": [{"rate": 1e-3, "losses": losses(0.4)}, {"rate": 3e-3, "losses": losses(0.02, 30)}],
        "planned": {"rate": 2e-4, "losses": losses(1.1)},
        "replies": [reply(True)] * 19 + [reply(False)],
    }


def branches() -> dict[str, Any]:
    rates = {6.67e-5: 2.61, 2e-4: 2.44, 6e-4: 2.31, 1.8e-3: "NaN"}
    return {
        "planned": 2e-4,
        "steps": 40,
        "start_loss": 3.4,
        "branches": [{"rate": rate, "losses": [3.4, 3.1], "held_loss": loss} for rate, loss in rates.items()],
    }


def trial(**changed: Any) -> dict[str, Any]:
    return {"wanted": 200, "done": 200, "stopped": "", "held_from": "validation", "curve": curve()} | changed


def full() -> dict[str, Any]:
    """Everything, sound."""
    return {
        "overfit": overfit(),
        "branches": branches(),
        "trial": trial(),
        "samples": samples(),
        "forecast": forecast(),
    }


def diverged() -> dict[str, Any]:
    """A trial that climbs and then has no loss any more."""
    wrong = curve(2e-2, steps=90, end=40.0)
    wrong["losses"][60:] = ["NaN"] * 30
    wrong["grad_norms"][50:61] = [900.0] * 10 + ["Infinity"]
    wrong["held"] = [[0, 3.4], [50, 812.0]]
    return trial(done=90, stopped="the loss is not a number", curve=wrong)


def rounds(text: str = "The rate 0.02 is 100 times the critical one.") -> list[Round]:
    """Two corrections and a clear end; the second change leaves the trial as it was."""
    found = Finding("curve-diverged", Verdict.FAIL, text)
    first, last = Report([found], "trial", proof={"trial": diverged()}), Report([], "trial", proof={"trial": trial()})
    return [
        Round(first, [Change("train.learning_rate", 2e-2, 2e-4, "curve-diverged", text)]),
        Round(last, [Change("train.save_steps", None, 100, "config-best-unreachable", text)]),
        Round(last),
    ]
