"""What a loop is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.engine.accelerate.loss_module import MicroBatchLoss
from sanetune.engine.batches import Collate
from sanetune.engine.hooks import Hooks

if TYPE_CHECKING:
    import datasets
    from accelerate import Accelerator
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig


@dataclass(slots=True)
class Parts:
    """Model, rows and settings of a run.

    Attributes:
        model: The model as it trains, on its device.
        args: The run's settings.
        accelerator: Devices, processes and mixed precision.
        tokenizer: Of the model; its pad token fills rows.
        collate: Makes a batch of rows.
        train: The training rows.
        validation: The validation rows by source, or under an empty name where there is one; empty: there are none.
        fingerprint: Of the rows.
        hooks: Functions of the user's own.
        token_loss: Computes the loss of the tokens; None: of padded rows, as the batch has them.
    """

    model: PreTrainedModel
    args: SFTConfig
    accelerator: Accelerator
    tokenizer: PreTrainedTokenizerBase
    collate: Collate
    train: datasets.Dataset
    validation: dict[str, datasets.Dataset]
    fingerprint: str = ""
    hooks: Hooks = field(default_factory=Hooks)
    token_loss: MicroBatchLoss | None = None
