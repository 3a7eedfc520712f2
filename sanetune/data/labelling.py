"""Build the labeller that a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.data.labels import Labeller
from sanetune.data.masking.turns import TurnFinder
from sanetune.data.template.chat_template import ChatTemplate
from sanetune.data.template.final_end import FinalEnd
from sanetune.data.tokenizer import chat_template, generation_stops, stop_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from sanetune.config.schema import Config


def labeller_of(config: Config, tokenizer: PreTrainedTokenizerFast) -> Labeller:
    """Return a labeller with the chat template of ``tokenizer`` and the stop tokens of the model itself."""
    template = chat_template(tokenizer)
    turns = None
    if template is not None:
        turns = TurnFinder(template, stop_tokens(tokenizer, config.model), final_end(config, tokenizer, template))
    return Labeller(tokenizer.backend_tokenizer, turns, config.data.loss_on, tokenizer.eos_token)


def final_end(config: Config, tokenizer: PreTrainedTokenizerFast, template: ChatTemplate) -> FinalEnd | None:
    """Return what is put behind the last reply of a conversation, if anything is (``data.append_end``)."""
    if not config.data.append_end:
        return None
    named = generation_stops(tokenizer, config.model)
    return FinalEnd.of(template, stop_tokens(tokenizer, config.model), named)
