"""The models of a finished run: the base and the tuned one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.commands import command
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import RunError
from sanetune.runs import Run
from sanetune.workflows.resume import stopped_by_watch
from sanetune.workflows.run_state import read_state

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def open_run(path: Path) -> tuple[Run, Config]:
    """Return the run in the folder ``path`` and its resolved configuration.

    Raises:
        RunError: Where it is no run, or holds no tuned model yet.
    """
    run = Run.open(path)
    if not run.finished:
        raise _no_model(run)
    return run, load(run.config)


def _no_model(run: Run) -> RunError:
    """Why a run has no tuned model, as far as its files say it, and what to do about that."""
    state = read_state(run)
    if state is not None and state.phase == "running" and state.is_alive:
        return RunError(
            f"{run.path} still trains, and holds no tuned model yet.",
            "The model is written when training is over.",
            f"Wait for it: `sanetune report {shlex.quote(str(run.path))} --live` shows how far it is.",
        )
    if not run.steps_saved:
        begun = state is not None or run.metrics.is_file()
        return RunError(
            f"{run.path} " + ("ended before it had a model or a checkpoint." if begun else "has not been trained."),
            remedy=f"Train it: `{command('train')}`.",
        )
    if stopped := stopped_by_watch(run):
        return RunError(f"{run.path} holds no tuned model. {stopped.message}", stopped.rationale, stopped.remedy)
    return RunError(
        f"{run.path} holds no tuned model yet.",
        "There is no model that could be used.",
        f"Finish the training: `{command('train', '--resume')}`.",
    )


def load_model_of(run: Run, config: Config, tokenizer: PreTrainedTokenizerBase, *, tuned: bool) -> PreTrainedModel:
    """Load the tuned model of ``run``, or its base with room for the tokens that the tokenizer has gained."""
    from sanetune.engine.devices import device_of
    from sanetune.engine.models import fit_to_tokenizer, load_model

    section = config.model
    if tuned:
        section = section.model_copy(update={"name": str(run.model), "revision": None, "quantization": None})
    model = load_model(section, device=device_of(config))
    fit_to_tokenizer(model, tokenizer)
    return model
