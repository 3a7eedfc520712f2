"""Trials of settings: what does not fit or computes something else is not chosen, and what wins has to win again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanetune.config.load import load
from sanetune.data.prepare import Prepared, prepare
from sanetune.errors import ConfigError
from sanetune.planning.plan import Plan, plan
from sanetune.planning.step_settings import StepSettings
from sanetune.probes.results.step_speed import StepSpeed
from sanetune.workflows.measuring.measure import chosen_of, measure_plan
from sanetune.workflows.measuring.trials import StepTrials

DEMO = Path(__file__).resolve().parents[3] / "sanetune/demo"
PRESENT = StepSettings(4, 2)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("trials") / "c.yaml"
    file.write_text(
        f"model:\n  name: {DEMO / 'model'}\ndata:\n  train: {DEMO / 'data/train.jsonl'}\n"
        "  holdout: 0.1\n  max_examples: 160\n"
        "train:\n  use_cpu: true\n  per_device_train_batch_size: 4\n  gradient_accumulation_steps: 2\n"
    )
    return file


@pytest.fixture(scope="module")
def ready(file: Path) -> tuple[Prepared, Plan]:
    config = load(file)
    prepared = prepare(config)
    return prepared, plan(config, prepared)


class Machine:
    """Steps that are not made: seconds and losses by settings, counted."""

    def __init__(self, seconds: dict[StepSettings, list[float]], losses: dict[StepSettings, float]) -> None:
        self.seconds, self.losses, self.made = seconds, losses, []

    def __call__(self, planned: Plan, prepared: Prepared, name: str) -> StepSpeed:
        settings = StepSettings.of(planned.config)
        self.made.append(settings)
        turns = self.seconds.get(settings, [10.0])
        turn = min(self.made.count(settings), len(turns)) - 1
        if turns[turn] == 0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return StepSpeed([turns[turn]], [100], [self.losses.get(settings, 2.0)], 1)


def trials(
    file: Path,
    ready: tuple[Prepared, Plan],
    seconds: dict[StepSettings, list[float]],
    losses: dict[StepSettings, float] | None = None,
    forecast: dict[StepSettings, int] | None = None,
) -> tuple[StepTrials, Machine]:
    machine, bytes_ = Machine(seconds, losses or {}), forecast or {}
    sizes = lambda planned, prepared: bytes_.get(StepSettings.of(planned.config), 1)  # noqa: E731
    return StepTrials(load(file), {False: ready[0]}, ready[1], 1000, machine, sizes), machine


def test_the_faster_one_is_chosen_when_it_is_faster_twice(file: Path, ready: tuple[Prepared, Plan]) -> None:
    made, machine = trials(file, ready, {PRESENT.divided(8): [5.0, 6.0]})
    chosen, reason = chosen_of(made, PRESENT, {"train.packing"})
    assert chosen == PRESENT.divided(8) and "1.67 times the" in reason
    assert machine.made.count(PRESENT) == machine.made.count(chosen) == 2


def test_what_was_fast_once_only_is_not_chosen(file: Path, ready: tuple[Prepared, Plan]) -> None:
    made, _ = trials(file, ready, {PRESENT.divided(8): [5.0, 9.9]})
    chosen, reason = chosen_of(made, PRESENT, {"train.packing"})
    assert chosen == PRESENT and "not confirmed" in reason


def test_memory_that_does_not_suffice_ends_a_candidate_alone(file: Path, ready: tuple[Prepared, Plan]) -> None:
    made, _ = trials(file, ready, {PRESENT.divided(8): [0.0], replace(PRESENT, bf16=True): [5.0]})
    chosen, _ = chosen_of(made, PRESENT, {"train.packing"})
    assert chosen == replace(PRESENT, bf16=True)
    failed = made.speed(PRESENT.divided(8)), made.candidates[PRESENT.divided(8)]
    assert failed[0] is None and failed[1].obstacle == "does not fit in memory" and not failed[1].fits


def test_a_run_that_does_not_fit_gets_settings_that_do(file: Path, ready: tuple[Prepared, Plan]) -> None:
    made, _ = trials(file, ready, {PRESENT: [0.0], replace(PRESENT, checkpointing=True): [0.0]})
    chosen, reason = chosen_of(made, PRESENT, {"train.packing", "train.bf16"})
    assert chosen == PRESENT.divided(2) and "does not fit" in reason


def test_what_is_forecast_not_to_fit_makes_no_step(file: Path, ready: tuple[Prepared, Plan]) -> None:
    large = PRESENT.divided(8)
    made, machine = trials(file, ready, {large: [1.0]}, forecast={large: 901})
    chosen, _ = chosen_of(made, PRESENT, {"train.packing"})
    assert chosen == PRESENT and large not in machine.made
    assert made.candidates[large].obstacle == "not tried: 901 B are forecast, and there are 1000 B"


@pytest.mark.parametrize(("loss", "wins"), [(2.015, True), (2.03, False), (float("nan"), False)])
def test_bf16_is_chosen_only_where_its_loss_agrees(
    file: Path, ready: tuple[Prepared, Plan], loss: float, wins: bool
) -> None:
    fast = replace(PRESENT, bf16=True)
    made, _ = trials(file, ready, {fast: [5.0]}, {fast: loss})
    chosen, _ = chosen_of(made, PRESENT, {"train.packing"})
    assert (chosen == fast) == wins


def test_packs_hold_as_many_tokens_or_are_not_tried(file: Path, ready: tuple[Prepared, Plan]) -> None:
    made, _ = trials(file, ready, {})
    mean = ready[0].stats["train"]["tokens"] / ready[0].count("train")
    packs = made.other_packing(StepSettings(8, 8))
    assert packs is not None and packs.packing
    planned = made.planned(packs)
    assert packs.examples * planned.sizes.data.mean_tokens == pytest.approx(64 * mean, rel=0.05)
    assert made.other_packing(StepSettings(1, 1)) is None and "effective batch" in made.notes[-1]


def test_a_model_that_processes_share_is_not_measured(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"train\.fsdp divides the model"):
        measure_plan(load(file, ("train.fsdp=true",)))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="this launch has 2"):
        measure_plan(load(file))
