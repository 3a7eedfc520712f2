"""A model that FSDP2 or ZeRO-3 has divided among the processes: whole weights and optimizer states of it, and back.

Checkpoints and results have whole weights under the names that a model of one process has, so that another number of
processes, or none of them, can go on from them. What libraries write of shards are pickles, or the part of one process
(https://github.com/huggingface/accelerate/issues/4206).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.engine.distributed import whole
from sanetune.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from accelerate.utils import FullyShardedDataParallelPlugin
    from peft import PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel

_WRAPPED = "_checkpoint_wrapped_module."
"""What FSDP's own activation checkpointing adds to names."""


def set_up(accelerator: Accelerator, plugin: FullyShardedDataParallelPlugin | None = None) -> None:
    """Let ``accelerator`` shard on processors too, where FSDP is asked for: accelerate takes DDP there, in silence.

    Args:
        accelerator: As it was just made.
        plugin: What it was made with; None: the environment says whether FSDP is wanted.

    Raises:
        ConfigError: FSDP1 is asked for.
    """
    import os

    from accelerate import PartialState
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    state = accelerator.state
    wanted = plugin is not None or os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
    if wanted and accelerator.distributed_type == DistributedType.MULTI_CPU:
        plugin = plugin or FullyShardedDataParallelPlugin()
        if accelerator.mixed_precision != "no":
            plugin.set_mixed_precision(accelerator.mixed_precision)
        state.fsdp_plugin = plugin
        # Each state that is made later copies what is in the other one.
        state.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP
    if accelerator.distributed_type == DistributedType.FSDP and state.fsdp_plugin.fsdp_version != 2:
        raise ConfigError(
            f"FSDP{state.fsdp_plugin.fsdp_version} is asked for.",
            "Its weights are flat pieces that cannot be compared or saved as those of the model, and transformers "
            "takes it out.",
            "Set fsdp_version: 2 in accelerate's file, or train.fsdp: true with version: 2 in train.fsdp_config.",
        )


def is_sharded(model: nn.Module) -> bool:
    """Return whether weights of ``model`` are divided among processes."""
    return any(hasattr(weight, "full_tensor") for weight in model.parameters())


def share_weights(accelerator: Accelerator, model: nn.Module) -> None:
    """Give all processes the weights and buffers of the main one, as DDP does; what was drawn may differ before.

    Each process then keeps its part of them. With ``cpu_ram_efficient_loading`` FSDP does that itself.
    """
    import torch.distributed as dist

    if accelerator.state.fsdp_plugin.cpu_ram_efficient_loading:
        return
    for tensor in [*model.parameters(), *model.buffers()]:
        moved = tensor.data.to(accelerator.device)
        dist.broadcast(moved, src=0)
        tensor.data.copy_(moved)


def whole_weights(model: PreTrainedModel | PeftModel, *, main: bool, saved: bool = True) -> dict[str, Tensor]:
    """Return weights of ``model`` whole and in main memory, by their names; all processes ask together.

    Args:
        model: The sharded model.
        main: Whether this process keeps them; the others get an empty mapping.
        saved: Whether only those are wanted that a checkpoint has: of an adapter, no others.
    """
    wanted = set(stored_names(model).values()) if saved else None
    found = {}
    for name, tensor in _tensors(model).items():
        if wanted is None or name in wanted:
            value = whole(tensor)
            if main:
                found[name] = value.cpu()
    return found


def load_weights(model: PreTrainedModel | PeftModel, checkpoint: Path) -> None:
    """Give the sharded ``model`` the whole weights of ``checkpoint``; all processes load together.

    Raises:
        ModelError: They are not the weights of this model.
    """
    from safetensors import safe_open

    names, tensors = stored_names(model), _tensors(model)
    files = sorted([*checkpoint.glob("adapter_model*.safetensors")] or [*checkpoint.glob("model*.safetensors")])
    there = set()
    for file in files:
        with safe_open(str(file), "pt") as stored:
            for key in stored.keys():  # noqa: SIM118 -- no mapping
                if key in names:
                    _put(tensors[names[key]], stored.get_tensor(key))
                there.add(key)
    if apart := sorted(names.keys() ^ there):
        raise ModelError(
            f"The weights of {checkpoint.name} are not this model's: {len(apart)} names differ, e.g. {apart[0]}.",
            "The run would go on from other weights than it had.",
            "Go on with the model that the run began with.",
        )


def stored_names(model: PreTrainedModel | PeftModel) -> dict[str, str]:
    """Return which names a checkpoint of ``model`` has, and those of the same weights in the model."""
    from peft import PeftModel, get_peft_model_state_dict

    tensors = _tensors(model)
    if not isinstance(model, PeftModel):
        return {name: name for name in tensors}
    named = {id(tensor): name for name, tensor in tensors.items()}
    # peft decides what belongs to an adapter.
    return {key: named[id(one)] for key, one in get_peft_model_state_dict(model, state_dict=tensors).items()}


def fill(plain: PreTrainedModel | PeftModel, weights: Mapping[str, Tensor]) -> None:
    """Give ``plain``, a model of one process, the ``weights`` of the same names."""
    for name, weight in _tensors(plain).items():
        if name in weights:
            weight.data = weights[name].to(weight.device)


class WholeOptimizer:
    """The optimizer of a sharded model; its state is that of one process. All processes ask together.

    Args:
        model: The sharded model.
        optimizer: Over its weights; perhaps wrapped by accelerate.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._model, self._optimizer = model, getattr(optimizer, "optimizer", optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Return the state by the names of weights, whole and in main memory; the main process alone has it."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        return dict(get_optimizer_state_dict(self._model, self._optimizer, options=options))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the parts of this process of a whole state."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

        options = StateDictOptions(full_state_dict=True)
        before = [dict(group) for group in self._optimizer.param_groups]
        set_optimizer_state_dict(self._model, self._optimizer, state_dict, options=options)
        for group, kept in zip(self._optimizer.param_groups, before, strict=True):
            # torch makes lists of tuples such as AdamW's betas.
            group |= {key: tuple(group[key]) for key, value in kept.items() if isinstance(value, tuple)}


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """The weights, tied ones once, and the buffers that are saved."""
    kept = model.state_dict()
    found: dict[str, Tensor] = dict(model.named_parameters())
    found |= {name: buffer for name, buffer in model.named_buffers() if name in kept}
    return {name.replace(_WRAPPED, ""): tensor for name, tensor in found.items()}


def _put(target: Tensor, value: Tensor) -> None:
    import importlib

    import torch
    from torch.distributed.tensor import DTensor, distribute_tensor

    with torch.no_grad():
        if hasattr(target, "ds_id"):
            # The main process's value is kept; DeepSpeed sends it to the others.
            with importlib.import_module("deepspeed").zero.GatheredParameters([target], modifier_rank=0):
                target.data.copy_(value)
            return
        if not isinstance(target, DTensor):
            target.copy_(value)
            return
        local = value.to(device=target.device_mesh.device_type, dtype=target.dtype)
        # Every process has read the same file: none has to send anything.
        target.copy_(distribute_tensor(local, target.device_mesh, target.placements, src_data_rank=None))
