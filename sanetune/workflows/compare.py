"""Base and tuned model of a finished run on the same prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.commands import command
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import RunError
from sanetune.runs import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from sanetune.probes.results.comparison import Comparison


def open_run(path: Path) -> tuple[Run, Config]:
    """Return the run in the folder ``path`` and its resolved configuration.

    Raises:
        RunError: Where it is no run, or holds no tuned model yet.
    """
    run = Run.open(path)
    if not run.finished:
        raise RunError(
            f"{run.path} holds no tuned model yet.",
            "There is nothing to compare or to talk to.",
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


def compare(run: Run, config: Config, own: Sequence[str] = (), count: int = 5) -> Comparison:
    """Ask base and tuned model the same prompts, and write ``comparison.json`` into the run.

    Args:
        run: A finished run.
        config: Its resolved configuration.
        own: Prompts of the user's own; without any, those of ``run.sample_prompts``.
        count: Number of validation rows that are asked too.
    """
    from sanetune.data.prepare import prepare
    from sanetune.probes.prompts import prompts_for
    from sanetune.probes.samples import ModelAnswers, comparison

    prepared = prepare(config)
    prompts = prompts_for(prepared, list(own) or config.run.sample_prompts, count)

    def asked(*, tuned: bool) -> ModelAnswers:  # the model is let go: never both in memory
        return ModelAnswers.of(load_model_of(run, config, prepared.tokenizer, tuned=tuned), prepared, prompts)

    found = comparison(prepared, prompts, (config.model.name, str(run.model)), asked(tuned=False), asked(tuned=True))
    run.write_json(run.comparison, found.to_json())
    return found
