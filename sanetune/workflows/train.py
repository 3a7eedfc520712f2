"""One run, from its configuration to the finished folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.atomic import write_text
from sanetune.config import yaml_edit
from sanetune.config.schema import Config
from sanetune.data.prepare import Prepared, prepare
from sanetune.events import Note, Publish, RunFinished, RunStarted, RunStopped, silent, to_all
from sanetune.finding import GateError
from sanetune.planning.plan import Plan, plan
from sanetune.run_lock import locked, refuse_second
from sanetune.runs import Run
from sanetune.workflows.run_state import StateFile

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.engine.base import Outcome
    from sanetune.engine.hooks import Hooks
    from sanetune.gate.clearance import Clearance
    from sanetune.probes.forgetting import BaseRecord
    from sanetune.probes.prompts import Prompts
    from sanetune.probes.results.comparison import Comparison
    from sanetune.probes.samples import ModelAnswers


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run.

    Attributes:
        run: Its folder.
        plan: What it was to do.
        outcome: How training ended.
        comparison: Both models side by side; None beside the main process.
        clearance: With which it started; None: no gate was asked.
    """

    run: Run
    plan: Plan
    outcome: Outcome
    comparison: Comparison | None
    clearance: Clearance | None = None

    def __repr__(self) -> str:
        loss = self.outcome.validation_loss
        measured = "" if loss is None else f", validation loss {loss:.4f}"
        return f"<Trained {self.run.name}: {self.outcome.steps:,} steps{measured}, in {self.run.path}>"


Gate = Callable[[Plan, Prepared, Publish], "Clearance"]
"""Clears a planned run, or raises."""


def train(
    config: Config,
    *,
    resume: bool = False,
    publish: Publish = silent,
    gate: Gate | None = None,
    hooks: Hooks | None = None,
) -> Trained:
    """Prepare, plan, clear and train the run that ``config`` describes; see :func:`sanetune.api.train`.

    Args:
        config: The configuration, loaded.
        resume: Whether to go on from the last complete checkpoint.
        publish: Gets all events, on the main process.
        gate: Clears the run before it starts; None: nothing is asked, and the run has no clearance.
        hooks: Functions of the user's own in the loop.

    Raises:
        RunError: Another process is training in the run's folder.
    """
    from sanetune.engine.distributed import processes

    state = processes(config)
    main = state.is_main_process
    state_file = StateFile()
    publish = to_all(state_file, publish, state_file.finish) if main else silent
    prepared, planned = _planned(config, publish, devices=state.num_processes, resume=resume)
    clearance = gate(planned, prepared, publish) if gate is not None else None
    assert planned.config.run.output_dir is not None
    run = Run(planned.config.run.output_dir)
    with locked(run.path) if main else nullcontext():
        if main:
            Run.create(run.path, resume=resume)
            clearance = _store(run, clearance)
        publish(RunStarted(run, planned, prepared, clearance))
        try:
            outcome, comparison = _Fit(planned, prepared, run, clearance, publish, main, resume).fit(hooks)
        except BaseException as error:
            publish(RunStopped(run, error))
            raise
        result = Trained(run, planned, outcome, comparison, clearance)
        publish(RunFinished(result))
    return result


def _planned(config: Config, publish: Publish, *, devices: int, resume: bool) -> tuple[Prepared, Plan]:
    """The rows and the plan; what can be refused without them is refused before they are prepared."""
    from sanetune.data.model_files import locate
    from sanetune.engine import trackers
    from sanetune.evidence.processes import once_per_machine
    from sanetune.workflows.inputs import require_inputs
    from sanetune.workflows.resume import require_resumable, require_unfinished
    from sanetune.workflows.together import require_all_devices

    if config.run.output_dir is not None:
        refuse_second(Path(config.run.output_dir))  # all processes of a launch ask before the main one of them holds it
    if resume and config.run.output_dir is not None:
        for skipped in require_resumable(Run(config.run.output_dir), config).notes:
            publish(Note(skipped))
    require_inputs(config)
    trackers.used(config)
    # Before the data: preparing it can take long, and is in vain without a model.
    locate(config.model.name, config.model.revision)
    prepared = once_per_machine(lambda: prepare(config, publish=publish))
    planned = plan(config, prepared)
    require_all_devices(config, devices)
    if resume and planned.config.run.output_dir is not None:
        require_unfinished(Run(planned.config.run.output_dir), planned.steps.total_steps)
    return prepared, planned


@dataclass(frozen=True, slots=True)
class _Fit:
    """What is between a run's clearance and its end; all processes enter."""

    planned: Plan
    prepared: Prepared
    run: Run
    clearance: Clearance | None
    publish: Publish
    main: bool
    """Whether this is the process that asks the base, follows the curve and compares."""
    resume: bool

    def fit(self, hooks: Hooks | None) -> tuple[Outcome, Comparison | None]:
        """Ask the base, train, and compare both models.

        Raises:
            GateError: The watch has stopped the run.
        """
        from sanetune.engine.registry import engine_of
        from sanetune.engine.watcher import StoppedByWatcherError
        from sanetune.workflows.watch import RunWatch

        planned, prepared, run, publish = self.planned, self.prepared, self.run, self.publish
        base = _Base(planned, prepared, run)
        if self.main:
            base.ask(resume=self.resume)
            _write_start(run, planned, prepared)
        engine = engine_of(planned.config)
        session = engine.build(planned.config, prepared, run, model=base.model, resume=self.resume, hooks=hooks)
        unchecked = self.clearance is not None and not self.clearance.proves
        watch = RunWatch(planned, prepared, run, publish, lambda: session.whole_model, unchecked=unchecked)
        follow = to_all(publish, _forecasts(run, planned, self.clearance)) if self.main else publish
        try:
            outcome = session.train(follow, watch)
        except StoppedByWatcherError as stopped:
            # Only the main process has judged, and knows why.
            raise (watch.error() if self.main else GateError(f"the watch has {stopped}")) from None
        return outcome, _inspect(base, outcome, publish) if self.main else None


def _store(run: Run, clearance: Clearance | None) -> Clearance | None:
    """The clearance as it is in the run now; without one, none that was there may speak for what is trained now."""
    from sanetune.gate.clearance_file import withdraw_clearance, write_clearance

    if clearance is None:
        withdraw_clearance(run)
        return None
    return write_clearance(run, clearance)


def _inspect(base: _Base, outcome: Outcome, publish: Publish) -> Comparison:
    """Write down what was trained, compare it with the base, and evaluate it where that was asked for."""
    from sanetune.gate.trained_files import record
    from sanetune.workflows.evaluating.run import evaluate_after_training

    record(base.run)
    comparison = base.compare(outcome)
    evaluate_after_training(base.run, base.planned.config, outcome.model, publish)
    return comparison


def _forecasts(run: Run, planned: Plan, clearance: Clearance | None) -> Publish:
    """What keeps the forecast of the run's end, from the experiments behind its clearance on."""
    from sanetune.evidence.experiments import Experiments
    from sanetune.gate.clearance_file import read_experiments
    from sanetune.workflows.outcome import OutcomeFile

    plain = read_experiments(run, clearance)[0] if clearance is not None else {}
    return OutcomeFile(run, planned, Experiments.from_json(plain))


class _Base:
    """The base model: what it answers before the first step, to be compared with the tuned model.

    ``model`` is handed on to training, so that it is loaded once; None where training has to load it in another way.
    """

    def __init__(self, planned: Plan, prepared: Prepared, run: Run) -> None:
        from sanetune.probes.prompts import prompts_for

        self.planned, self.prepared, self.run = planned, prepared, run
        self.prompts: Prompts = prompts_for(prepared, planned.config.run.sample_prompts)
        self.model: PreTrainedModel | None = None
        self._said: ModelAnswers | None = None
        self._record: BaseRecord | None = None

    def ask(self, *, resume: bool) -> None:
        """Ask it, or read its answers from ``samples.json`` where an earlier part of the run has done so."""
        from sanetune.probes.samples import ModelAnswers

        if resume and self.run.samples.is_file():
            said = ModelAnswers.from_json(self.run.read_json(self.run.samples))
            self._said = ModelAnswers(said.answers[: len(self.prompts.messages)], said.validation_loss)
            self._keep(None)
            return
        model = self._load()
        self._said = ModelAnswers.of(model, self.prepared, self.prompts)
        self._keep(model)
        if self.planned.sizes.machine.devices == 1 and not self.planned.config.model.quantization:
            self.model = model
        self.run.write_json(self.run.samples, self._said.to_json())

    def _keep(self, model: PreTrainedModel | None) -> None:
        """Record what ``model`` can do (None: the base, loaded for it), unless that is switched off."""
        from sanetune.workflows.forgetting import CHECK, record_base

        section = self.planned.config.check
        if section.keep == "off" or CHECK in section.ignore or section.severity.get(CHECK) == "off":
            return
        self._record = record_base(self.planned.config, self.prepared, model or self._load())

    def _load(self) -> PreTrainedModel:
        from sanetune.engine.devices import device_of
        from sanetune.engine.models import fit_to_tokenizer, load_model, train_dtype

        config = self.planned.config
        given = config.train.given
        dtype = train_dtype(config.model, bf16=bool(given.get("bf16")), fp16=bool(given.get("fp16")))
        model = load_model(config.model, dtype=str(dtype), device=device_of(config))
        fit_to_tokenizer(model, self.prepared.tokenizer)
        return model

    def compare(self, outcome: Outcome) -> Comparison:
        """Ask the tuned model the same, and write ``samples.json``."""
        from sanetune.probes.samples import ModelAnswers, comparison

        assert outcome.model is not None and self._said is not None
        tuned = ModelAnswers.of(outcome.model, self.prepared, self.prompts)
        names = (self.planned.config.model.name, str(self.run.model))
        found = comparison(self.prepared, self.prompts, names, self._said, tuned)
        self.run.write_json(self.run.samples, found.to_json())
        if self._record is not None:
            from sanetune.workflows.forgetting import write_forgetting

            config = self.planned.config
            write_forgetting(self.run, config, self.prepared, self._record, outcome.model, outcome.steps)
        return found


def _write_start(run: Run, planned: Plan, prepared: Prepared) -> None:
    write_text(run.config, yaml_edit.dump(planned.config))
    run.write_versions(planned.sizes.machine.device)
    dropped, truncated = ([row.to_json() for row in rows] for rows in (prepared.dropped, prepared.truncated))
    unread = [str(error) for source in prepared.sources.values() for error in source.errors]
    figures = {"stats": prepared.stats, "dropped": dropped, "truncated": truncated, "unreadable": unread}
    run.write_json(run.data, {**figures, "fingerprint": prepared.fingerprint})
