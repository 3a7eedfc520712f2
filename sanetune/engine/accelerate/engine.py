"""The engine that trains with :func:`sanetune.engine.accelerate.loop.fit`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from accelerate.data_loader import prepare_data_loader
from accelerate.utils import DistributedType

from sanetune.engine.accelerate.accelerator import make_accelerator
from sanetune.engine.accelerate.dataloaders import train_loader, train_rows, validation_loader, validation_rows
from sanetune.engine.accelerate.loss_on_shapes import loss_on_shapes
from sanetune.engine.accelerate.models import prepared_model, seed
from sanetune.engine.accelerate.parts import Parts
from sanetune.engine.accelerate.session import AccelerateSession
from sanetune.engine.accelerate.settings import require_honoured
from sanetune.engine.base import Engine, EpochBatches
from sanetune.engine.batches import Batches, collate_for, training_columns
from sanetune.engine.building import arguments_of, checked_start, has_validation
from sanetune.engine.documents import DocumentLoss
from sanetune.engine.hooks import Hooks
from sanetune.engine.isolation import undivided
from sanetune.engine.library_logs import quiet
from sanetune.engine.models import attention_of
from sanetune.errors import ConfigError
from sanetune.rng import kept_random_states
from sanetune.runs import Run

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor
    from torch.utils.data import DataLoader
    from transformers import PreTrainedModel
    from trl import SFTConfig

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.engine.batch_shape import BatchShape
    from sanetune.engine.batches import Batch


class AccelerateEngine(Engine):
    """Trains with sanetune's own loop."""

    def build(
        self,
        config: Config,
        prepared: Prepared,
        run: Run,
        *,
        model: PreTrainedModel | None = None,
        resume: bool = False,
        hooks: Hooks | None = None,
    ) -> AccelerateSession:
        """See :meth:`sanetune.engine.base.Engine.build`."""
        require_honoured(config)
        start = checked_start(run, prepared) if resume else None
        arguments = arguments_of(config, prepared, run, resuming=start is not None)
        accelerator = make_accelerator(arguments)
        if accelerator.distributed_type == DistributedType.DEEPSPEED:
            raise ConfigError(
                "train.engine: accelerate does not train under DeepSpeed.",
                "DeepSpeed brings a training loop of its own.",
                "Set train.engine: trl, or shard with FSDP2 (train.fsdp: true).",
            )
        if accelerator.is_fsdp2 and hooks is not None and hooks.combine_gradients is not None:
            raise ConfigError(
                "Hooks.combine_gradients is given, and FSDP divides the gradients among the processes.",
                "No process has the whole gradient of a loss.",
                "Train with DDP (leave train.fsdp out).",
            )
        tuned, frozen, notes = prepared_model(config, prepared, arguments, model)
        if hooks is not None and hooks.on_model is not None:
            hooks.on_model(tuned)
            seed(arguments)
        if not getattr(tuned, "quantization_method", None):
            tuned.to(accelerator.device)
        parts = Parts(
            tuned,
            arguments,
            accelerator,
            prepared.tokenizer,
            collate_for(prepared.tokenizer.pad_token_id, attention_of(tuned)),
            train_rows(prepared, arguments),
            validation_rows(prepared, arguments),
            getattr(prepared, "fingerprint", ""),
            hooks or Hooks(),
            _documents(tuned, accelerator),
        )
        return AccelerateSession(parts, config, prepared, run, frozen, notes, start)

    def epoch(self, config: Config, prepared: Prepared) -> EpochBatches:
        """See :meth:`sanetune.engine.base.Engine.epoch`."""
        require_honoured(config)
        config = undivided(config)
        with kept_random_states(), tempfile.TemporaryDirectory() as folder, quiet():
            arguments = arguments_of(config, prepared, Run(Path(folder)), resuming=False)
            collate = collate_for(prepared.tokenizer.pad_token_id, config.model.attention or "")
            rows = train_rows(prepared, arguments)
            train = _undivided(train_loader(rows, collate, arguments, divided=False), arguments)
            if not has_validation(prepared):
                return EpochBatches(train)
            rows = training_columns(prepared.validation, lengths=False)
            return EpochBatches(train, _undivided(validation_loader(rows, collate, arguments), arguments))

    def loss_on_shapes(self, model: PreTrainedModel, shape: BatchShape, device: str) -> Tensor:
        """See :meth:`sanetune.engine.base.Engine.loss_on_shapes`."""
        return loss_on_shapes(model, shape)


def _documents(model: PreTrainedModel, accelerator: Accelerator) -> DocumentLoss | None:
    """The loss of documents without padding, where it is faster: on a processor."""
    # It calls layers below the modules at which FSDP gathers their weights.
    if accelerator.device.type != "cpu" or accelerator.is_fsdp2:
        return None
    return DocumentLoss(model)


def _undivided(loader: DataLoader[Batch], arguments: SFTConfig) -> Batches:
    """``loader`` as accelerate makes it, not divided among processes and in main memory."""
    prepared: Batches = prepare_data_loader(
        loader,
        num_processes=1,
        process_index=0,
        put_on_device=False,
        use_seedable_sampler=arguments.accelerator_config.use_seedable_sampler,
        data_seed=arguments.data_seed,
    )
    return prepared
