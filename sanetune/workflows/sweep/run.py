"""A whole sweep: its trials, made or read from the folder, and what they show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sanetune.atomic import write_json
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.curves.series import Evaluation
from sanetune.errors import ConfigError
from sanetune.events import Publish, SweepTrialMade, silent
from sanetune.planning.defaults import method_of
from sanetune.typed_json import from_json, to_json
from sanetune.workflows.sweep.in_effect import said_of_methods
from sanetune.workflows.sweep.lr_prior import LearningRatePrior, prior_of
from sanetune.workflows.sweep.result import Sweep, SweepTrial
from sanetune.workflows.sweep.search import Search, pruner, search_of
from sanetune.workflows.sweep.space import ADAPTER, LR, Changes, Parameter, Space, adapter_settings, read_space
from sanetune.workflows.sweep.store import PROBE, RESULT, START, TrialStore
from sanetune.workflows.sweep.trial import Bench, PlannedTrial, never
from sanetune.workflows.sweep.workers import gpus, made_beside, made_in_turn

TRIALS = 8
"""Trials of a search, unless it is said how many."""


@dataclass(frozen=True, slots=True)
class _Probe:
    """The critical learning rate of a configuration (its key), and what finding it took, in optimizer steps."""

    key: str
    critical: float | None
    steps: float


@dataclass(slots=True)
class _Trials:
    """The trials of a sweep in the order in which they are planned, and what is to be said of them."""

    bench: Bench
    store: TrialStore
    publish: Publish
    total: int
    made: list[SweepTrial] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def keep(self, trial: SweepTrial, *, made_now: bool) -> None:
        """Keep a trial that was made, or read."""
        if made_now:
            self.store.add(trial)
        self.made.append(trial)
        self.publish(SweepTrialMade(trial, len(self.made), self.total, made_now))

    def listed(self, planned: Sequence[PlannedTrial]) -> list[PlannedTrial]:
        """Keep those of ``planned`` that were made before, and return the others."""
        missing = []
        for one in planned:
            if (found := self.store.get(one.key)) is not None:
                self.keep(found, made_now=False)
            else:
                missing.append(one)
        return missing


def sweep(
    config: Config,
    words: Sequence[str] = (),
    *,
    trial_steps: int | None = None,
    trials: int | None = None,
    jobs: int | None = None,
    out: Path | None = None,
    publish: Publish = silent,
) -> Sweep:
    """Make the trials of a sweep, and compare them; see :func:`sanetune.api.sweep`.

    Args:
        config: The configuration.
        words: What varies (:func:`sanetune.workflows.sweep.space.read_space`).
        trial_steps: Optimizer steps of a trial; None: ``check.trial_steps``.
        trials: Number of trials of a search; None: :data:`TRIALS`.
        jobs: Number of processes, which share the GPUs where they are fewer; None: one for each GPU.
        out: Folder of the sweep; None: beside that of the run.
        publish: Gets each trial when it is there.
    """
    from sanetune.data.prepare import prepare

    space = _with_lr(read_space(words))
    settings = load(config, list(space.fixed))
    lr_of = None if LR in space.keys else method_of(config)
    prepared, steps = prepare(settings, publish=publish), trial_steps or settings.check.trial_steps
    bench = Bench(settings, prepared, steps, publish, lr_of=lr_of)
    whole = bench.planned({})
    folder = out or Path(f"{whole.plan.config.run.output_dir}-sweep")
    store = TrialStore(folder)
    _read_start(bench, folder, whole.key)
    jobs = jobs or max(1, len(gpus(settings)))
    if space.searched:
        count = trials or TRIALS
        prior, critical, probe_steps = _prior(bench, space, folder, whole.key)
        found = _searched(bench, store, search_of(space, prior, _seed(whole), bench.in_effect), count, jobs, publish)
    else:
        if trials is not None:
            raise ConfigError(
                "--trials says how many trials a search makes, and all values are listed.",
                "Every combination of listed values is a trial.",
                "Leave --trials out, or give a range: learning_rate=1e-6..1e-3",
            )
        critical, probe_steps = None, 0.0
        found = _gridded(bench, store, space, jobs, publish)
    if bench.start is None:
        bench.measure_start()
    assert bench.start is not None
    write_json(folder / START, {"key": whole.key, "split": bench.split, "start": to_json(bench.start)})
    every = [] if _searched_lr(space) else [one.changes for one in found.made]
    notes = [
        *_made_lora(config, space), *said_of_methods(settings, every, lr_of, whole.plan.sizes.model), *bench.notes,
        *found.notes, *_notes(found.made, whole),
    ]  # fmt: skip
    result = Sweep(
        found.made, bench.start, whole.steps, whole.plan.steps.total_steps, bench.split, str(folder),
        list(space.fixed), critical, probe_steps, notes,
    )  # fmt: skip
    write_json(folder / RESULT, result.to_json())
    return result


def _with_lr(space: Space) -> Space:
    """``space``, or a search of the learning rate where it holds nothing that varies."""
    if space.parameters:
        return space
    if any(one.startswith(f"{LR}=") for one in space.fixed):
        raise ConfigError(
            "Nothing varies: each name has one value.",
            "A sweep compares trials that differ.",
            "Give several values, as in learning_rate=1e-5,5e-5",
        )
    return Space((Parameter(LR),), space.fixed)


def _gridded(bench: Bench, store: TrialStore, space: Space, jobs: int, publish: Publish) -> _Trials:
    planned = [bench.planned(changes) for changes in space.grid()]
    unique = list({one.key: one for one in planned}.values())
    trials = _Trials(bench, store, publish, len(unique))
    missing = trials.listed(unique)

    def upcoming(pending: list[Changes]) -> tuple[PlannedTrial, list[SweepTrial]] | None:
        return (missing.pop(0), []) if missing else None

    if jobs == 1:
        for trial in made_in_turn(bench, upcoming, lambda made, steps: never):
            trials.keep(trial, made_now=True)
    elif missing:
        for trial in made_beside(bench, upcoming, min(jobs, len(missing)), prunes=False):
            trials.keep(trial, made_now=True)
    order = [one.key for one in unique]
    trials.made.sort(key=lambda one: order.index(one.key))
    return trials


def _searched(bench: Bench, store: TrialStore, search: Search, count: int, jobs: int, publish: Publish) -> _Trials:
    trials = _Trials(bench, store, publish, count)

    def upcoming(pending: list[Changes]) -> tuple[PlannedTrial, list[SweepTrial]] | None:
        while len(trials.made) + len(pending) < count:
            changes = search.ask(trials.made, pending)
            if changes is None:
                return None
            planned = bench.planned(changes)
            if (found := store.get(planned.key)) is None:
                return planned, list(trials.made)
            trials.keep(found, made_now=False)
        return None

    if jobs == 1:
        for trial in made_in_turn(bench, upcoming, pruner):
            trials.keep(trial, made_now=True)
    else:
        for trial in made_beside(bench, upcoming, min(jobs, count), prunes=True):
            trials.keep(trial, made_now=True)
    if len(trials.made) < count:
        trials.notes.append(f"The search ended after {len(trials.made)} of {count} trials: {search.end}.")
    return trials


def _prior(bench: Bench, space: Space, folder: Path, key: str) -> tuple[LearningRatePrior | None, float | None, float]:
    """Where the best learning rate is expected, the critical one, and the steps that measuring it took."""
    searched = _searched_lr(space)
    if searched is None:
        return None, None, 0.0
    file = folder / PROBE
    kept = _read(file)
    if kept.get("key") == key:
        probe = from_json(_Probe, kept)
    else:
        probe = _Probe(key, *bench.critical({}))
        write_json(file, to_json(probe))
    critical = probe.critical
    if critical is None and searched.low is None:
        raise ConfigError(
            "The critical learning rate cannot be found: no step changes the loss.",
            "learning_rate=auto searches around it.",
            "Give a range, as in learning_rate=1e-6..1e-3",
        )
    planned = bench.planned({}).plan
    adapter = planned.config.model.adapter is not None or any(one.key.startswith(ADAPTER) for one in space.parameters)
    # Without a critical learning rate, the planned one stands where the best is expected.
    basis = critical if critical is not None else planned.steps.learning_rate * 4
    return prior_of(basis, adapter, searched.low, searched.high), critical, probe.steps


def _searched_lr(space: Space) -> Parameter | None:
    """The range of the learning rate; None: it is given, or inferred."""
    return next((one for one in space.parameters if one.key == LR and not one.values), None)


def _read_start(bench: Bench, folder: Path, key: str) -> None:
    kept = _read(folder / START)
    if kept.get("key") == key:
        try:
            bench.start, bench.split = from_json(Evaluation, kept["start"]), str(kept["split"])
        except (ValueError, KeyError):
            bench.start = None


def _read(file: Path) -> dict[str, object]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _seed(whole: PlannedTrial) -> int:
    return int(whole.plan.config.train.value("seed"))


def _made_lora(config: Config, space: Space) -> list[str]:
    """That the trials train an adapter which the configuration does not have, since its settings are given."""
    keys = adapter_settings(space)
    if config.model.adapter is not None or not keys:
        return []
    return [
        f"The configuration trains all weights: {', '.join(keys)} makes LoRA of every trial. Add adapter=none,lora to "
        "compare with full fine-tuning."
    ]


def _notes(made: Sequence[SweepTrial], whole: PlannedTrial) -> list[str]:
    """What a reader of the result should know."""
    notes = []
    if whole.steps < whole.plan.steps.total_steps:
        notes.append(
            f"The trials have {whole.steps:,} of the run's {whole.plan.steps.total_steps:,} steps, with the whole "
            "schedule in them: the best learning rate of a longer run is often lower."
        )
    if len({one.planned_steps for one in made}) > 1:
        notes.append("The trials have different numbers of steps, since the run's own number depends on what changes.")
    return notes
