"""The batches that training will see, without the model: the trainer's own dataloaders around a stand-in."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanetune.engine.library_logs import quiet
from sanetune.engine.models import default_device
from sanetune.engine.trl.arguments import training_arguments
from sanetune.engine.trl.engine import collate_for, rows_for
from sanetune.engine.trl.trainer import Trainer
from sanetune.runs import Run


@dataclass(frozen=True, slots=True)
class Loaders:
    """``train`` and ``validation`` (None without such rows): dataloaders that give batches of tensors for one epoch."""

    train: Any
    validation: Any = None


def loaders(config: Any, prepared: Any) -> Loaders:
    """The dataloaders of the trainer that :func:`sanetune.engine.trl.engine.train` would build for the resolved
    ``config``.

    The same class with the same arguments, rows, sampler and collator builds them; only the model is a stand-in of a
    few hundred weights, since batches do not depend on it. Random states are put back. Each of several processes gets
    the batches of all of them, in their order.
    """
    import random

    import numpy as np
    import torch

    before = torch.get_rng_state(), random.getstate(), np.random.get_state()
    config = config.model_copy(deep=True)
    config.run.trackers = []
    device = "cpu" if config.train.get("use_cpu") else default_device()
    validation = prepared.validation is not None and len(prepared.validation) > 0
    try:
        with tempfile.TemporaryDirectory() as folder, quiet():
            arguments = training_arguments(
                config, Run(Path(folder)), device=device, validation=validation, resume=False, lengths=True
            )
            trainer = Trainer(
                model=_stand_in(),
                args=arguments,
                data_collator=collate_for(prepared.tokenizer.pad_token_id, config.model.attention or ""),
                train_dataset=rows_for(prepared.train, arguments),
                eval_dataset=rows_for(prepared.validation, arguments) if validation else None,
                processing_class=prepared.tokenizer,
            )
            found = trainer.get_train_dataloader(), trainer.get_eval_dataloader() if validation else None
            return Loaders(*map(_of_all, found))
    finally:
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])


def _of_all(loader: Any) -> Any:
    """``loader`` without the division of batches among processes: a process's own are no epoch."""
    from accelerate.data_loader import BatchSamplerShard

    shard = getattr(loader, "batch_sampler", None)
    if isinstance(shard, BatchSamplerShard):
        # Rows that come twice so that all processes have equally many are no row's own fault.
        shard.num_processes, shard.process_index, shard.even_batches = 1, 0, False
    return loader


def _stand_in() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=8, **sizes))
