"""Gathers the sizes that a plan is made from: of this machine, of the model and of the prepared rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.config.machine import this_machine
from sanetune.config.schema import Config, ModelSection
from sanetune.config.sizes import DataSizes, ModelSizes, RunSizes
from sanetune.errors import ModelError

if TYPE_CHECKING:
    from sanetune.data.model_files import Location
    from sanetune.data.prepare import Prepared


def gather(config: Config, prepared: Prepared | None = None, *, weights: bool = True) -> RunSizes:
    """Return all sizes of a run of ``config`` on this machine.

    Args:
        config: The configuration.
        prepared: Its rows; None: they are prepared here (from the cache where possible).
        weights: Whether the model must have its weights already.

    Raises:
        ModelError: The model cannot be built from its config.json.
        DataError: The rows cannot be used.
    """
    model = model_sizes(config.model, weights=weights)
    if prepared is None:
        from sanetune.data.prepare import prepare

        prepared = prepare(config, context=model.context or None)
    return RunSizes(model, this_machine(config.run.devices), DataSizes.of(prepared))


def model_sizes(section: ModelSection, *, weights: bool = True) -> ModelSizes:
    """Return the sizes of a model, with its adapter and frozen parts.

    They are told from config.json and the headers of the weights. Where those leave something open, the model is built
    without memory, on torch's meta device.

    Raises:
        ModelError: There is no such model, or transformers cannot build it.
    """
    from sanetune.data.model_files import locate
    from sanetune.data.model_shape import sizes_from_files

    where = locate(section.name, section.revision, weights=weights)
    return sizes_from_files(section) or sizes_of_built(section, where)


def sizes_of_built(section: ModelSection, where: Location) -> ModelSizes:
    """As :func:`model_sizes`, of the model that transformers builds from the config.json at ``where``."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from sanetune.engine.library_logs import quiet
    from sanetune.engine.models import make_trainable, sizes_of

    plain = section.model_copy(update={"quantization": None})
    try:
        with quiet(), torch.device("meta"):
            config = AutoConfig.from_pretrained(
                where.name, **where.keywords, trust_remote_code=section.trust_remote_code
            )
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=section.trust_remote_code)
            tuned, _ = make_trainable(model, plain)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ModelError(
            f"The model {section.name} cannot be built from its config.json: {reason}",
            "sanetune tunes causal language models that transformers knows.",
            "Check that it generates text, and that its config.json is whole.",
        ) from None
    return sizes_of(tuned)
