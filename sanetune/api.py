"""What the commands do, as functions for scripts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.load import load
from sanetune.config.schema import Config

if TYPE_CHECKING:
    from rich.console import Console
    from transformers import Trainer

    from sanetune.config.section import LossOn
    from sanetune.data.prepare import Prepared
    from sanetune.engine.hooks import Hooks
    from sanetune.engine.training_parts import TrainingParts
    from sanetune.events import Publish
    from sanetune.evidence.registry import Level
    from sanetune.finding import Report
    from sanetune.planning.plan import Plan
    from sanetune.probes.results import Comparison
    from sanetune.workflows.comparing.result import Compared
    from sanetune.workflows.evaluating.result import Evaluation
    from sanetune.workflows.replay import Replay
    from sanetune.workflows.sweep.result import Sweep
    from sanetune.workflows.train import Trained

Source = str | os.PathLike[str] | Mapping[str, Any] | Config
"""A configuration: the path of a YAML file (ours, or one of Axolotl, LLaMA-Factory or `trl sft`), a mapping with its
sections, or one that is loaded already."""


def _opened(source: Source, overrides: Sequence[str]) -> Config:
    """The configuration of ``source``; what of another tool's file is not understood is a warning."""
    if not isinstance(source, str | os.PathLike):
        return load(source, overrides)
    from sanetune.workflows.configuration import open_config

    config, notes = open_config(Path(source), overrides)
    for note in notes:
        warnings.warn(note, stacklevel=3)
    return config


def prepare(config: Source, *overrides: str, console: Console | None = None) -> Prepared:
    """Prepare the rows of ``config`` as token ids and labels, ready for any trainer.

    Args:
        config: The configuration.
        overrides: ``section.key=value``, each.
        console: Where progress is shown; None: standard error.
    """
    from sanetune.data.prepare import prepare
    from sanetune.report.terminal.live import LiveTerminal

    return prepare(_opened(config, overrides), publish=LiveTerminal(console))


def parts(config: Source, *overrides: str, console: Console | None = None) -> TrainingParts:
    """Return model, optimizer, schedule and batches of ``config``, for a training loop of your own on Accelerate.

    The usual lines (``loss = model(**batch).loss``, ``accelerator.backward(loss)``, …) have the loss of this package
    then: per token in the loss over the whole effective batch, whatever the rows' lengths, accumulation and devices.

    Args:
        config: The configuration.
        overrides: ``section.key=value``, each.
        console: Where progress is shown; None: standard error.
    """
    from sanetune.data.prepare import prepare
    from sanetune.engine.registry import training_parts
    from sanetune.planning.plan import plan
    from sanetune.report.terminal.live import LiveTerminal

    settings = _opened(config, overrides)
    prepared = prepare(settings, publish=LiveTerminal(console))
    return training_parts(plan(settings, prepared).config, prepared)


def plan(config: Source, *overrides: str) -> Plan:
    """Work out what a run will do, without training: batches, steps, schedules, every default with its reason.

    Args:
        config: The configuration.
        overrides: ``section.key=value``, each.
    """
    from sanetune.planning.plan import plan

    return plan(_opened(config, overrides))


def check(
    subject: Source | Trainer,
    *overrides: str,
    level: Level | None = None,
    loss_on: LossOn | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    rows: int | None = None,
    steps: int | None = None,
    budget: float | None = None,
    console: Console | None = None,
) -> Report:
    """Check a run before it begins: a configuration, or a built transformers or TRL trainer.

    Of a trainer, the very batches that it would train on are read. At levels ``probe`` and ``trial`` a copy of it makes
    the steps, with the trainer's own loss, collator, optimizer and schedule. Its callbacks are not called, and no file
    is written. Afterwards everything is what it was, bit for bit: ``trainer.train()`` gives the same losses as without
    a check.

    Args:
        subject: A configuration or a trainer.
        overrides: ``section.key=value``, each; for a configuration.
        level: ``static`` loads no weights; ``probe`` also passes a few batches through the real model; ``trial`` also
            overfits a few examples, compares learning rates and trains for a while, and undoes that. None: what
            ``check.level`` of the configuration says, which is ``trial`` unless it is set; for a trainer, ``static``.
        loss_on: For a trainer: which tokens are meant to be in the loss; None: it is read off the rows.
        select: Names of checks or families that are run; none: all.
        ignore: Names of checks or families that are left out.
        rows: For a trainer: rows of a split that experiments read, at most; None: some hundreds.
        steps: For a trainer: optimizer steps of the trial, at least 10; None: 200, or as many as the run has.
        budget: For a trainer: seconds that the experiments may take, about; None: as many as the run itself.
        console: Where progress is shown; None: standard error.

    Returns:
        A report with ``verdict``, ``findings`` and ``raise_if_failed()``. A notebook shows it as a card.

    Raises:
        sanetune.engine.own.kept.NotRestoredError: Something of the trainer could not be put back.
    """
    from sanetune.report.notebook import show_in_notebooks
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.check import check_trainer, evidence_of, require_checks, run_checks

    show_in_notebooks()
    if hasattr(subject, "get_train_dataloader"):
        return check_trainer(
            subject,
            level=level or "static",
            loss_on=loss_on,
            select=select,
            ignore=ignore,
            rows=rows,
            budget=budget,
            options={} if steps is None else {"trial_steps": steps},
            publish=LiveTerminal(console),
        )
    settings = _opened(subject, overrides)
    deepest = level or settings.check.level
    require_checks(settings, select, ignore, deepest)
    with evidence_of(settings, LiveTerminal(console), deepest) as evidence:
        return run_checks(settings, evidence, select, ignore, deepest)


def train(
    config: Source,
    *overrides: str,
    resume: bool = False,
    unchecked: str | None = None,
    console: Console | None = None,
    listeners: Sequence[Publish] = (),
    hooks: Hooks | None = None,
) -> Trained:
    """Fine-tune as ``config`` says, and leave everything in the run's folder.

    Training starts with a clearance that fits, which a passed check leaves in the run. Without one the run is checked
    first, at ``check.level``.

    Args:
        config: The configuration.
        overrides: ``section.key=value``, each.
        resume: Whether to go on from the last complete checkpoint.
        unchecked: The reason to train without a check; it is shown in the run's clearance, report and model card.
        console: Where progress is shown; None: standard error.
        listeners: Functions that get the events of the run (:mod:`sanetune.events`), on the main process.
        hooks: Functions of your own in the loop, for ``train.engine: accelerate``: losses, gradients, batches. The
            check before does not know them.

    Returns:
        The finished run. A notebook shows its losses, figures and answers.

    Raises:
        sanetune.finding.GateError: Where the check fails.
        sanetune.errors.UserError: For what the user can fix.
        KeyboardInterrupt: When stopped, after a checkpoint.
    """
    from sanetune.events import to_all
    from sanetune.gate.clearance import sound_reason
    from sanetune.report.notebook import show_in_notebooks
    from sanetune.report.run_files import RunFiles
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.clear import require_clearance
    from sanetune.workflows.train import train

    show_in_notebooks()
    settings = _opened(config, overrides)
    reason = None if unchecked is None else sound_reason(unchecked)
    gate = partial(require_clearance, settings, resume=resume, unchecked=reason)
    publish = to_all(RunFiles(), LiveTerminal(console), *listeners)
    return train(settings, resume=resume, publish=publish, gate=gate, hooks=hooks)


def compare(run: str | os.PathLike[str], prompts: Sequence[str] = (), count: int = 5) -> Comparison:
    """Ask base and tuned model of a finished run the same prompts; also measure both validation losses.

    Writes ``comparison.json`` into the run.

    Args:
        run: The run's folder.
        prompts: Prompts of your own; without any, those of ``run.sample_prompts``.
        count: Number of validation rows that are asked too.
    """
    from sanetune.workflows.comparing.stored import comparison_of

    return comparison_of(compare_runs([run], prompts, count))


def compare_runs(runs: Sequence[str | os.PathLike[str]], prompts: Sequence[str] = (), count: int = 32) -> Compared:
    """Compare base and tuned model of one run, or the tuned models of several, on the same prompts and rows.

    Writes ``comparison.json`` into the run, or a ``comparison-….json`` into the first of several. What is stored there
    already, of the same models, prompts and rows, is read.

    Args:
        runs: The runs' folders; the others are judged beside the first.
        prompts: Prompts of your own; without any, those of ``run.sample_prompts``.
        count: Number of validation rows that are asked too.

    Raises:
        sanetune.errors.RunError: A run is not finished, or the runs have not the same validation rows.
    """
    from sanetune.report.notebook import show_in_notebooks
    from sanetune.workflows.comparing.runs import compare_runs

    show_in_notebooks()
    return compare_runs([Path(run) for run in runs], prompts, count)


def evaluate(
    run: str | os.PathLike[str],
    tasks: Sequence[str] = (),
    limit: int | None = None,
    sides: Sequence[str] = ("base", "tuned"),
    *,
    console: Console | None = None,
) -> Evaluation:
    """Measure the models of a finished run with lm-eval, and write ``evaluation.json`` into the run.

    What is stored there already, of the same weights and tasks, is not measured again.

    Args:
        run: The run's folder.
        tasks: Names of tasks, or paths of YAML files or folders; none: those of ``run.evaluate``.
        limit: Documents of each task, at most; None: what ``run.evaluate_limit`` says.
        sides: ``base``, ``tuned``, or both.
        console: Where progress is shown; None: standard error.
    """
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.compare import open_run
    from sanetune.workflows.evaluating.run import evaluate_run

    opened, config = open_run(Path(run))
    chosen, asked = (list(tasks), "--evaluate") if tasks else (config.run.evaluate, "run.evaluate")
    most = config.run.evaluate_limit if limit is None else limit
    return evaluate_run(opened, config, chosen, most, LiveTerminal(console), sides, asked=asked)


def replay(run: str | os.PathLike[str], step: int, *, console: Console | None = None) -> Replay:
    """Make one step of a run again, and measure each of its rows alone; nothing is written into the run.

    Args:
        run: The run's folder.
        step: Optimizer step, from 1.
        console: Where progress is shown; None: standard error.

    Returns:
        Its rows, the worst first, and whether loss and rows are those that the run logged.
    """
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.workflows.replay import replay

    return replay(Path(run), step, LiveTerminal(console))


def sweep(
    config: Source,
    *values: str,
    trial_steps: int | None = None,
    trials: int | None = None,
    jobs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    console: Console | None = None,
) -> Sweep:
    """Make short runs that differ in a few values, and compare them on the same validation rows.

    Trials that were made before, with the same settings and rows, are read from the folder.

    Args:
        config: The configuration.
        values: ``NAME=V1,V2``, each: every combination is a trial; ``NAME=LOW..HIGH`` or ``learning_rate=auto``: values
            are searched; ``NAME=VALUE``: an override. None: the learning rate is searched.
        trial_steps: Optimizer steps of a trial; None: ``check.trial_steps``. Never more than the run has.
        trials: Trials of a search; None: 8.
        jobs: Processes that make trials beside each other; None: one for each GPU.
        out: Folder of the sweep; None: that of the run, with ``-sweep`` behind it.
        console: Where progress is shown; None: standard error.
    """
    from sanetune.events import to_all
    from sanetune.report import sweep_plot
    from sanetune.report.notebook import show_in_notebooks
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.report.terminal.sweep import TrialLines
    from sanetune.workflows.sweep.run import sweep

    show_in_notebooks()
    publish = to_all(LiveTerminal(console), TrialLines(console))
    place = None if out is None else Path(out)
    settings = _opened(config, ())
    result = sweep(settings, values, trial_steps=trial_steps, trials=trials, jobs=jobs, out=place, publish=publish)
    sweep_plot.draw(result, Path(result.folder) / "plots")
    return result


def chat(
    run: str | os.PathLike[str], *, max_new_tokens: int = 512, temperature: float = 0.0, base: bool = False
) -> None:
    """Talk to the model of a finished run, or to its base, on the terminal.

    Args:
        run: The run's folder.
        max_new_tokens: Tokens that an answer may have.
        temperature: 0 always takes the most likely token; above, tokens are drawn.
        base: Whether to talk to the base model.
    """
    from transformers import AutoTokenizer

    from sanetune.report.terminal.chat import converse
    from sanetune.workflows.chat import Chat
    from sanetune.workflows.compare import load_model_of, open_run

    folder, config = open_run(Path(run))
    tokenizer = AutoTokenizer.from_pretrained(str(folder.model))
    model = load_model_of(folder, config, tokenizer, tuned=not base)
    converse(Chat(model, tokenizer, max_new_tokens=max_new_tokens, temperature=temperature), folder.name)
