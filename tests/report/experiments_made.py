"""Experiments as reports show them: a sound trial, one that went wrong, and rounds of a correction."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.engine.answer import Answer
from sanetune.evidence.experiments import Experiments
from sanetune.finding import Finding, Report, Verdict
from sanetune.forecast.forecast import Forecast
from sanetune.forecast.time import Range
from sanetune.gate.fixer import ConfigChange, Round
from sanetune.probes.results import (
    LearningRateComparison,
    LearningRateRun,
    Overfit,
    OverfitAttempt,
    RecitedReply,
    Sample,
    Samples,
    Timing,
    Trial,
)
from tests.report import sample


def curve(lr: float = 2e-4, *, steps: int = 200, end: float = 2.1, swing: float = 0.05) -> Curve:
    """A trial from loss 3.4 to ``end``; its noise is the same each time."""

    def at(step: int) -> float:
        return end + (3.4 - end) * math.exp(-step / 40)

    points = [
        Point(
            step,
            at(step) + swing * math.sin(step * step),
            lr * min(1.0, step / 20),
            1.0 + 4 * math.exp(-step / 15) + 0.2 * math.sin(step * 7),
        )
        for step in range(1, steps + 1)
    ]
    return Curve(
        points,
        [Evaluation.of(step, [4 * at(step), 6 * at(step)], [4, 6]) for step in range(0, steps + 1, 50)],
        [Evaluation(step, at(step) - 0.1) for step in range(0, steps + 1, 10)],
        [(0, 12.0), (steps, 12.5)],
        total_steps=1_200,
        planned_lr=lr,
    )


def samples(text: str = sample.EVIL) -> Samples:
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    base = Answer(f"and on and on {text}", False, 64)
    tuned = Answer("Your parcel left on Monday.\n\nBest regards", True, 12)
    refused = Answer("", True, 12, "the prompt is longer than the context")
    return Samples(
        [
            Sample(asked, "Your parcel left Hamburg on Monday.", base, tuned, "validation", 3),
            Sample([{"role": "user", "content": "Who are you?"}], None, Answer("", True, 1), refused),
        ],
        max_new_tokens=64,
        steps=200,
    )


def forecast(**changed: Any) -> Forecast:
    values: dict[str, Any] = {
        "steps": 1_200,
        "steps_per_epoch": 400,
        "step_seconds": Range(1.1, 1.2, 1.4),
        "measured_steps": 197,
        "evaluations": 25,
        "evaluation_seconds": 4.0,
        "checkpoint_saves": 3,
        "checkpoint_seconds": 2.0,
        "final_save_seconds": 3.0,
        "checkpoint_bytes": 3_000_000_000,
        "disk_bytes_per_second": 1.5e9,
        "hours": Range(0.4, 0.43, 0.5),
        "devices": 1,
        "paid_devices": 1,
        "usd_per_device_hour": 2.0,
        "usd": Range(0.8, 0.86, 1.0),
        "tokens_per_second": 9_000.0,
        "loss_tokens_per_second": 4_000.0,
        "padding_share": 0.05,
        "dataloader_wait_share": 0.01,
        "flops_per_token": 8e8,
        "flops_per_second": 7e12,
        "matmul_flops_per_second": 2e13,
        "peak_flops": None,
        "peak_flops_source": "",
        "dtype": "bfloat16",
        "measured_on": "a device",
        "measured_devices": 1,
        "paid_kind": "",
        "check_seconds": 90.0,
        "notes": ("the first epoch reads from disk",),
    }
    return Forecast(**(values | changed))


def overfit() -> Overfit:
    def losses(end: float, steps: int = 50) -> list[float]:
        return [end + (3.4 - end) * math.exp(-step / 8) for step in range(steps + 1)]

    right = RecitedReply("When?", "Soon.<|im_end|>", "Soon.<|im_end|>", True, 2, 2, True)
    wrong = RecitedReply("When?", "Soon.<|im_end|>", "Soon soon <b>soon</b>", False, 1, 2, False)
    attempts = [OverfitAttempt(1e-3, losses(0.4)), OverfitAttempt(3e-3, losses(0.02, 30))]
    return Overfit(20, 812, 50, 0.1, 2e-3, attempts, OverfitAttempt(2e-4, losses(1.1)), [right] * 19 + [wrong])


def lr_comparison() -> LearningRateComparison:
    losses = {6.67e-5: 2.61, 2e-4: 2.44, 6e-4: 2.31, 1.8e-3: math.nan}
    runs = [LearningRateRun(lr, [3.4, 3.1], Evaluation(40, loss)) for lr, loss in losses.items()]
    return LearningRateComparison(2e-4, 40, Evaluation(0, 3.4), runs)


def trial(**changed: Any) -> Trial:
    return replace(Trial(curve(), Timing(), 200, 200), **changed)


def full() -> Experiments:
    """Everything, sound."""
    return Experiments(overfit(), lr_comparison(), trial(), samples(), forecast=forecast())


def diverged() -> Trial:
    """A trial that climbs and then has no loss any more."""
    climbing = curve(2e-2, steps=90, end=40.0)
    points = [replace(one, loss=math.nan) if one.step > 60 else one for one in climbing.points]
    points[50:60] = [replace(one, grad_norm=900.0) for one in points[50:60]]
    points[60] = replace(points[60], grad_norm=math.inf)
    wrong = replace(climbing, points=points, validation=[Evaluation(0, 3.4), Evaluation(50, 812.0)])
    return trial(steps=90, stopped="the loss is not a number", curve=wrong)


def plain(**parts: Any) -> dict[str, Any]:
    """Parts as a report has them."""
    return Experiments(**parts).to_json()


def rounds(text: str = "The learning rate 0.02 is 100 times the critical one.") -> list[Round]:
    """Two corrections and a clear end; the second change leaves the trial as it was."""
    found = Finding("curve-diverged", Verdict.FAIL, text)
    first = Report([found], "trial", experiments=plain(trial=diverged()))
    last = Report([], "trial", experiments=plain(trial=trial()))
    return [
        Round(first, [ConfigChange("train.learning_rate", 2e-2, 2e-4, "curve-diverged", text)]),
        Round(last, [ConfigChange("train.save_steps", None, 100, "config-best-unreachable", text)]),
        Round(last),
    ]
