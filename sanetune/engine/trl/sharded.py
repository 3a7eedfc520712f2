"""A trainer whose model FSDP2 has divided among the processes: whole weights in its checkpoints, on processors too."""

from __future__ import annotations

from pathlib import Path

import transformers
from torch import nn

from sanetune.engine import sharding


class Sharded(transformers.Trainer):
    """Each override says which behaviour of transformers 5.23 or accelerate 1.15 it corrects; none matters without
    FSDP."""

    def create_accelerator_and_postprocess(self) -> None:
        """Shard on processors too: accelerate takes DDP there."""
        super().create_accelerator_and_postprocess()
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        if plugin is None and self.args.fsdp_plugin_args is not None:
            from accelerate.utils import FullyShardedDataParallelPlugin

            plugin = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
        sharding.set_up(self.accelerator, plugin)
        self.is_fsdp_enabled = getattr(self.accelerator.state, "fsdp_plugin", None) is not None

    def _prepare_for_training(self, *args: object, **kwargs: object) -> object:
        """Let all processes begin with the main one's weights: each shards what it has."""
        if self.is_fsdp_enabled and not sharding.is_sharded(self.model):
            sharding.share_weights(self.accelerator, self.model)
        return super()._prepare_for_training(*args, **kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Gather what a checkpoint has: accelerate gathers the frozen weights below an adapter too, and writes none
        where the state is kept in shards."""
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
            return
        weights = sharding.whole_weights(self.model, main=bool(self.args.should_save))
        self._save(output_dir or str(self.args.output_dir), state_dict=weights)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Read whole weights as safetensors; accelerate unpickles."""
        if self.is_fsdp_enabled:
            sharding.load_weights(self.model, Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        """The same."""
        best = self.state.best_model_checkpoint
        if self.is_fsdp_enabled and best is not None:
            sharding.load_weights(self.model, Path(best))
        else:
            super()._load_best_model()
