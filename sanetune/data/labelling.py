"""Build the labeller that a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.data.labels import Labeller
from sanetune.data.masking.turns import TurnFinder
from sanetune.data.tokenizer import chat_template, stop_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from sanetune.config.schema import Config


def labeller_of(config: Config, tokenizer: PreTrainedTokenizerFast) -> Labeller:
    """Return a labeller with the chat template of ``tokenizer`` and the stop tokens of the model itself."""
    template = chat_template(tokenizer)
    turns = TurnFinder(template, stop_tokens(tokenizer, config.model.name)) if template else None
    return Labeller(tokenizer.backend_tokenizer, turns, config.data.loss_on, tokenizer.eos_token)
