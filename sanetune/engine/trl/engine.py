"""The engine that trains with TRL's SFTTrainer."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import set_seed

from sanetune.engine import zero
from sanetune.engine.base import Engine, EpochBatches
from sanetune.engine.batches import collate_for, filled_up, training_columns
from sanetune.engine.building import arguments_of, checked_start, has_validation, tuned_model, uses_all_weights
from sanetune.engine.isolation import undivided
from sanetune.engine.library_logs import quiet
from sanetune.engine.models import attention_of
from sanetune.engine.trl.loss_on_shapes import loss_on_shapes
from sanetune.engine.trl.session import TrlSession
from sanetune.engine.trl.trainer import Trainer
from sanetune.engine.validation_sets import sets_of
from sanetune.errors import ConfigError
from sanetune.rng import kept_random_states
from sanetune.runs import Run

if TYPE_CHECKING:
    import datasets
    from torch import Tensor
    from torch.utils.data import DataLoader
    from transformers import LlamaForCausalLM, PreTrainedModel
    from trl import SFTConfig

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.engine.batch_shape import BatchShape
    from sanetune.engine.hooks import Hooks


class TrlEngine(Engine):
    """Trains with :class:`sanetune.engine.trl.trainer.Trainer`, TRL's SFTTrainer with our overrides."""

    def build(
        self,
        config: Config,
        prepared: Prepared,
        run: Run,
        *,
        model: PreTrainedModel | None = None,
        resume: bool = False,
        hooks: Hooks | None = None,
    ) -> TrlSession:
        """See :meth:`sanetune.engine.base.Engine.build`."""
        if hooks is not None:
            raise ConfigError(
                "train.engine: trl has no hooks.",
                "They would never be called.",
                "Set train.engine: accelerate.",
            )
        start = checked_start(run, prepared) if resume else None
        arguments = arguments_of(config, prepared, run, resuming=start is not None)
        if arguments.deepspeed:
            zero.join(cpu=arguments.device.type == "cpu")
        # The adapter's start is drawn from here.
        set_seed(arguments.seed)
        with quiet():
            tuned, frozen, notes = tuned_model(config, prepared, arguments, model)
        if arguments.ddp_find_unused_parameters is None and uses_all_weights(tuned):
            arguments.ddp_find_unused_parameters = False
        trainer = _trainer(tuned, attention_of(tuned), prepared, arguments)
        return TrlSession(trainer, config, prepared, run, frozen, notes, start)

    def epoch(self, config: Config, prepared: Prepared) -> EpochBatches:
        """See :meth:`sanetune.engine.base.Engine.epoch`.

        The same class with the same arguments, rows, sampler and collator makes the batches; only the model is a
        stand-in of a few hundred weights, since batches do not depend on it.
        """
        config = undivided(config)
        with kept_random_states(), tempfile.TemporaryDirectory() as folder, quiet():
            arguments = arguments_of(config, prepared, Run(Path(folder)), resuming=False)
            trainer = _trainer(_stand_in(), config.model.attention or "", prepared, arguments, fill_up=False)
            train = _undivided(trainer.get_train_dataloader())
            validation = _undivided(trainer.get_eval_dataloader()) if has_validation(prepared) else None
            return EpochBatches(train, validation)

    def loss_on_shapes(self, model: PreTrainedModel, shape: BatchShape, device: str) -> Tensor:
        """See :meth:`sanetune.engine.base.Engine.loss_on_shapes`."""
        return loss_on_shapes(model, shape, device)


def _trainer(
    model: PreTrainedModel, attention: str, prepared: Prepared, arguments: SFTConfig, *, fill_up: bool = True
) -> Trainer:
    """``fill_up``: all processes get equally many full batches, by rows without a label."""
    lengths = arguments.train_sampling_strategy in ("group_by_length", "batch_rebalance")
    validation: datasets.Dataset | None = None
    if has_validation(prepared):
        validation = training_columns(prepared.validation, lengths=lengths, numbers=True)
        if fill_up and arguments.world_size > 1:
            validation = filled_up(validation, arguments.eval_batch_size * arguments.world_size)
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=collate_for(prepared.tokenizer.pad_token_id, attention),
        train_dataset=training_columns(prepared.train, lengths=lengths, numbers=True),
        eval_dataset=validation,
        processing_class=prepared.tokenizer,
        fingerprint=getattr(prepared, "fingerprint", ""),
    )
    trainer.fills_up, trainer.validation_sets = fill_up, sets_of(prepared)
    return trainer


def _undivided(loader: DataLoader) -> DataLoader:
    """``loader`` without the division of batches among processes: a process's own are no epoch."""
    from accelerate.data_loader import BatchSamplerShard

    shard = getattr(loader, "batch_sampler", None)
    if isinstance(shard, BatchSamplerShard):
        # Rows that come twice so that all processes have equally many are no row's own fault.
        shard.num_processes, shard.process_index, shard.even_batches = 1, 0, False
    return loader


def _stand_in() -> LlamaForCausalLM:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=8, **sizes))
