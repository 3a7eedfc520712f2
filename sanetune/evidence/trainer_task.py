"""Tells trainers that learn the next token of texts from those of other tasks, whose batches mean something else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sanetune.engine.adapters import base_of
from sanetune.evidence.registry import MissingError

if TYPE_CHECKING:
    from transformers import Trainer

OTHER_HEADS = {
    "SequenceClassification": "has a class for each row",
    "TokenClassification": "has a class for each token",
    "QuestionAnswering": "finds places in a text",
    "MultipleChoice": "chooses among answers",
    "MaskedLM": "fills masked tokens in",
}
"""Ends of the names of transformers' models -> what they do instead."""


def require_next_tokens(trainer: Trainer) -> None:
    """Raise MissingError where ``trainer`` does not learn the next token, for then its labels say something else."""
    model = base_of(trainer.model)
    if getattr(model.config, "is_encoder_decoder", False):
        raise MissingError("the model has an encoder and a decoder: its labels are no copy of its inputs")
    head = re.search(f"For({'|'.join(OTHER_HEADS)})$", type(model).__name__)
    if head:
        raise MissingError(f"{type(model).__name__} {OTHER_HEADS[head[1]]}: its labels are no next tokens")
    names = [one.__name__ for one in type(trainer).__mro__ if one.__module__.partition(".")[0] == "trl"]
    if names and "SFTTrainer" not in names:
        raise MissingError(f"{names[0]} of TRL learns from preferences or rewards, and not the tokens of its labels")
