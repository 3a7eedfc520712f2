"""The forecast against an independent computation, and against a run that really took place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from sanetune.events import Event, RecordLogged, StepFinished, TrainingStarted
from sanetune.forecast.disk import StoredSizes
from sanetune.forecast.forecast import Forecast, forecast_of
from sanetune.forecast.machine import machine_from
from sanetune.probes.device_speed import Work
from sanetune.probes.results import Timing
from tests.forecast import made

TRAIN = {"per_device_train_batch_size": 10, "gradient_accumulation_steps": 1}


def test_every_number_is_that_of_an_independent_computation() -> None:
    settings = made.config(
        train=TRAIN | {"num_train_epochs": 3.0, "eval_steps": 100, "save_steps": 150},
        budget={"devices": 1, "usd_per_device_hour": 2.0},
    )
    found = made.forecast(settings)
    # 1,000 rows / 10 = 100 steps x 3; evaluations at 0, 100, 200 and 300, each of 4,000 tokens in the loss at 1,000 per
    # second; two checkpoints of 3 GB and a model of 1 GB at 1 GB per second.
    seconds = 300 * 0.5 + 4 * 4.0 + 2 * 3.0 + 1.0
    assert found.steps == 300
    assert found.seconds.middle == pytest.approx(seconds)
    assert found.seconds.low == pytest.approx(seconds) and found.seconds.high == pytest.approx(seconds)
    assert found.usd is not None and found.usd.middle == pytest.approx(seconds / 3600 * 2)
    assert (found.evaluation_share, found.save_share) == pytest.approx((16 / seconds, 7 / seconds))
    assert (found.tokens_per_second, found.loss_tokens_per_second) == pytest.approx((2_000, 800))
    assert found.flops_per_second == pytest.approx(2_000 * 6 * 1_000_000)
    assert found.matmul_share == pytest.approx(0.012)
    assert found.check_share == pytest.approx(60 / seconds)
    assert found.mfu is None and not found.notes


def test_the_check_of_a_large_run_costs_a_small_share_of_its_run() -> None:
    """15,000 rows on eight devices for 18 hours; twelve minutes on one of them."""
    settings = made.config(
        train={
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 8,
            "num_train_epochs": 3.0,
            "eval_strategy": "no",
            "save_strategy": "no",
        },
        run={"output_dir": "/none", "devices": 8},
        budget={"devices": "8 x A100", "usd_per_device_hour": 16.67, "max_usd": 2_500},
    )
    plan = made.planned(settings, train_examples=15_000, mean_tokens=900.0, devices=8, parameters=13_000_000_000)
    assert plan.steps.total_steps == 705
    a_step = 18 * 3600 / 705
    measured = made.timing(a_step, 8 * 900, steps=200, evaluation_seconds=0.0, evaluation_loss_tokens=0)
    a100 = made.machine(device="NVIDIA A100-SXM4-80GB", stored=StoredSizes(0, 0), work=Work(13_000_000_000, 60_000_000))
    found = forecast_of(plan, made.rows(plan), made.trial(measured), settings, 12 * 60, a100)
    assert found.hours.middle == pytest.approx(18, rel=0.01)
    assert found.usd is not None and found.usd.middle == pytest.approx(2_400, rel=0.01)
    assert found.check_share == pytest.approx(720 / (18 * 3600 * 8), rel=0.01)
    assert found.check_share < 0.01
    assert any("exchange gradients" in note for note in found.notes)


def test_devices_that_are_paid_for_share_the_work_where_their_number_is_unset() -> None:
    one = made.forecast(made.config(train=TRAIN | {"max_steps": 100}))
    eight = made.forecast(made.config(train=TRAIN | {"max_steps": 100}, budget={"devices": 8}))
    assert eight.devices == eight.paid_devices == 8
    assert eight.step_seconds.middle == pytest.approx(one.step_seconds.middle / 8)
    assert eight.evaluation_seconds == pytest.approx(one.evaluation_seconds / 8)
    assert eight.tokens_per_second == pytest.approx(one.tokens_per_second * 8)
    assert len(eight.notes) == 2


def test_devices_that_are_paid_for_and_do_not_train_cost_all_the_same() -> None:
    settings = made.config(
        train=TRAIN, run={"output_dir": "/none", "devices": 1}, budget={"devices": 8, "usd_per_device_hour": 1.0}
    )
    found = made.forecast(settings)
    assert (found.devices, found.paid_devices) == (1, 8)
    assert found.usd is not None and found.usd.middle == pytest.approx(8 * found.hours.middle)


def test_another_kind_of_device_than_was_measured_is_said() -> None:
    budget = {"devices": "1 x H100", "usd_per_device_hour": 1.0}
    settings = made.config(train=TRAIN, budget=budget)
    assert made.forecast(settings).comparable
    found = made.forecast(settings, device="cpu")
    assert not found.comparable
    assert "measured on cpu, but H100 is paid for" in found.notes[-1]


def test_what_was_not_measured_is_said() -> None:
    measured = made.timing(0.5, 8_000, evaluation_seconds=0.0, evaluation_loss_tokens=0)
    found = made.forecast(measured=measured, disk_bytes_per_second=None, matmul_flops_per_second=None)
    words = " ".join(found.notes)
    assert "has 8,000 tokens, one of the run 1,000" in words
    assert "no evaluation was measured" in words
    assert "the disk was not measured" in words
    assert found.save_share == 0 and found.matmul_share is None


def test_steps_within_a_budget_are_those_with_which_the_forecast_keeps_it() -> None:
    for hours in (0.03, 0.04, 0.05):
        steps = made.forecast().steps_within(hours)
        fits = made.forecast(made.config(train=TRAIN | {"max_steps": steps, "eval_steps": 10**6, "save_steps": 10**6}))
        assert fits.hours.high <= hours
    assert made.forecast().steps_within(0.0001) == 0


def test_a_plan_alone_tells_sizes() -> None:
    plan = made.planned(made.config(train=TRAIN, model={"name": "m", "adapter": "lora"}), trainable=10_000)
    machine = machine_from(plan)
    assert machine.work == Work(990_000, 10_000, 2, 64)
    assert machine.stored.checkpoint == 3 * 4 * 10_000
    assert machine.stored.final == 4 * 1_010_000


class Clock:
    """When each step and each evaluation ended."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, float]] = []

    def __call__(self, event: Event) -> None:
        match event:
            case TrainingStarted():
                self.marks.append(("start", time.perf_counter()))
            case StepFinished():
                self.marks.append(("step", time.perf_counter()))
            case RecordLogged(record) if record.kind == "validation":
                self.marks.append(("evaluation", time.perf_counter()))

    def of(self, kind: str) -> list[float]:
        return [
            now - before for (_, before), (name, now) in zip(self.marks, self.marks[1:], strict=False) if name == kind
        ]


def test_a_run_takes_about_as_long_as_was_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    """The trial is the first 20 of 60 steps and the first evaluation."""
    from sanetune.data.prepare import prepare
    from sanetune.forecast.machine import machine_of
    from sanetune.planning.plan import plan
    from sanetune.probes.harness import probe_harness
    from sanetune.runs import Run
    from tests.engine.running import train

    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    settings: Any = made.config(
        model={"name": str(made.DEMO / "model")},
        data={"train": str(made.DEMO / "data/train.jsonl"), "max_examples": 200},
        train={"use_cpu": True, "max_steps": 60, "eval_steps": 30, "save_steps": 30, "logging_steps": 1}
        | {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1},
        run={"output_dir": str(tmp_path / "run"), "trackers": []},
    )
    prepared = prepare(settings)
    planned = plan(settings, prepared)
    with probe_harness(planned.config, prepared) as harness:
        machine = machine_of(harness)
    clock = Clock()
    outcome = train(planned.config, prepared, Run.create(tmp_path / "run"), clock)
    seen = [record.tokens or 0 for record in outcome.records if record.kind == "train"]
    tokens = [now - before for before, now in zip([0, *seen], seen, strict=False)]
    loss_tokens = int(prepared.stats["validation"]["loss_tokens"])
    evaluations = clock.of("evaluation")
    measured = Timing(
        clock.of("step")[:20], tokens[:20], [1] * 20, tokens[:20], [0.0] * 20, evaluations[0], loss_tokens
    )
    found: Forecast = forecast_of(planned, prepared, made.trial(measured), settings, 1.0, machine)
    assert found.evaluations == len(evaluations)
    assert found.checkpoint_saves == len(list((tmp_path / "run").glob("checkpoints/checkpoint-*")))
    assert 0.5 < found.seconds.middle / outcome.seconds < 2
    assert found.matmul_share is not None and 0 < found.matmul_share < 1.2
    assert found.checkpoint_bytes == pytest.approx(
        sum(file.stat().st_size for file in (tmp_path / "run/checkpoints/checkpoint-60").glob("*.*[tr]*")), rel=0.3
    )
    assert found.measured_on == "cpu"
