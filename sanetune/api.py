"""What the commands do, as functions: each plugs the parts together and leaves the work to them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.load import load
from sanetune.config.schema import Config

if TYPE_CHECKING:
    from rich.console import Console

    from sanetune.config.schema import LossOn
    from sanetune.data.prepare import Prepared
    from sanetune.events import Publish
    from sanetune.finding import Report
    from sanetune.planning.plan import Plan
    from sanetune.report.terminal.compare import Comparison
    from sanetune.runs import Run
    from sanetune.workflows.train import Trained

Source = str | os.PathLike[str] | Mapping[str, Any] | Config
"""A configuration: the path of a YAML file, a mapping with its sections, or one that is loaded already."""


def prepare(config: Source, *overrides: str, console: Console | None = None) -> Prepared:
    """The rows of ``config`` as ids and labels, ready for any trainer; see
    :class:`sanetune.data.prepare.Prepared`."""
    from sanetune.data.prepare import prepare as prepared
    from sanetune.report.terminal.progress import ProgressBar

    return prepared(load(config, overrides), publish=ProgressBar(console))


def plan(config: Source, *overrides: str) -> Plan:
    """What a run will do, without training: batches, steps, schedules, every open value with its reason."""
    from sanetune.planning.plan import plan as planned

    return planned(load(config, overrides))


def check(
    subject: Source | Any,
    *overrides: str,
    level: str | None = None,
    loss_on: LossOn | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    console: Console | None = None,
) -> Report:
    """Looks at a run before it begins: a configuration, or a built transformers or TRL trainer.

    ``level``: static looks only; probe also passes a few batches through the real model; trial also trains it for a
    while (the last two of a configuration). Open: what the configuration's ``check.level`` says, which is trial.
    Of a trainer, the very batches that it would train on are read, and nothing in it is changed; ``loss_on`` says which
    tokens are meant to be learnt (assistant, last or all; open, it is read off the rows). A configuration says that
    itself. ``select`` and ``ignore`` name checks or families. The report has ``verdict``, ``findings`` and
    ``raise_if_failed()``.
    """
    from sanetune.workflows import check as checking

    if hasattr(subject, "get_train_dataloader"):
        return checking.look_at_trainer(subject, loss_on=loss_on, select=select, ignore=ignore)
    settings = load(subject, overrides)
    deep = level or settings.check.level
    with checking.evidence_of(settings, console, deep) as evidence:
        return checking.look(settings, evidence, select, ignore, deep)


def train(
    config: Source,
    *overrides: str,
    resume: bool = False,
    unchecked: str | None = None,
    console: Console | None = None,
    listeners: Sequence[Publish] = (),
) -> Trained:
    """Fine-tunes as ``config`` says and leaves everything in the run's folder.

    Starts with a clearance that fits, which a passed check leaves in the run; without one the run is checked first, at
    ``check.level``, and :class:`sanetune.finding.GateError` raised where the check fails. ``unchecked``: the reason to
    train without; it stands in the run's clearance, report and model card.
    ``resume`` goes on from the last complete checkpoint. ``listeners`` get its events (:mod:`sanetune.events`), on the
    main process. Raises UserError for what the user can mend, KeyboardInterrupt after a checkpoint when stopped.
    """
    from sanetune.gate.clearance import sound_reason
    from sanetune.workflows.clear import gate
    from sanetune.workflows.train import train as trained

    settings = load(config, overrides)
    reason = None if unchecked is None else sound_reason(unchecked)
    clear = partial(gate, settings, resume=resume, unchecked=reason)
    return trained(settings, resume=resume, console=console, listeners=listeners, gate=clear)


def compare(run: str | os.PathLike[str], prompts: Sequence[str] = (), count: int = 5) -> Comparison:
    """Base and tuned model of a finished run on the same prompts: yours, and ``count`` held-out rows; also both
    losses.

    Writes ``comparison.json`` into the run.
    """
    from sanetune.data.prepare import prepare as prepared
    from sanetune.probes import prompts as asking
    from sanetune.workflows import compare as comparing

    folder, config = _opened(run)
    data = prepared(config)
    asked = asking.prompts_for(data, list(prompts) or config.run.sample_prompts, count)
    replies, losses = [], []
    for tuned in (False, True):
        model = _model(folder, config, data.tokenizer, tuned=tuned)
        replies.append(asking.answers(model, data, asked))
        losses.append(comparing.validation_loss(model, data))
        del model  # never both in memory
    names = (config.model.name, str(folder.model))
    result = comparing.compared(asked, data, names, (replies[0], replies[1]), (losses[0], losses[1]))
    folder.write_json(folder.comparison, result.to_json())
    return result


def chat(
    run: str | os.PathLike[str], *, max_new_tokens: int = 512, temperature: float = 0.0, base: bool = False
) -> None:
    """Talks to the model of a finished run, or to its base, on the terminal."""
    from transformers import AutoTokenizer

    from sanetune.workflows.chat import talk

    folder, config = _opened(run)
    tokenizer = AutoTokenizer.from_pretrained(str(folder.model))
    model = _model(folder, config, tokenizer, tuned=not base)
    talk(model, tokenizer, name=folder.name, max_new_tokens=max_new_tokens, temperature=temperature)


def _opened(run: str | os.PathLike[str]) -> tuple[Run, Config]:
    """The run's folder and its settled configuration."""
    from sanetune.runs import Run
    from sanetune.workflows.compare import check_has_model

    folder = Run.open(Path(run))
    check_has_model(folder)
    return folder, load(folder.config)


def _model(folder: Run, config: Config, tokenizer: Any, *, tuned: bool) -> Any:
    """The tuned model, or the base with room for the tokens that the tokenizer has gained."""
    from sanetune.engine.devices import device_of
    from sanetune.engine.models import fit_to_tokenizer, load_model

    section = config.model
    if tuned:
        section = section.model_copy(update={"name": str(folder.model), "revision": None, "quantization": None})
    model = load_model(section, device=device_of(config))
    fit_to_tokenizer(model, tokenizer)
    return model
