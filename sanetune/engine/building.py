"""What every engine does before its first step: settings, model, and the checkpoint to go on from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.commands import command
from sanetune.data.rows_digest import PREFIX
from sanetune.engine import checkpoints, sharding
from sanetune.engine.adapters import Frozen
from sanetune.engine.arguments import training_arguments
from sanetune.engine.devices import device_of
from sanetune.engine.distributed import is_main_process
from sanetune.engine.library_logs import quiet
from sanetune.engine.models import fit_to_tokenizer, load_model, make_trainable, new_tokens, train_dtype
from sanetune.errors import DataError, RunError
from sanetune.rng import kept_random_states
from sanetune.runs import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from trl import SFTConfig

    from sanetune.config.schema import Config, ModelSection
    from sanetune.data.prepare import Prepared


def arguments_of(config: Config, prepared: Prepared, run: Run, *, resuming: bool) -> SFTConfig:
    """Return the settings of the run that ``config`` describes.

    Raises:
        DataError: There are no training rows.
        ConfigError: A value cannot be used.
    """
    if len(prepared.train) == 0:
        raise DataError("There are no training rows.", remedy=f"See what was dropped and why: `{command('data')}`.")
    return training_arguments(
        config, run, device=device_of(config), validation=has_validation(prepared), resume=resuming
    )


def has_validation(prepared: Prepared) -> bool:
    """Return whether there are validation rows."""
    return prepared.validation is not None and len(prepared.validation) > 0


def tuned_model(
    config: Config, prepared: Prepared, arguments: SFTConfig, model: PreTrainedModel | None
) -> tuple[PreTrainedModel, Frozen, list[str]]:
    """Return the model as it trains, what of it is trained, and what the user should be told.

    Args:
        config: The resolved configuration.
        prepared: The rows, with their tokenizer.
        arguments: The run's settings.
        model: A base model that is loaded already; None: it is loaded.
    """
    section = config.model
    if model is None:
        model = load_model(
            section, dtype=str(train_dtype(section, bf16=bool(arguments.bf16), fp16=bool(arguments.fp16)))
        )
    grown = fit_to_tokenizer(model, prepared.tokenizer)
    model.config.get_text_config().use_cache = False
    notes = [grown] if grown else []
    added = new_tokens(section, prepared.tokenizer) if getattr(section, "adapter", None) is not None else []
    if added:
        notes.append(f"beside the adapter, the rows of {len(added)} added tokens are trained")
    tuned, frozen = make_trainable(model, section, added)
    return tuned, frozen, notes


def uses_all_weights(model: PreTrainedModel) -> bool:
    """Return whether every step reaches every trained weight, so that DDP has none to search for (and to warn of).

    A mixture leaves experts out that no token chose; a model of images or sound too has parts that text never reaches.
    """
    text = model.config.get_text_config()
    experts = any(hasattr(text, name) for name in ("num_experts", "num_local_experts", "n_routed_experts"))
    return text is model.config and not experts


def unquantised(section: ModelSection, prepared: Prepared) -> PreTrainedModel:
    """Load the base again without quantisation, to merge an adapter into."""
    model = load_model(section, dtype="bfloat16", device="cpu", quantize=False)
    fit_to_tokenizer(model, prepared.tokenizer)
    return model


def whole_copy(
    model: PreTrainedModel, config: Config, prepared: Prepared, arguments: SFTConfig, *, main: bool
) -> PreTrainedModel | None:
    """Return a model of one process with the weights of the sharded ``model``, which all processes give together.

    Args:
        model: Divided among the processes.
        config: The resolved configuration, from which the copy is built.
        prepared: The rows, with their tokenizer.
        arguments: The run's settings.
        main: Whether this process gets it; the others get None.
    """
    weights = sharding.whole_weights(model, main=main, saved=False)
    if not main:
        return None
    with kept_random_states(), quiet():
        plain, _, _ = tuned_model(config, prepared, arguments, None)
    sharding.fill(plain, weights)
    return plain


def checked_start(run: Run, prepared: Prepared) -> Path | None:
    """Return the checkpoint to go on from, once it is known to belong to this data; None where there is none.

    Raises:
        RunError: It was trained on other rows, or holds pickles.
    """
    if is_main_process():
        checkpoints.sweep(run.checkpoints)
    if (found := checkpoints.resume_point(run.checkpoints).path) is None:
        return None
    stored = checkpoints.read_state(found).get("stateful_callbacks", {}).get("sanetune", {}).get("attributes", {})
    before, now = stored.get("data"), getattr(prepared, "fingerprint", "")
    # Earlier versions noted a hash that depends on their code: of such a checkpoint the rows cannot be compared.
    if str(before or "").startswith(PREFIX) and now and before != now:
        raise RunError(
            f"The prepared data is not what {found.name} was trained on.",
            "Going on would train some rows twice and others never.",
            "Restore the data and its settings, or start a new run (another run.name).",
        )
    return found
