"""One run from settled configuration to finished folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune.atomic import restore_non_finite, write_text
from sanetune.config import yaml_edit
from sanetune.config.schema import Config
from sanetune.data.prepare import Prepared, prepare
from sanetune.events import Publish, to_all
from sanetune.planning import plan as planning
from sanetune.report.terminal.progress import ProgressBar
from sanetune.runs import Run
from sanetune.workflows import compare as comparing

if TYPE_CHECKING:
    from rich.console import Console

    from sanetune.engine.answer import Answer
    from sanetune.engine.base import Outcome
    from sanetune.gate.clearance import Clearance
    from sanetune.planning.plan import Plan
    from sanetune.probes.prompts import Prompts
    from sanetune.report.terminal.compare import Comparison


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: its folder, how training ended, and both models side by side (None beside the main process)."""

    run: Run
    plan: Plan
    outcome: Outcome
    comparison: Comparison | None
    clearance: Clearance | None = None


Gate = Callable[["Plan", Prepared, "Console"], "Clearance"]
"""Clears a planned run, or raises."""


def train(
    config: Config,
    *,
    resume: bool = False,
    console: Console | None = None,
    listeners: Sequence[Publish] = (),
    gate: Gate | None = None,
) -> Trained:
    """See :func:`sanetune.api.train`; ``config`` is loaded already. Without a ``gate`` nothing is asked, and the run
    has no clearance."""
    from sanetune.data.model_files import locate
    from sanetune.engine.distributed import processes
    from sanetune.engine.registry import engine_of
    from sanetune.report.terminal import run as view
    from sanetune.report.terminal.clearance import lines
    from sanetune.report.terminal.training import TrainingProgress

    state = processes(config)
    main = state.is_main_process
    console = view.console(console, quiet=not main)
    # Before the data: preparing it can take long, and is in vain without a model.
    locate(config.model.name, config.model.revision)
    with state.main_process_first():
        prepared = prepare(config, publish=ProgressBar(console))
    plan = planning.plan(config, prepared)
    assert plan.config.run.output_dir is not None
    cleared = gate(plan, prepared, console) if gate is not None else None
    run = Run.create(plan.config.run.output_dir, resume=resume) if main else Run(plan.config.run.output_dir)
    cleared = _keep(run, cleared) if main else cleared
    view.heading(plan, prepared, run, console, lines(cleared) if cleared else ())
    before = _Before.of(plan, prepared, run, resume=resume, main=main)
    if main:
        _write_beginning(run, plan, prepared)
    try:
        session = engine_of(plan.config).build(plan.config, prepared, run, model=before.model, resume=resume)
        outcome = session.train(to_all(TrainingProgress(console), *listeners))
    finally:
        if main:
            _draw(run)
    if not main:
        return Trained(run, plan, outcome, None, cleared)
    comparison = _write_end(run, plan, prepared, before, outcome, cleared)
    view.ending(run, outcome, comparison, console)
    return Trained(run, plan, outcome, comparison, cleared)


def _keep(run: Run, cleared: Clearance | None) -> Clearance | None:
    """The clearance as it now lies in the run; without one, none that was there may speak for what is trained now."""
    from sanetune.gate.clearance import withdraw, write

    if cleared is None:
        withdraw(run)
        return None
    return write(run, cleared)


class _Before:
    """The base: its answers and its validation loss, taken before the first step; ``model`` is handed on to
    training."""

    def __init__(self, prompts: Prompts) -> None:
        self.prompts = prompts
        self.model: Any = None
        self.answers: list[Answer] = []
        self.loss: float | None = None

    @classmethod
    def of(cls, plan: Plan, prepared: Prepared, run: Run, *, resume: bool, main: bool) -> _Before:
        """Measured anew, or read from ``samples.json`` where an earlier part of the run has done so."""
        from sanetune.probes.prompts import prompts_for

        before = cls(prompts_for(prepared, plan.config.run.sample_prompts))
        if resume and run.samples.is_file():
            before._read(run)
        elif main:
            before._measure(plan, prepared, run)
        return before

    def _measure(self, plan: Plan, prepared: Prepared, run: Run) -> None:
        from sanetune.engine.devices import device_of
        from sanetune.engine.models import fit_to_tokenizer, load_model, train_dtype
        from sanetune.probes.prompts import answers

        given = plan.config.train.given
        dtype = train_dtype(plan.config.model, bf16=bool(given.get("bf16")), fp16=bool(given.get("fp16")))
        model = load_model(plan.config.model, dtype=str(dtype), device=device_of(plan.config))
        fit_to_tokenizer(model, prepared.tokenizer)
        self.answers = answers(model, prepared, self.prompts)
        self.loss = comparing.validation_loss(model, prepared)
        if plan.sizes.machine.devices == 1 and not plan.config.model.quantization:
            self.model = model
        run.write_json(run.samples, {"before": [_plain(answer) for answer in self.answers], "base_loss": self.loss})

    def _read(self, run: Run) -> None:
        from sanetune.engine.answer import Answer

        stored = run.read_json(run.samples)
        replies = stored.get("before") or [pair["base"] for pair in stored.get("pairs", ())]
        self.answers = [Answer(**reply) for reply in replies][: len(self.prompts.messages)]
        self.loss = restore_non_finite(stored.get("base_loss", stored.get("validation_loss", {}).get("base")))


def _plain(answer: Answer) -> dict[str, Any]:
    return {"text": answer.text, "ended": answer.ended, "tokens": answer.tokens, "note": answer.note}


def _write_beginning(run: Run, plan: Plan, prepared: Prepared) -> None:
    write_text(run.config, yaml_edit.dump(plan.config))
    run.write_versions(plan.sizes.machine.device)
    run.write_json(run.data, {"stats": prepared.stats, "lost": prepared.lost, "fingerprint": prepared.fingerprint})


def _draw(run: Run) -> None:
    """The curves so far, also of a run that was stopped."""
    from sanetune.engine.metrics import read
    from sanetune.report.plots import draw

    if run.metrics.is_file() and (records := read(run.metrics)):
        draw(records, run.plots)


def _write_end(
    run: Run, plan: Plan, prepared: Prepared, before: _Before, outcome: Outcome, cleared: Clearance | None
) -> Any:
    """Samples, model card, and the curves with the best step marked; returns the comparison."""
    from sanetune.engine.metrics import read
    from sanetune.engine.save import write_card
    from sanetune.probes.prompts import answers
    from sanetune.report.card import card_of, render
    from sanetune.report.plots import draw
    from sanetune.report.terminal.clearance import lines

    after = answers(outcome.model, prepared, before.prompts)
    loss = comparing.validation_loss(outcome.model, prepared)
    names = (plan.config.model.name, str(run.model))
    comparison = comparing.compared(before.prompts, prepared, names, (before.answers, after), (before.loss, loss))
    run.write_json(run.samples, comparison.to_json())
    draw(read(run.metrics), run.plots, best_step=outcome.best_step)
    versions = run.read_json(run.versions)
    card = card_of(
        plan.config,
        outcome,
        stats=prepared.stats,
        versions=versions,
        name=run.name,
        gate=lines(cleared) if cleared else (),
    )
    write_card(run, render(card))
    return comparison
