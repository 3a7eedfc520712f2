"""Measures the first steps of a run in several ways, and writes the fastest into its file."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from sanetune.config.machine import process_count
from sanetune.errors import ConfigError
from sanetune.events import ChecksEnded, ChecksStarted, Publish, bracket, silent
from sanetune.planning.plan import Plan, plan
from sanetune.planning.step_search import GAIN, fastest
from sanetune.planning.step_settings import SIZE, StepSettings
from sanetune.workflows.measuring.result import Measured
from sanetune.workflows.measuring.trials import StepTrials

if TYPE_CHECKING:
    from pathlib import Path

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.probes.results.step_speed import StepSpeed

FOLLOW = ("num_train_epochs", "learning_rate")
"""Keys of ``train`` whose inferred value may follow from the number of examples: the choice leaves them as they are."""


def measure_plan(config: Config, publish: Publish = silent) -> Measured:
    """Try the settings of a step on the run's own batches and engine, and choose the fastest.

    Values that were given on the command line stay as they are. The effective batch stays the same: in examples, or in
    tokens (to 5 %) where rows become packs. Nothing is written, and the run's weights are not touched.

    Args:
        config: The configuration, as it was loaded.
        publish: Gets the progress.

    Raises:
        ConfigError: The run is divided among processes, or cannot work.
        UserError: The rows or the model cannot be used.
    """
    from sanetune.data.prepare import prepare

    began = time.perf_counter()
    _refuse_several(config)
    prepared = prepare(config, publish=publish)
    present = plan(config, prepared)
    settings, notes = StepSettings.of(present.config), []
    fixed = {key for key in settings.values() if (origin := config.origins.get(key)) and origin.on_command_line}
    if present.config.train.value("fp16"):
        notes.append("bf16 was not tried: the run computes in fp16")
        fixed |= {"train.bf16"}
    if present.sizes.machine.device == "cuda" and not present.sizes.machine.has_bf16:
        notes.append("bf16 was not tried: this GPU does not compute in it")
        fixed |= {"train.bf16"}
    trials = StepTrials(
        config,
        {settings.packing: prepared},
        present,
        _memory(present),
        lambda planned, rows, name: _steps(planned, rows, name, publish),
        _forecast,
    )
    with bracket(publish, ChecksStarted(), ChecksEnded()):
        chosen, reason = chosen_of(trials, settings, fixed)
    return Measured(
        present.sizes.machine.device,
        present.sizes.machine.devices,
        str(config.train.engine),
        settings,
        chosen,
        reason,
        list(trials.candidates.values()),
        _changes(trials, settings, chosen),
        (*notes, *dict.fromkeys(trials.notes)),
        time.perf_counter() - began,
    )


def write(config: Config, measured: Measured) -> Measured:
    """Write the choice into the file behind ``config``, whose comments stay, and return where.

    Raises:
        ConfigError: There is no file.
        RunError: It cannot be written.
    """
    from sanetune.atomic import write_text
    from sanetune.config.yaml_read import read_text
    from sanetune.gate.fixer import ConfigChange, backed_up, with_changes

    file = require_file(config)
    if not measured.changes:
        return measured
    given = config.train.given
    by = f"sanetune plan --measure: {measured.reason}"
    changes = [
        ConfigChange(key, given.get(key.removeprefix("train.")), value, by, measured.reason)
        for key, value in measured.changes.items()
    ]
    before = read_text(file)
    after = with_changes(before, config, changes)
    backup = backed_up(file, before)
    write_text(file, after, "The choice would be lost.", "Make the file and its folder writable.")
    return replace(measured, file=file, backup=backup)


def require_file(config: Config) -> Path:
    """Return the file behind ``config``.

    Raises:
        ConfigError: There is none.
    """
    if config.file is None:
        raise ConfigError("there is no file to write the choice into", "The configuration was made in Python.")
    return config.file


def _refuse_several(config: Config) -> None:
    """What one process measures would be another step than that of a model that several share."""
    from sanetune.engine.isolation import SHARDING_KEYS

    divided = [key for key in SHARDING_KEYS if config.train.given.get(key)]
    if divided:
        raise ConfigError(
            f"train.{divided[0]} divides the model among processes, and --measure makes its steps in one",
            "Memory and time of its step would be others.",
            "Measure without it, or compare the memory with `sanetune plan CONFIG --forecast`.",
            config.place(f"train.{divided[0]}"),
        )
    if process_count() > 1:
        raise ConfigError(
            f"--measure makes its steps in one process, and this launch has {process_count()}.",
            remedy="Run it without a launcher; run.devices says how many devices train together.",
        )


def _memory(present: Plan) -> int:
    """Bytes that a step may take: of the GPU, or what is free on a machine without one."""
    import psutil

    machine = present.sizes.machine
    return machine.memory if machine.device == "cuda" else int(psutil.virtual_memory().available)


def _forecast(planned: Plan, prepared: Prepared) -> int:
    from sanetune.forecast.ahead import shapes
    from sanetune.forecast.memory import memory_of
    from sanetune.forecast.simulated_step import NotSimulatedError, model_on_meta, simulate

    config, machine = planned.config, planned.sizes.machine
    try:
        step = simulate(config, model_on_meta(config), *shapes(config, prepared), machine.device)
    except NotSimulatedError:
        return 0
    return memory_of(config, step, devices=machine.devices).peak


def _steps(planned: Plan, prepared: Prepared, name: str, publish: Publish) -> StepSpeed:
    from sanetune.probes.harness import probe_harness
    from sanetune.probes.step_speed import step_speed

    steps = planned.steps
    with probe_harness(planned.config, prepared) as harness:
        return step_speed(
            harness, name=name, total_steps=steps.total_steps, warmup_steps=steps.warmup_steps, publish=publish
        )


def chosen_of(trials: StepTrials, present: StepSettings, fixed: Collection[str]) -> tuple[StepSettings | None, str]:
    """Return the fastest settings, confirmed by measuring them and the present ones once more, and the reason."""
    best = fastest(present, trials.speed, trials.other_packing, fixed)
    if best is None:
        return None, "no settings fit in memory"
    if trials.speed(present) is None:
        return best, f"the fastest that fits: {trials.candidates[present].obstacle} as it is"
    if best == present:
        return present, f"nothing was {GAIN - 1:.0%} faster"
    first = _ratio(trials, best, present)
    for settings in (best, present):
        trials.again(settings)
    again = _ratio(trials, best, present, -1)
    if again is None or first is None or again < GAIN:
        return present, f"{in_ratio(first)} was not confirmed: {in_ratio(again)} when both were measured again"
    where = trials.present.sizes.machine.device
    return best, f"{in_ratio(min(first, again))} useful tokens per second on this {where}, measured twice"


def _ratio(trials: StepTrials, best: StepSettings, present: StepSettings, turn: int = 0) -> float | None:
    """How many times as fast ``best`` was, the first or the last time."""
    one, other = trials.candidates[best], trials.candidates[present]
    if one.obstacle or not one.speeds or not other.speeds:
        return None
    return one.speeds[turn].tokens_per_second / other.speeds[turn].tokens_per_second


def in_ratio(ratio: float | None) -> str:
    """Return a ratio in words.

    >>> in_ratio(1.7), in_ratio(None)
    ('1.70 times the', 'no step')
    """
    return "no step" if ratio is None else f"{ratio:.2f} times the"


def _changes(trials: StepTrials, present: StepSettings, chosen: StepSettings | None) -> dict[str, int | float | bool]:
    """What the choice changes, and what would follow it and is to stay."""
    if chosen is None or chosen == present:
        return {}
    before = present.values()
    changes: dict[str, int | float | bool] = {
        key: value for key, value in chosen.values().items() if value != before[key]
    }
    if SIZE & set(changes):
        changes |= {key: value for key, value in chosen.values().items() if key in SIZE}
    then, now = trials.planned(chosen).config.train, trials.present.config.train
    changes |= {f"train.{key}": now.value(key) for key in FOLLOW if then.value(key) != now.value(key)}
    return changes
