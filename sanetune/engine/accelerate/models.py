"""The model of a run of this engine, from the same base and the same draws as TRL's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import set_seed
from transformers.trainer_utils import align_special_tokens, enable_full_determinism

from sanetune.engine.adapters import Frozen
from sanetune.engine.building import tuned_model
from sanetune.engine.library_logs import quiet
from sanetune.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from trl import SFTConfig

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared


def prepared_model(
    config: Config, prepared: Prepared, arguments: SFTConfig, model: PreTrainedModel | None
) -> tuple[PreTrainedModel, Frozen, list[str]]:
    """Return the model as it trains, what of it is trained, and what the user should be told.

    Random states are those of ``arguments.seed`` before and afterwards.

    Raises:
        ConfigError: It is a mixture of experts, whose balancing loss this engine does not have.
    """
    # The adapter's start is drawn from here.
    seed(arguments)
    with quiet():
        tuned, frozen, notes = tuned_model(config, prepared, arguments, model)
        align_special_tokens(tuned, prepared.tokenizer)
    _require_no_balancing(tuned, arguments)
    _make_ready(tuned, arguments)
    # What is drawn from here on does not depend on how the model was loaded.
    seed(arguments)
    return tuned, frozen, notes


def seed(arguments: SFTConfig) -> None:
    """Set all random states to ``arguments.seed``."""
    if arguments.full_determinism:
        enable_full_determinism(arguments.seed)
    else:
        set_seed(arguments.seed)


def _make_ready(model: PreTrainedModel, arguments: SFTConfig) -> None:
    """What TRL does to a model with an adapter."""
    from peft import PeftModel

    if not isinstance(model, PeftModel):
        return
    if arguments.activation_checkpointing:
        model.enable_input_require_grads()
    if getattr(model, "is_loaded_in_4bit", False) or getattr(model, "is_loaded_in_8bit", False):
        for name, weight in model.named_parameters():
            # Dettmers et al. 2023 (arXiv:2305.14314) train adapters in bfloat16; the magnitudes of DoRA move by less
            # than bfloat16 can tell apart.
            if weight.requires_grad and "lora_magnitude_vector" not in name:
                weight.data = weight.data.to(torch.bfloat16)


def _require_no_balancing(model: PreTrainedModel, arguments: SFTConfig) -> None:
    """Mixtures have a balancing loss in TRL, unless its coefficient is 0."""
    text = model.config.get_text_config()
    given = arguments.router_aux_loss_coef
    coefficient = getattr(text, "router_aux_loss_coef", 0.0) if given is None else given
    if hasattr(text, "output_router_logits") and coefficient:
        raise ConfigError(
            "train.engine: accelerate has no balancing loss for mixtures of experts.",
            "Without it few experts may come to do all the work.",
            "Set train.engine: trl, or train.router_aux_loss_coef: 0.0 to do without that loss.",
        )
