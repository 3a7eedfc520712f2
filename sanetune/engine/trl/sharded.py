"""A trainer whose model FSDP2 or DeepSpeed has divided among the processes: whole weights in its checkpoints, on
processors too."""

from __future__ import annotations

from pathlib import Path

import transformers
from torch import nn
from torch.utils.data import DataLoader

from sanetune.engine import sharding, zero
from sanetune.engine.batches import Batch


class Sharded(transformers.Trainer):
    """Each override says which behaviour of transformers 5.23 or accelerate 1.15 it corrects; none matters without
    FSDP or DeepSpeed."""

    @property
    def is_divided(self) -> bool:
        """Whether FSDP or DeepSpeed divides the model or its optimizer among the processes."""
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def create_accelerator_and_postprocess(self) -> None:
        """Shard on processors too: accelerate takes DDP there."""
        super().create_accelerator_and_postprocess()
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        if plugin is None and self.args.fsdp_plugin_args is not None:
            from accelerate.utils import FullyShardedDataParallelPlugin

            plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
        sharding.set_up(self.accelerator, plugin)
        self.is_fsdp_enabled = getattr(self.accelerator.state, "fsdp_plugin", None) is not None

    def _prepare_for_training(
        self, max_steps: int, train_dataloader: DataLoader[Batch], resume_from_checkpoint: str | None
    ) -> object:
        """Let all processes begin with the main one's weights: each shards what it has. Of DeepSpeed's checkpoints read
        safetensors and JSON; transformers lets DeepSpeed unpickle."""
        if self.is_fsdp_enabled and not sharding.is_sharded(self.model):
            sharding.share_weights(self.accelerator, self.model)
        if not self.is_deepspeed_enabled:
            return super()._prepare_for_training(max_steps, train_dataloader, resume_from_checkpoint)
        prepared = super()._prepare_for_training(max_steps, train_dataloader, None)
        if self.args.save_strategy != "no" and not self.args.save_only_model:
            zero.ZeroOptimizer(self.deepspeed)  # refuses here, not at the first checkpoint
        if resume_from_checkpoint is not None:
            self._load_from_checkpoint(resume_from_checkpoint)
            self._load_optimizer_and_scheduler(resume_from_checkpoint)
        return prepared

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Gather what a checkpoint has: accelerate gathers the frozen weights below an adapter too, and writes none
        where the state is kept in shards."""
        if not self.is_divided:
            super().save_model(output_dir, _internal_call)
            return
        weights = sharding.whole_weights(self.model, main=bool(self.args.should_save))
        self._save(output_dir or str(self.args.output_dir), state_dict=weights)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Read whole weights as safetensors; accelerate unpickles."""
        if self.is_divided:
            sharding.load_weights(self.model, Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        """The same."""
        best = self.state.best_model_checkpoint
        if self.is_divided and best is not None:
            sharding.load_weights(self.model, Path(best))
        else:
            super()._load_best_model()
