"""The models of a finished run: the base and the tuned one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.commands import command
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import RunError
from sanetune.runs import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def open_run(path: Path) -> tuple[Run, Config]:
    """Return the run in the folder ``path`` and its resolved configuration.

    Raises:
        RunError: Where it is no run, or holds no tuned model yet.
    """
    run = Run.open(path)
    if not run.finished:
        raise RunError(
            f"{run.path} holds no tuned model yet.",
            "There is no model that could be used.",
            f"Finish the training: `{command('train', '--resume')}`.",
        )
    return run, load(run.config)


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
